"""Names of the previous release, in settings that users write and in files of earlier runs.

`rrl_dsl.language.other_names.RENAMED` lists them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, TypeVar

from rrl_dsl.language.other_names import RENAMED, RENAMED_VALUES

KeyPath = tuple[str, ...]
"""The path of a key: `("optimizer", "lr")`."""

Value = TypeVar("Value")


def current_path(path: KeyPath) -> KeyPath:
    """The path of a setting, by its name in this release."""
    for before, now in RENAMED.items():
        old = tuple(before.split("."))
        if path[: len(old)] == old:
            return (*now.split("."), *path[len(old) :])
    return path


def current_value(path: KeyPath, value: Any) -> Any:
    """The value of a setting, by its name in this release."""
    known = RENAMED_VALUES.get(".".join(path), {})
    return known.get(value, value) if isinstance(value, str | bool) else value


def current_settings(settings: Mapping[str, Any], above: KeyPath = ()) -> dict[str, Any]:
    """The settings of a run, nested, by their names in this release."""
    current = {}
    for key, value in settings.items():
        path = current_path((*above, key))
        inner = isinstance(value, Mapping)
        current[path[-1]] = current_settings(value, path) if inner else current_value(path, value)
    return current


def with_notes(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by their names in this release, with a `FutureWarning` for each old name."""
    old, new = _names(settings), _names(current := current_settings(settings))
    for before, now in zip(old, new, strict=True):
        if before != now:
            warnings.warn(renamed(before, now), FutureWarning, stacklevel=4)
    return current


def renamed(before: str, now: str) -> str:
    """The note that an old name has another one now."""
    return f"`{before}` is now `{now}`; only this release still accepts the old name"


def _names(settings: Mapping[str, Any]) -> list[str]:
    """The names of all settings, and the texts that are their values."""
    names = list[str]()
    for key, value in settings.items():
        names.append(key)
        names += _names(value) if isinstance(value, Mapping) else [value] * isinstance(value, str)
    return names


def current_weights(weights: Mapping[str, Value]) -> dict[str, Value]:
    """The state of a module, by the names of its parts in this release."""
    return {name.replace("centre.", "center."): value for name, value in weights.items()}
