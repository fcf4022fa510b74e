"""The YAML files of an image folder."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import yaml

from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.digest import normal
from rrl_dsl.language.files import YAML_BYTES, read_bytes
from rrl_dsl.language.span import Source
from rrl_dsl.language.yaml_faults import SAVE, events_of, not_yaml


class _Loader(yaml.BaseLoader):
    """Loads every scalar as a string, such as 0, no, NULL or -999."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Constructs a mapping.

        Raises:
            yaml.YAMLError: If a key occurs twice.
        """
        seen = set[object]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                message = f"the key `{key.value}` occurs twice"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> object:
    """Returns the content of a YAML file, with scalars as text in Unicode's normal form C.

    Raises:
        RRLError: RRL412 if it cannot be read, RRL428 if it is too large.
    """
    try:
        content = read_bytes(path, str(path), YAML_BYTES)
        source = Source(normal(content.decode("utf-8-sig")), str(path))
        deque(events_of("RRL412", source), maxlen=0)
        return yaml.load(source.text, Loader=_Loader)
    except OSError as reason:
        raise error("RRL412", f"{path} cannot be read: {reason.strerror}") from reason
    except UnicodeDecodeError as reason:
        raise error("RRL412", f"{path} is not UTF-8 text", hint=SAVE) from reason
    except yaml.YAMLError as reason:
        raise RRLError(not_yaml("RRL412", source, reason)) from reason
