"""Resolves settings, over defaults, to a `Config`; errors point at the written setting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, did_you_mean, folded, listing
from rrl_dsl.language.other_names import SETTINGS, VALUES
from rrl_dsl.losses.creation import read
from rrl_dsl.models.renamed import KeyPath
from rrl_dsl.models.towers import TowerOptions
from rrl_dsl.training.config import Config
from rrl_dsl.training.described import settings as described
from rrl_dsl.training.named_code import code_of, module_of
from rrl_dsl.training.settings import Setting

_PATHS: Final = [
    tuple(setting.name.split(".")) for setting in (*described(), *described(TowerOptions, "towers"))
]
"""Every section and setting that there is."""


def resolve(settings: Iterable[Setting], defaults: Mapping[str, Any]) -> Config:
    """Returns the configuration: the defaults, overridden by the settings in order.

    Raises:
        RRLError: RRL501 for unknown keys and RRL502 for invalid values, all in one error; RRL510
            if a file names code that is not allowed.
    """
    given = [part for setting in settings for part in _taken_apart(setting)]
    config = _validated(given, defaults)
    _check_code(config, given, defaults)
    return config


def _validated(given: Sequence[Setting], defaults: Mapping[str, Any]) -> Config:
    merged = _copied(defaults)
    for setting in given:
        _assign(merged, setting)
    try:
        return Config.model_validate(merged)
    except ValidationError as problems:
        raise RRLError(dict.fromkeys(_diagnostics(problems, given))) from None


def _check_code(config: Config, given: Sequence[Setting], defaults: Mapping[str, Any]) -> None:
    """Refuses code that only files name, in modules that are not allowed."""
    of_files = [setting for setting in given if setting.allowed is not None]
    own = _validated([setting for setting in given if setting.allowed is None], defaults)
    allowed = {module_of(name) for names in code_of(own).values() for name in names}
    allowed.update(*(setting.allowed or () for setting in of_files))
    faults = []
    for key, names in code_of(config).items():
        for name in names:
            if (module := module_of(name)) not in allowed:
                setting = _setting_at((key, "name"), of_files) or _setting_at((key,), of_files)
                assert setting is not None
                message = f"a file names the {key} `{name}`, which would run the module `{module}`"
                hint = f"if you trust it, add `--allow-code {module}`"
                hint += f', or in Python `allow_code=["{module}"]`'
                faults.append(Diagnostic("RRL510", message, setting.span, setting.source, hint))
    if faults:
        raise RRLError(faults)


def _assign(tree: dict[str, Any], setting: Setting) -> None:
    if (
        isinstance(setting.value, Mapping) and setting.value
    ):  # of `--set`: other keys of the section stay
        for key, value in setting.value.items():
            _assign(tree, replace(setting, path=(*setting.path, str(key)), value=value))
        return
    path = setting.path
    if path == ("augmentation",):
        tree.pop("augmentation", None)  # operations of one augmentation do not apply to another
    if isinstance(setting.value, str) and (*path, "name") in _PATHS:
        path = (*path, "name")
    if path == ("loss", "name") and _is_other_loss(tree, setting.value):
        tree.pop("loss")  # options of one loss do not apply to another
    *above, last = path
    for key in above:
        inner = tree.get(key)
        if not isinstance(inner, dict):  # `loss: wmse` before `loss.slice: 64`
            inner = {"name": inner} if isinstance(inner, str) else {}
        tree[key] = inner
        tree = inner
    tree[last] = setting.value


def _is_other_loss(tree: Mapping[str, Any], name: Any) -> bool:
    before = tree.get("loss", {})
    return bool(before.get("name", name) != name if isinstance(before, Mapping) else before != name)


def _taken_apart(setting: Setting) -> list[Setting]:
    """Splits a loss with options in brackets into its name and one setting per option."""
    if setting.path not in (("loss",), ("loss", "name")) or not isinstance(setting.value, str):
        return [setting]
    try:
        terms = read(setting.value, {})
    except RRLError:  # raised again, with more detail, when the loss is created
        return [setting]
    if len(terms) > 1 or terms[0].weight != 1:
        return [setting]
    named = replace(setting, value=terms[0].name)
    options = terms[0].options.items()
    return [named, *(replace(setting, path=("loss", key), value=value) for key, value in options)]


def _copied(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _copied(value) if isinstance(value, Mapping) else value for key, value in tree.items()
    }


def _diagnostics(problems: ValidationError, settings: Sequence[Setting]) -> Iterator[Diagnostic]:
    seen = set[int]()
    for problem in problems.errors():
        path = tuple(str(part) for part in problem["loc"])
        path = path[:2] if path[0] == "params" else path  # after it comes a type of the union
        setting = _setting_at(path, settings)
        if problem["type"] == "extra_forbidden":
            yield _unknown(path, setting)
        elif setting is not None and len(setting.path) > len(path):
            yield _unknown(setting.path[: len(path) + 1], setting)
        elif setting is None or id(setting) not in seen:  # a union reports one error per type
            seen.add(id(setting))
            yield _unfit(path, setting, problem)


def _unknown(path: KeyPath, setting: Setting | None) -> Diagnostic:
    """The error for an unknown key."""
    message = f"there is no setting `{'.'.join(path)}`"
    section, key = tuple(part for part in path[:-1] if not part.isdigit()), path[-1]
    known = [other[len(section)] for other in _PATHS if other[:-1] == section]
    meant = SETTINGS.get(folded(key), "").partition("=")[0].removesuffix(".name")
    if not known:
        hint = f"`{'.'.join(section)}` is a single value"
    elif meant and meant != ".".join(section):
        hint = f"did you mean `{meant}`?"
    else:
        hint = did_you_mean(key, known) or f"known keys are {listing(known, 'and')}"
    if setting is None:
        return Diagnostic("RRL501", message, hint=hint)
    return Diagnostic(
        "RRL501",
        message,
        setting.keys[min(len(section), len(setting.keys) - 1)],
        setting.source,
        hint,
    )


def _unfit(path: KeyPath, setting: Setting | None, problem: ErrorDetails) -> Diagnostic:
    """The error for an invalid value."""
    depth = 2 if path[0] == "params" or path[:2] in _PATHS else 1
    if path[0] == "towers":
        depth = len(path)
    name = ".".join(path[:depth])
    complaint = problem["msg"].removeprefix("Value error, ")
    complaint = complaint[0].lower() + complaint[1:]
    hint = None
    if problem["type"] == "literal_error":
        known = re.findall("'(.*?)'", problem["ctx"]["expected"])
        value = str(problem["input"])
        hint = did_you_mean(VALUES.get(folded(value), value), known)
    elif problem["type"] in ("model_type", "dict_type"):
        keys = [".".join(other) for other in _PATHS if other[:-1] == path and other != path]
        complaint = "input should be a mapping of keys to values"
        hint = f"its settings are {listing(keys, 'and')}" if keys else None
    elif path[0] == "params":
        complaint = "input should be a number, a word, true or false"
    elif problem["type"] == "string_type":
        complaint = "input should be text"
    message = f"`{name}`: {complaint}, not {problem['input']!r:.60}"
    message = message.replace("input should", "it should")
    span, source = (setting.span, setting.source) if setting else (None, None)
    return Diagnostic("RRL502", message, span, source, hint)


def _setting_at(path: KeyPath, settings: Sequence[Setting]) -> Setting | None:
    """Returns the last setting that gives the value at a path, or a part of it."""
    for setting in reversed(settings):
        shared = min(len(setting.path), len(path))
        if setting.path[:shared] == path[:shared]:
            return setting
    return None
