"""From YAML, `--set` and flags to a `Config`; every mistake is shown where it was written."""

from __future__ import annotations

import os
import re
import reprlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from rrl_dsl.graph.recipe import parameter_value
from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.files import YAML_BYTES, read_bytes
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.yaml_faults import events_of, not_yaml
from rrl_dsl.report.gallery import header_of
from rrl_dsl.training.renamed import Place, current_place, current_value
from rrl_dsl.training.yaml_values import Loader

FLAGS: Final = (
    "loss",
    "dataset",
    "epochs",
    "batch_size",
    "devices",
    "precision",
    "seed",
    "draws",
    "data_dir",
    "download",
    "eval",
)
"""The settings that have a flag of the same name."""

_ASSIGNMENT: Final = "--set"
_COMMAND_LINE: Final = "command line"
_PYTHON: Final = "Python"


@dataclass(frozen=True)
class Setting:
    """One value that a user gave, and where.

    Attributes:
        keys: Where each part of its place stands.
        span: Where the value stands.
        allowed: The modules that a file may name code of; None for what is not from a file, and
            may name any.
    """

    place: Place
    value: Any
    source: Source
    keys: tuple[Span, ...]
    span: Span
    allowed: frozenset[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", current_place(self.place))
        object.__setattr__(self, "value", current_value(self.place, self.value))


def notes_of(settings: Iterable[Setting]) -> dict[Diagnostic, None]:
    """Warnings about settings that the user wrote with their names of the previous release."""
    notes = dict[Diagnostic, None]()
    for setting in settings:
        written = [setting.source.text[span.start : span.end].strip() for span in setting.keys]
        for at, (old, now) in enumerate(zip(written, setting.place, strict=False)):
            if old != now and current_place((*setting.place[:at], old)) == setting.place[: at + 1]:
                message = f"`{old}` is now `{now}`; only this release still accepts the old name"
                key = setting.keys[at]
                note = Diagnostic("RRL501", message, key, setting.source, severity="warning")
                notes[note] = None
    return notes


def from_yaml(path: Path, allow_code: Collection[str] = ()) -> list[Setting]:
    """The settings of a YAML file.

    Args:
        path: The file.
        allow_code: The modules that it may name code of, as `package.module:attribute`.

    Raises:
        RRLError: RRL503 where the file is not a mapping of readable YAML, RRL428 where it is too
            large.
    """
    try:
        source = Source(read_bytes(path, str(path), YAML_BYTES).decode("utf-8-sig"), str(path))
    except OSError as problem:
        message = f"cannot read the configuration `{path}`: {problem.strerror}"
        raise RRLError(Diagnostic("RRL503", message)) from None
    except UnicodeDecodeError:
        message = "the configuration is not UTF-8 text"
        raise RRLError(Diagnostic("RRL503", message, source=Source("", str(path)))) from None
    try:
        _refuse_aliases(source)
        root = yaml.compose(source.text, Loader=Loader)
        settings = list(_settings(root, (), source)) if root is not None else []
    except yaml.YAMLError as problem:
        raise RRLError(not_yaml("RRL503", source, problem)) from None
    return [replace(each, allowed=frozenset(allow_code)) for each in settings]


def from_assignment(text: str) -> Setting:
    """The setting that `--set key=value` gives; the value is read as YAML.

    Raises:
        RRLError: RRL503 where it is no assignment or the value is not YAML.
    """
    source = Source(text, _ASSIGNMENT)
    key, equals, value = text.partition("=")
    place, keys = _parts(key, 0)
    if not equals or not all(place):
        message = "an assignment must look like `optimizer.lr=0.001`"
        raise RRLError(Diagnostic("RRL503", message, Span(0, len(text)), source))
    span = Span(len(key) + 1, max(len(text), len(key) + 2))
    try:
        _refuse_aliases(Source(value))
        read = _value(yaml.compose(value, Loader=Loader), place)
    except (yaml.YAMLError, RRLError):
        message = f"`{value}` is not a YAML value"
        raise RRLError(Diagnostic("RRL503", message, span, source)) from None
    return Setting(place, read, source, keys, span)


def from_flag(flag: str, place: Place, value: Any, written: str | None = None) -> Setting:
    """The setting that a flag of the command line gives; `written` is what stands after it."""
    source = Source(f"{flag} {value if written is None else written}", _COMMAND_LINE)
    span = Span(len(flag) + 1, len(source.text))
    return Setting(place, value, source, (span,) * len(place), span)


def from_arguments(arguments: Mapping[str, Any], above: str = "") -> list[Setting]:
    """The settings that keyword arguments of Python give.

    Args:
        arguments: Values by the names of settings, nested as mappings or with dots.
        above: The section that they are in, with a dot behind it.
    """
    settings = list[Setting]()
    for name, value in arguments.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping) and value:
            settings += from_arguments(value, f"{key}.")
            continue
        source = Source(f"{key}={reprlib.repr(value)}", _PYTHON)
        place, keys = _parts(key, 0)
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        span = Span(len(key) + 1, len(source.text))
        settings.append(Setting(place, value, source, keys, span))
    return settings


