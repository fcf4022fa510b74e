"""Settings as the user writes them, in YAML, `--set`, flags, Python and recipe headers."""

from __future__ import annotations

import json
import os
import re
import reprlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from rrl_dsl.graph.recipe import parameter_value
from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.files import YAML_BYTES, read_bytes
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.yaml_faults import SAVE, events_of, not_yaml
from rrl_dsl.models.renamed import KeyPath, current_path, current_value, renamed
from rrl_dsl.report.gallery import header_of
from rrl_dsl.training.yaml_values import Loader

FLAGS: Final = (
    "loss",
    "dataset",
    "split",
    "epochs",
    "batch_size",
    "devices",
    "num_nodes",
    "precision",
    "seed",
    "draws",
    "data_dir",
    "download",
    "eval",
)
"""The settings that have a flag of the same name."""

_ASSIGNMENT: Final = "--set"
_PACKAGE: Final = str(Path(__file__).parents[1])
_COMMAND_LINE: Final = "command line"
_PYTHON: Final = "Python"


@dataclass(frozen=True)
class Setting:
    """A value that the user gives, with its position in a text.

    Attributes:
        path: The path of its key.
        value: The value.
        source: The text that it is written in.
        keys: The spans of the parts of the key.
        span: The span of the value.
        allowed: The modules whose code the file may name; None if the setting is not from a file
            and may name any code.
        axis: The values of its key in a sweep; empty if `--set` with a list cannot replace them, as
            those of a key in `runs`. None if the setting is not of a sweep.
    """

    path: KeyPath
    value: Any
    source: Source
    keys: tuple[Span, ...]
    span: Span
    allowed: frozenset[str] | None = None
    axis: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", current_path(self.path))
        object.__setattr__(self, "value", current_value(self.path, self.value))


def notes_of(settings: Iterable[Setting]) -> dict[Diagnostic, None]:
    """Returns warnings about settings that are written with names of the previous release."""
    notes = dict[Diagnostic, None]()
    for setting in settings:
        written = [setting.source.text[span.start : span.end].strip() for span in setting.keys]
        for at, (old, now) in enumerate(zip(written, setting.path, strict=False)):
            if old != now and current_path((*setting.path[:at], old)) == setting.path[: at + 1]:
                message, key = renamed(old, now), setting.keys[at]
                note = Diagnostic("RRL501", message, key, setting.source, severity="warning")
                notes[note] = None
    return notes


def from_yaml(path: Path, allow_code: Collection[str] = ()) -> list[Setting]:
    """Reads the settings of a YAML file.

    Args:
        path: The file.
        allow_code: The modules whose code it may name, as `package.module:attribute`.

    Raises:
        RRLError: RRL503 if the file is not a YAML mapping; RRL428 if it is too large.
    """
    with parsed(path) as (source, root):
        if root is None:
            return []
        return [setting_of(entry, source, allow_code) for entry in entries(root, source)]


@contextmanager
def parsed(path: Path) -> Iterator[tuple[Source, yaml.Node | None]]:
    """Parses a YAML file; read values from its nodes only inside the `with` statement.

    Raises:
        RRLError: RRL503 if the file is not YAML; RRL428 if it is too large.
    """
    try:
        source = Source(read_bytes(path, str(path), YAML_BYTES).decode("utf-8-sig"), str(path))
    except OSError as problem:
        message = f"cannot read the configuration `{path}`: {problem.strerror}"
        raise RRLError(Diagnostic("RRL503", message)) from None
    except UnicodeDecodeError:
        message = "the configuration is not UTF-8 text"
        place = Source("", str(path))
        raise RRLError(Diagnostic("RRL503", message, source=place, hint=SAVE)) from None
    try:
        _refuse_aliases(source)
        yield source, yaml.compose(source.text, Loader=Loader)
    except yaml.YAMLError as problem:
        raise RRLError(not_yaml("RRL503", source, problem)) from None


