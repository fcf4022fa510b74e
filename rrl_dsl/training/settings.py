"""From YAML, `--set` and flags to a `Config`; every mistake is shown where it was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, did_you_mean, listing
from rrl_dsl.language.span import Source, Span
from rrl_dsl.losses.creation import read
from rrl_dsl.training.config import Config

Place = tuple[str, ...]
"""The path of a key: `("optimiser", "lr")`."""


@dataclass(frozen=True)
class Setting:
    """One value that a user gave, and where."""

    place: Place
    value: Any
    source: Source
    key: Span
    span: Span


def from_yaml(path: Path) -> list[Setting]:
    """The settings of a YAML file.

    Raises:
        RRLError: RRL503 where the file is not a mapping of readable YAML.
    """
    try:
        source = Source(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as problem:
        message = f"cannot read the configuration `{path}`: {problem.strerror}"
        raise RRLError(Diagnostic("RRL503", message)) from None
    except UnicodeDecodeError:
        message = "the configuration is not UTF-8 text"
        raise RRLError(Diagnostic("RRL503", message, source=Source("", str(path)))) from None
    try:
        _refuse_aliases(source)
        root = yaml.compose(source.text, Loader=yaml.SafeLoader)
        settings = list(_settings(root, (), source)) if root is not None else []
    except RecursionError:
        message = "this configuration nests too deeply"
        raise RRLError(Diagnostic("RRL503", message, source=source)) from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        at = min(mark.index, max(len(source.text) - 1, 0)) if mark else 0
        message = f"this is not YAML: {problem.problem or problem.context}"
        raise RRLError(Diagnostic("RRL503", message, Span(at, at + 1), source)) from None
    except yaml.YAMLError as problem:
        raise RRLError(
            Diagnostic("RRL503", f"this is not YAML: {problem}", source=source)
        ) from None
    return settings


def from_assignment(text: str) -> Setting:
    """The setting that `--set key=value` gives; the value is read as YAML.

    Raises:
        RRLError: RRL503 where it is no assignment or the value is not YAML.
    """
    source = Source(text, "--set")
    key, equals, value = text.partition("=")
    place = tuple(part.strip() for part in key.split("."))
    if not equals or not all(place):
        message = "an assignment looks like `optimiser.lr=0.001`"
        raise RRLError(Diagnostic("RRL503", message, Span(0, len(text)), source))
    span = Span(len(key) + 1, max(len(text), len(key) + 2))
    try:
        read = yaml.safe_load(value)
    except (yaml.YAMLError, RecursionError):
        message = f"`{value}` is not a YAML value"
        raise RRLError(Diagnostic("RRL503", message, span, source)) from None
    return Setting(place, read, source, Span(0, len(key)), span)


def from_flag(flag: str, place: Place, value: Any, written: str | None = None) -> Setting:
    """The setting that a flag of the command line gives; `written` is what stands after it."""
    source = Source(f"{flag} {value if written is None else written}", "command line")
    span = Span(len(flag) + 1, len(source.text))
    return Setting(place, value, source, span, span)


def resolve(settings: Iterable[Setting], defaults: Mapping[str, Any]) -> Config:
    """The configuration: defaults, overlaid by the settings in order.

    Raises:
        RRLError: RRL501 and RRL502, one for each key or value that does not fit.
    """
    given = [each for setting in settings for each in _taken_apart(setting)]
    merged = _copied(defaults)
    for setting in given:
        _assign(merged, setting)
    try:
        return Config.model_validate(merged)
    except ValidationError as problems:
        raise RRLError(_diagnostics(problems, given)) from None


@contextmanager
def pointing_at(settings: Sequence[Setting], *keys: str) -> Iterator[None]:
    """Shows errors without a place at the setting below one of the keys that they are about."""
    try:
        yield
    except RRLError as problem:
        near = [setting for setting in settings if setting.place[0] in keys]
        raise RRLError(_placed(each, near) for each in problem.diagnostics) from None


def _placed(diagnostic: Diagnostic, near: list[Setting]) -> Diagnostic:
    if diagnostic.source is not None or not near:
        return diagnostic
    named = [each for each in near if f"`{each.place[-1]}`" in diagnostic.message]
    setting = (named or near)[-1]
    return replace(diagnostic, source=setting.source, span=setting.span)


def _refuse_aliases(source: Source) -> None:
    """A few lines of aliases to aliases can stand for more than fits in memory."""
    for event in yaml.parse(source.text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) and event.start_mark and event.end_mark:
            span = Span(event.start_mark.index, event.end_mark.index)
            message = "a configuration has no aliases"
            hint = "write the value out"
            raise RRLError(Diagnostic("RRL503", message, span, source, hint))


def _settings(node: yaml.Node, place: Place, source: Source) -> Iterator[Setting]:
    if not isinstance(node, yaml.MappingNode):
        span = Span(node.start_mark.index, max(node.end_mark.index, node.start_mark.index + 1))
        message = "a configuration is a mapping of keys to values"
        raise RRLError(Diagnostic("RRL503", message, span, source, hint="write `epochs: 100`"))
    for key, value in node.value:
        inner = (*place, str(key.value))
        key_span = Span(key.start_mark.index, key.end_mark.index)
        if any(_same_key(key, other) for other, _ in node.value if other is not key):
            message = f"the key `{key.value}` stands twice"
            raise RRLError(Diagnostic("RRL503", message, key_span, source))
        if isinstance(value, yaml.MappingNode):
            yield from _settings(value, inner, source)
        else:
            span = Span(value.start_mark.index, max(value.end_mark.index, key_span.end))
            read = yaml.SafeLoader("").construct_document(value)
            yield Setting(inner, read, source, key_span, span)


def _same_key(one: yaml.Node, other: yaml.Node) -> bool:
    return bool(one.value == other.value)


def _assign(tree: dict[str, Any], setting: Setting) -> None:
    *path, last = setting.place
    for key in path:
        inner = tree.get(key)
        if not isinstance(inner, dict):  # `loss: wmse` before `loss.slice: 64`
            inner = {"name": inner} if isinstance(inner, str) else {}
        tree[key] = inner
        tree = inner
    replaced = tree.get(last)
    if isinstance(replaced, dict) and isinstance(setting.value, str):
        same = replaced.get("name", setting.value) == setting.value
        # another loss leaves the old one's options behind; the same one keeps them
        tree[last] = {**(replaced if same else {}), "name": setting.value}
    else:
        tree[last] = setting.value


def _taken_apart(setting: Setting) -> list[Setting]:
    """A loss with options in brackets as its name and a setting for each option."""
    if setting.place not in (("loss",), ("loss", "name")) or not isinstance(setting.value, str):
        return [setting]
    try:
        terms = read(setting.value, {})
    except RRLError:  # which says more where the loss is created
        return [setting]
    if len(terms) > 1 or terms[0].weight != 1:
        return [setting]
    named = replace(setting, value=terms[0].name)
    options = terms[0].options.items()
    return [named, *(replace(setting, place=("loss", key), value=value) for key, value in options)]


def _copied(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _copied(value) if isinstance(value, Mapping) else value for key, value in tree.items()
    }


def _diagnostics(problems: ValidationError, settings: list[Setting]) -> Iterator[Diagnostic]:
    for problem in problems.errors():
        place = tuple(str(part) for part in problem["loc"])
        setting = _setting_at(place, settings)
        unknown = problem["type"] == "extra_forbidden"
        span = (setting.key if unknown else setting.span) if setting else None
        source = setting.source if setting else None
        name = ".".join(place[: len(setting.place)] if setting else place)
        if unknown:
            known = _keys_at(place[:-1])
            hint = did_you_mean(place[-1], known) or f"known keys are {listing(known)}"
            message = f"there is no setting `{'.'.join(place)}`"
            yield Diagnostic("RRL501", message, span, source, hint)
        else:
            complaint = problem["msg"].removeprefix("Value error, ")
            complaint = complaint[0].lower() + complaint[1:]
            message = f"`{name}`: {complaint}, not {problem['input']!r:.60}"
            yield Diagnostic("RRL502", message.replace("input should", "it should"), span, source)


def _setting_at(place: Place, settings: list[Setting]) -> Setting | None:
    """The last setting that gave the value at a place, or a part of it."""
    for setting in reversed(settings):
        shared = min(len(setting.place), len(place))
        if setting.place[:shared] == place[:shared]:
            return setting
    return None


def _keys_at(place: Place) -> list[str]:
    model: type[BaseModel] = Config
    for key in place:
        inner = model.model_fields[key].annotation if key in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
