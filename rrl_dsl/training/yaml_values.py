"""Reads and writes YAML values by the core schema of YAML 1.2.

PyYAML implements YAML 1.1, in which `1e-1` is text, `on` is true, `1:30` is 90, `010` is 8, and a
date is not text.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

_DIGITS: Final = r"[0-9]+(?:_[0-9]+)*"
# Tag, pattern and first characters: YAML 1.2.2, section 10.3.2, and `1_000`.
_SCHEMA: Final = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", rf"[-+]?{_DIGITS}|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        rf"[-+]?(\.[0-9]+|{_DIGITS}(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
)


_MOST_DIGITS: Final = 3000


class Loader(yaml.SafeLoader):
    """Reads values by the core schema of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own annotation)

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        """Returns an integer: `010` is ten.

        Raises:
            ValueError: If it is not a number, or has more digits than Python converts.
        """
        text = str(self.construct_scalar(node))
        if len(text) > _MOST_DIGITS:
            raise ValueError("it has too many digits")
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Returns a value.

        Raises:
            yaml.YAMLError: If it does not have the type that its tag names.
        """
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:  # of `!!int x`
            kind = node.tag.rpartition(":")[2]
            message = f"this value cannot be read as `{kind}`: {problem}"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark) from None


class Dumper(yaml.SafeDumper):
    """Writes values that `Loader` reads back."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


for _tag, _pattern, _first in _SCHEMA:
    for _class in (Loader, Dumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}",
            re.compile(f"(?:{_pattern})$"),
            ["" if character == "\0" else character for character in _first],
        )
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_whole)