def from_assignment(text: str) -> Setting:
    """Reads `--set KEY=VALUE`; the value is YAML.

    Raises:
        RRLError: RRL503 if it is not an assignment, or the value is not YAML.
    """
    source = Source(text, _ASSIGNMENT)
    key, equals, value = text.partition("=")
    path, keys = _parts(key, 0)
    if not equals or not all(path):
        message = "an assignment must look like `optimizer.lr=0.001`"
        raise RRLError(Diagnostic("RRL503", message, Span(0, len(text)), source))
    span = Span(len(key) + 1, max(len(text), len(key) + 2))
    try:
        _refuse_aliases(Source(value))
        read = _value(yaml.compose(value, Loader=Loader), path)
    except (yaml.YAMLError, RRLError):
        message = f"`{value}` is not a YAML value"
        raise RRLError(Diagnostic("RRL503", message, span, source)) from None
    return Setting(path, read, source, keys, span)


def from_flag(flag: str, path: KeyPath, value: Any, written: str | None = None) -> Setting:
    """Returns the setting of a flag; `written` is the text after the flag, `value` by default."""
    source = Source(f"{flag} {value if written is None else written}", _COMMAND_LINE)
    span = Span(len(flag) + 1, len(source.text))
    return Setting(path, value, source, (span,) * len(path), span)


def from_arguments(arguments: Mapping[str, Any], above: str = "") -> list[Setting]:
    """Returns the settings of keyword arguments.

    Args:
        arguments: Values by the names of settings, as nested mappings or with dots.
        above: The section of the names, with a dot at its end.
    """
    settings = list[Setting]()
    for name, value in arguments.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping) and value:
            settings += from_arguments(value, f"{key}.")
            continue
        source = Source(f"{key}={reprlib.repr(value)}", _PYTHON)
        path, keys = _parts(key, 0)
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        span = Span(len(key) + 1, len(source.text))
        settings.append(Setting(path, value, source, keys, span))
    return settings


def from_header(source: Source, allow_code: Collection[str] = ()) -> Setting | None:
    """Returns the setting in the header of a recipe: its loss.

    Args:
        source: The recipe.
        allow_code: The modules whose code it may name.
    """
    loss = header_of(source.text).loss
    if not loss:
        return None
    start = source.text.index(loss, source.text.index("loss: "))
    span = Span(start, start + len(loss))
    return Setting(("loss",), loss, source, (span,), span, frozenset(allow_code))


@contextmanager
def pointing_at(settings: Sequence[Setting], *keys: str) -> Iterator[None]:
    """Gives errors without a position the position of the setting that causes them.

    This is the last setting below the first name that the user set: the names are the `settings`
    of the diagnostic, then the keys. If the user set none of them, the error stays without a
    position.

    A fix `--set KEY=VALUE` is written in the form in which the user wrote the setting.
    """
    try:
        yield
    except RRLError as problem:
        raise RRLError(
            replace(
                _placed(diagnostic, settings, keys), hint=_as_written(diagnostic.hint, settings)
            )
            for diagnostic in problem.diagnostics
        ) from None


def _placed(diagnostic: Diagnostic, settings: Sequence[Setting], keys: Sequence[str]) -> Diagnostic:
    if diagnostic.source is not None:
        return diagnostic
    for name in (*diagnostic.settings, *keys):
        path = tuple(name.split("."))
        for setting in reversed(settings):
            if setting.path[: len(path)] == path:
                return replace(diagnostic, source=setting.source, span=setting.span)
    return diagnostic


def _as_written(hint: str | None, settings: Sequence[Setting]) -> str | None:
    """Writes `--set KEY=VALUE` in a hint as the user wrote the key, or else as its flag.

    A file of this package, such as that of a study, is not the user's to change.
    """

    def form(match: re.Match[str]) -> str:
        key, value = match.groups()
        written = [setting for setting in settings if ".".join(setting.path) == key]
        names = [setting.source.name for setting in written]
        if written and written[-1].axis is not None and len(written[-1].axis) != 1:
            return _in_axis(written[-1], written[-1].axis, value)
        if any(setting.source.name == _PYTHON for setting in settings):
            return f"`{key}={value}`"
        if names and names[-1] not in (_ASSIGNMENT, _COMMAND_LINE):
            return match[0] if names[-1].startswith(_PACKAGE) else f"`{key}: {value}`"
        has_flag = key in FLAGS and all(setting.axis is None for setting in settings)
        if has_flag and names[-1:] != [_ASSIGNMENT]:
            return f"`--{key.replace('_', '-')} {value}`"
        return match[0]

    return None if hint is None else re.sub(r"`--set ([\w.]+)=([^`]*)`", form, hint)


