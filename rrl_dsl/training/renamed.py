"""Names of the previous release, in settings that users write and in files of earlier runs.

`rrl_dsl.language.other_names.RENAMED` lists them.
"""

from __future__ import annotations

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


def current_weights(weights: Mapping[str, Value]) -> dict[str, Value]:
    """The state of a module, by the names of its parts in this release."""
    return {name.replace("centre.", "center."): value for name, value in weights.items()}
