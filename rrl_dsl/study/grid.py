"""The file of a sweep: settings with a value or a list of values, and their combinations.

    recipe: [simclr.rrl, semi_supervised.rrl]
    param.frac: [0.1, 0.3]
    loss: [simclr, wmse]
    seed: [0, 1, 2]
    epochs: 60

A list is an axis, and every combination is a run. `runs` is a list of further mappings, each of
which is combined with the other keys and replaces the keys that it repeats.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source
from rrl_dsl.models.renamed import KeyPath
from rrl_dsl.training.settings import Entry, Setting, entries, parsed, setting_of

RECIPE: Final[KeyPath] = ("recipe",)
_RUNS: Final[KeyPath] = ("runs",)
_MOST: Final = 10_000
"""The largest number of runs of a sweep; more are a mistake."""

Choice = tuple[Setting, ...]
"""One value of an axis: several settings if it is a mapping."""
Axes = dict[KeyPath, Sequence[Choice]]


@dataclass(frozen=True)
class Combination:
    """The settings of one run, as the file gives them.

    Attributes:
        recipe: The recipe.
        settings: The other settings.
        lacking: The names of parameters that the file gives and the recipe does not have.
    """

    recipe: Setting
    settings: tuple[Setting, ...]
    lacking: tuple[str, ...] = ()

    def without(self, lacking: Collection[Setting]) -> Combination:
        """Returns the same combination without parameters that the recipe does not have."""
        kept = tuple(setting for setting in self.settings if setting not in lacking)
        return Combination(self.recipe, kept, tuple(setting.path[1] for setting in lacking))

    @property
    def values(self) -> dict[str, Any]:
        """The values by the names of the columns of a table, such as `param.frac`."""
        return {column_of(setting.path): setting.value for setting in self.settings}


def column_of(path: KeyPath) -> str:
    """Returns the name of a setting in a sweep file and in a table of results."""
    if path[0] == "params":
        path = ("param", *path[1:])
    return ".".join(path[:-1] if path[1:] == ("name",) else path)


def columns_of(configuration: Mapping[str, Any], above: KeyPath = ()) -> dict[str, Any]:
    """Returns the settings of a configuration by the names of columns.

    Args:
        configuration: Nested settings.
        above: The path of the section that they are in.
    """
    columns = dict[str, Any]()
    for key, value in configuration.items():
        path = (*above, str(key))
        inner = isinstance(value, Mapping)
        columns |= columns_of(value, path) if inner else {column_of(path): value}
    return columns


def read_grid(
    path: Path, overrides: Sequence[Setting] = (), allow_code: Collection[str] = ()
) -> list[Combination]:
    """Reads the runs of a sweep.

    Args:
        path: The YAML file.
        overrides: Settings that replace those of the file; a list of values is an axis.
        allow_code: The modules whose code the file may name.

    Returns:
        The combinations, in the order of the file: the last axis changes fastest.

    Raises:
        RRLError: RRL503 if the file is not a sweep, RRL502 if an axis has no values, a run has no
            recipe, or there are more than `_MOST` runs.
    """
    with parsed(path) as (source, root):
        if root is None:
            place = Source("", str(path))
            message = "the file of a sweep is empty"
            raise RRLError(Diagnostic("RRL503", message, None, place, "write `recipe: FILE.rrl`"))
        shared, parts = _axes(root, source, allow_code)
    overrides = [replace(setting, path=_path_of(setting.path)) for setting in overrides]
    given: Axes = {setting.path: _of_setting(setting) for setting in overrides}
    shared, given = _with_values(shared), _with_values(given)
    grids = [{**shared, **part, **given} for part in parts or [{}]]
    faults = [fault for grid in grids for fault in _faults(grid, source)]
    count = sum(math.prod(len(axis) for axis in grid.values()) for grid in grids)
    if count > _MOST:
        message = f"this sweep has {count:,} runs, and the limit is {_MOST:,}"
        faults.append(Diagnostic("RRL502", message, source=Source("", source.name)))
    if faults:
        raise RRLError(dict.fromkeys(faults))
    return [combination for grid in grids for combination in _combinations(grid)]


def _axes(root: yaml.Node, source: Source, allow_code: Collection[str]) -> tuple[Axes, list[Axes]]:
    """Returns the axes of all runs, and those of each mapping of `runs`."""
    axes: Axes = {}
    parts: list[Axes] = []
    for entry in entries(root, source):
        if entry.path == _RUNS:
            parts = [_axes(node, source, allow_code)[0] for node in _listed(entry, source)]
            continue
        entry = entry._replace(path=_path_of(entry.path))
        nodes = entry.node.value if isinstance(entry.node, yaml.SequenceNode) else [entry.node]
        choices = [_choice(entry._replace(node=node), source, allow_code) for node in nodes]
        axes[setting_of(entry._replace(node=_nothing(entry.node)), source).path] = choices
    return axes, parts


def _path_of(written: KeyPath) -> KeyPath:
    """Returns the path of a setting; `param` is `params`, as the flag of `train` is `--param`."""
    return ("params", *written[1:]) if written[0] == "param" else written


def _choice(entry: Entry, source: Source, allow_code: Collection[str]) -> Choice:
    """Returns the settings of one value of an axis."""
    if isinstance(entry.node, yaml.MappingNode) and entry.node.value:
        inner = entries(entry.node, source, entry.path, entry.keys)
        return tuple(replace(setting_of(part, source, allow_code), axis=()) for part in inner)
    return (replace(setting_of(entry, source, allow_code), axis=()),)


def _nothing(node: yaml.Node) -> yaml.Node:
    """An empty value in the place of another one."""
    return yaml.ScalarNode("tag:yaml.org,2002:null", "", node.start_mark, node.end_mark)


def _listed(entry: Entry, source: Source) -> list[yaml.Node]:
    if not isinstance(entry.node, yaml.SequenceNode) or not entry.node.value:
        message = "`runs` must be a list of mappings"
        hint = "write `runs: [{recipe: a.rrl}, {recipe: b.rrl}]`"
        raise RRLError(Diagnostic("RRL503", message, entry.span, source, hint))
    return list(entry.node.value)


def _of_setting(setting: Setting) -> list[Choice]:
    if not isinstance(setting.value, list):
        return [(replace(setting, axis=()),)]
    return [(replace(setting, value=value, axis=()),) for value in setting.value]


def _with_values(axes: Axes) -> Axes:
    """Tells the settings of each axis its values, unless one of them is a mapping."""
    return {
        path: [
            (replace(choice[0], axis=tuple(one.value for one, *_ in choices)),)
            for choice in choices
        ]
        if all(setting.path == path for choice in choices for setting in choice)
        else choices
        for path, choices in axes.items()
    }


def _faults(grid: Mapping[KeyPath, Sequence[Choice]], source: Source) -> Iterator[Diagnostic]:
    whole = Source("", source.name)
    for path, choices in grid.items():
        if not choices:
            message = f"`{column_of(path)}` has no values"
            yield Diagnostic("RRL502", message, source=whole, hint="write a value or remove it")
    if RECIPE not in grid:
        message = "a run of this sweep has no recipe"
        yield Diagnostic("RRL502", message, source=whole, hint="write `recipe: FILE.rrl`")
    for recipe, *_ in grid.get(RECIPE, ()):
        if recipe.path != RECIPE or not isinstance(recipe.value, str):
            message = "a recipe is a file, a text or the name of a published method"
            yield Diagnostic("RRL502", message, recipe.span, recipe.source)


def _combinations(grid: Mapping[KeyPath, Sequence[Choice]]) -> Iterator[Combination]:
    for chosen in itertools.product(*grid.values()):
        settings = [setting for choice in chosen for setting in choice]
        recipe = next(setting for setting in settings if setting.path == RECIPE)
        yield Combination(recipe, tuple(setting for setting in settings if setting is not recipe))