def _in_axis(setting: Setting, axis: Sequence[Any], value: str) -> str:
    """Writes a fix of one value of an axis, which must not replace the other values."""
    change = f"`{value}` in place of `{json.dumps(setting.value)}`"
    if not setting.source.name.startswith(_PACKAGE):
        return change
    if not axis:
        return f"{change} in a copy of the study (`--copy FOLDER`)"
    return f"`--set '{'.'.join(setting.path)}={json.dumps(axis)}'` with {change}"


def _refuse_aliases(source: Source) -> None:
    """Refuses aliases: a few lines of nested aliases can expand beyond memory."""
    for event in events_of("RRL503", source):
        if isinstance(event, yaml.AliasEvent) and event.start_mark and event.end_mark:
            span = Span(event.start_mark.index, event.end_mark.index)
            message = "a configuration must not have aliases"
            hint = "repeat the value in place of the alias"
            raise RRLError(Diagnostic("RRL503", message, span, source, hint))


def _parts(key: str, start: int) -> tuple[KeyPath, tuple[Span, ...]]:
    """Splits a key such as `optimizer.lr`, which begins at `start`; returns parts and spans."""
    parts, spans = list[str](), list[Span]()
    for part in key.split("."):
        spans.append(Span(start, start + len(part)))
        parts.append(part.strip())
        start += len(part) + 1
    return tuple(parts), tuple(spans)


class Entry(NamedTuple):
    """A key of a YAML file, with the node of its value.

    Attributes:
        path: The path of the key.
        keys: The spans of the parts of the key.
        node: The value; not a mapping, unless it is empty.
    """

    path: KeyPath
    keys: tuple[Span, ...]
    node: yaml.Node

    @property
    def span(self) -> Span:
        """The span of the value, or of the key if the value is empty."""
        return Span(self.node.start_mark.index, max(self.node.end_mark.index, self.keys[-1].end))


def entries(
    node: yaml.Node, source: Source, path: KeyPath = (), keys: tuple[Span, ...] = ()
) -> Iterator[Entry]:
    """Yields the keys of a mapping, and those of the mappings in it.

    Args:
        node: The mapping.
        source: The text that it is in.
        path: The path of its key.
        keys: The spans of the parts of its key.

    Raises:
        RRLError: RRL503 if it is not a mapping, or a key is not a word or occurs twice.
    """
    if not isinstance(node, yaml.MappingNode):
        span = Span(node.start_mark.index, max(node.end_mark.index, node.start_mark.index + 1))
        message = "a configuration must be a mapping of keys to values"
        raise RRLError(Diagnostic("RRL503", message, span, source, hint="write `epochs: 100`"))
    for key, value in node.value:
        key_span = Span(key.start_mark.index, key.end_mark.index)
        if not isinstance(key, yaml.ScalarNode):
            raise RRLError(Diagnostic("RRL503", "a key must be a word", key_span, source))
        parts, spans = _parts(key.value, key.start_mark.index)
        inner, inner_keys = (*path, *parts), (*keys, *spans)
        if any(_same_key(key, other) for other, _ in node.value if other is not key):
            message = f"the key `{key.value}` occurs twice"
            raise RRLError(Diagnostic("RRL503", message, key_span, source, "remove one of them"))
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from entries(value, source, inner, inner_keys)
        else:
            yield Entry(inner, inner_keys, value)


def setting_of(entry: Entry, source: Source, allow_code: Collection[str] = ()) -> Setting:
    """Returns the setting of a key.

    Args:
        entry: The key and its value.
        source: The text that it is in.
        allow_code: The modules whose code it may name.
    """
    value = _value(entry.node, entry.path)
    return Setting(entry.path, value, source, entry.keys, entry.span, frozenset(allow_code))


def _value(node: yaml.Node | None, path: KeyPath) -> Any:
    """Reads a value; values of recipe parameters are read as `--param` reads them."""
    if path[0] == "params":
        if isinstance(node, yaml.ScalarNode) and not node.style:
            return parameter_value(node.value)
        if isinstance(node, yaml.MappingNode):
            return {str(key.value): _value(value, path) for key, value in node.value}
    return None if node is None else Loader("").construct_document(node)


def _same_key(one: yaml.Node, other: yaml.Node) -> bool:
    return bool(one.value == other.value)