def from_header(source: Source, allow_code: Collection[str] = ()) -> Setting | None:
    """The setting that the header of a recipe gives: its loss.

    Args:
        source: The recipe.
        allow_code: The modules that it may name code of.
    """
    loss = header_of(source.text).loss
    if not loss:
        return None
    start = source.text.index(loss, source.text.index("loss: "))
    span = Span(start, start + len(loss))
    return Setting(("loss",), loss, source, (span,), span, frozenset(allow_code))


@contextmanager
def pointing_at(settings: Sequence[Setting], *keys: str) -> Iterator[None]:
    """Shows errors without a place at the setting that they are about.

    That is the last one below a key that the message or else the fix names; where neither names
    one, the last one below the first key that the user set. Without keys, only where one is named.

    A fix that is a setting, `--set KEY=VALUE`, is shown in the form in which the user wrote it.
    """
    try:
        yield
    except RRLError as problem:
        raise RRLError(
            replace(_placed(each, settings, keys), hint=_as_written(each.hint, settings))
            for each in problem.diagnostics
        ) from None


def _placed(diagnostic: Diagnostic, settings: Sequence[Setting], keys: Sequence[str]) -> Diagnostic:
    near = [each for key in keys for each in settings if each.place[0] == key]
    first = [each for each in near if each.place[0] == near[0].place[0]]
    among = near if keys else settings
    found = _named(diagnostic.message, among) or _named(diagnostic.hint or "", among) or first
    if diagnostic.source is not None or not found:
        return diagnostic
    return replace(diagnostic, source=found[-1].source, span=found[-1].span)


def _named(text: str, settings: Sequence[Setting]) -> list[Setting]:
    """The settings of the first name in a text that the user set."""
    for name in re.findall(r"`(?:--set )?([\w.]+)[=`]", text):
        if found := [each for each in settings if name in (each.place[-1], ".".join(each.place))]:
            return found
    return []


def _as_written(hint: str | None, settings: Sequence[Setting]) -> str | None:
    """A hint with each `--set KEY=VALUE` as the user wrote that key, else as its flag."""

    def form(found: re.Match[str]) -> str:
        key, value = found.groups()
        names = [each.source.name for each in settings if ".".join(each.place) == key]
        if any(each.source.name == _PYTHON for each in settings):
            return f"`{key}={value}`"
        if names and names[-1] not in (_ASSIGNMENT, _COMMAND_LINE):
            return f"`{key}: {value}`"
        if key in FLAGS and names[-1:] != [_ASSIGNMENT]:
            return f"`--{key.replace('_', '-')} {value}`"
        return found[0]

    return None if hint is None else re.sub(r"`--set ([\w.]+)=([^`]*)`", form, hint)


def _refuse_aliases(source: Source) -> None:
    """A few lines of aliases to aliases can stand for more than fits in memory."""
    for event in events_of("RRL503", source):
        if isinstance(event, yaml.AliasEvent) and event.start_mark and event.end_mark:
            span = Span(event.start_mark.index, event.end_mark.index)
            message = "a configuration must not have aliases"
            hint = "write the value itself"
            raise RRLError(Diagnostic("RRL503", message, span, source, hint))


def _parts(key: str, start: int) -> tuple[Place, tuple[Span, ...]]:
    """The parts of a key such as `optimizer.lr`, which begins at `start`, and their places."""
    parts, spans = list[str](), list[Span]()
    for part in key.split("."):
        spans.append(Span(start, start + len(part)))
        parts.append(part.strip())
        start += len(part) + 1
    return tuple(parts), tuple(spans)


def _settings(
    node: yaml.Node, place: Place, source: Source, keys: tuple[Span, ...] = ()
) -> Iterator[Setting]:
    if not isinstance(node, yaml.MappingNode):
        span = Span(node.start_mark.index, max(node.end_mark.index, node.start_mark.index + 1))
        message = "a configuration must be a mapping of keys to values"
        raise RRLError(Diagnostic("RRL503", message, span, source, hint="write `epochs: 100`"))
    for key, value in node.value:
        key_span = Span(key.start_mark.index, key.end_mark.index)
        if not isinstance(key, yaml.ScalarNode):
            raise RRLError(Diagnostic("RRL503", "a key must be a word", key_span, source))
        parts, spans = _parts(key.value, key.start_mark.index)
        inner, inner_keys = (*place, *parts), (*keys, *spans)
        if any(_same_key(key, other) for other, _ in node.value if other is not key):
            message = f"the key `{key.value}` occurs twice"
            raise RRLError(Diagnostic("RRL503", message, key_span, source))
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _settings(value, inner, source, inner_keys)
        else:
            span = Span(value.start_mark.index, max(value.end_mark.index, key_span.end))
            yield Setting(inner, _value(value, inner), source, inner_keys, span)


def _value(node: yaml.Node | None, place: Place) -> Any:
    """A value; those of the recipe's parameters are read as `--param` reads them."""
    if place[0] == "params":
        if isinstance(node, yaml.ScalarNode) and not node.style:
            return parameter_value(node.value)
        if isinstance(node, yaml.MappingNode):
            return {str(key.value): _value(value, place) for key, value in node.value}
    return None if node is None else Loader("").construct_document(node)


def _same_key(one: yaml.Node, other: yaml.Node) -> bool:
    return bool(one.value == other.value)
