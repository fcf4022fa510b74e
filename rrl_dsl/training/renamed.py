"""Names of the previous release, in settings that users write and in files of earlier runs.

`rrl_dsl.language.other_names.RENAMED` lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from rrl_dsl.language.other_names import RENAMED, RENAMED_VALUES

Place = tuple[str, ...]
"""The path of a key: `("optimizer", "lr")`."""

Value = TypeVar("Value")


def current_place(place: Place) -> Place:
    """The place of a setting, by its name in this release."""
    for before, now in RENAMED.items():
        old = tuple(before.split("."))
        if place[: len(old)] == old:
            return (*now.split("."), *place[len(old) :])
    return place


def current_value(place: Place, value: Any) -> Any:
    """The value of a setting, by its name in this release."""
    known = RENAMED_VALUES.get(".".join(place), {})
    return known.get(value, value) if isinstance(value, str) else value


def current_settings(settings: Mapping[str, Any], above: Place = ()) -> dict[str, Any]:
    """The settings of a run, nested, by their names in this release."""
    found = {}
    for key, value in settings.items():
        place = current_place((*above, key))
        inner = isinstance(value, Mapping)
        found[place[-1]] = current_settings(value, place) if inner else current_value(place, value)
    return found


def current_weights(weights: Mapping[str, Value]) -> dict[str, Value]:
    """The state of a module, by the names of its parts in this release."""
    return {name.replace("centre.", "center."): value for name, value in weights.items()}
