"""The runs in a folder: what they trained, how far they are, and what they reached."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.text import text_of
from rrl_dsl.language.diagnostics import RRLError, did_you_mean, error, listing
from rrl_dsl.language.files import YAML_BYTES, read_bytes
from rrl_dsl.study.grid import columns_of
from rrl_dsl.study.launch import in_use
from rrl_dsl.study.table import Value
from rrl_dsl.training.checkpoints import is_whole
from rrl_dsl.training.history import figures_of
from rrl_dsl.training.results import Run
from rrl_dsl.training.resume import recipe_of
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.settings import from_assignment
from rrl_dsl.training.yaml_values import Loader

_DEPTH: Final = 4
"""How far below the folder runs are looked for."""
_CONDITION: Final = re.compile(r"([\w./-]+)\s*(=|<|>)\s*(.*)")

_UNKNOWN: Final = "?"
"""The recipe of a directory that cannot be read."""

COLUMNS: Final = ("run", "recipe", "loss", "dataset", "seed", "epochs", "accuracy", "age", "state")


@dataclass(frozen=True)
class ListedRun:
    """A run directory.

    Attributes:
        directory: The directory.
        recipe: The recipe in one line, with the values of its parameters.
        settings: Its settings by the names of columns.
        epochs: The number of trained epochs.
        accuracy: The test accuracy of the linear probe on the backbone, from 0 to 1; None if it was
            not measured.
        age: The seconds since the run last wrote a file.
        state: `done`, `training`, `stopped`, `no step`, `damaged` or `unreadable`.
    """

    directory: Path
    recipe: str
    settings: Mapping[str, Any]
    epochs: int
    accuracy: float | None
    age: float
    state: str

    def values(self) -> dict[str, Any]:
        """Returns what runs are sorted and filtered by."""
        return {
            **self.settings,
            "run": str(self.directory),
            "recipe": self.recipe,
            "epochs": self.epochs,
            "accuracy": self.accuracy,
            "age": round(self.age),
            "state": self.state,
        }


class Condition(NamedTuple):
    """A filter such as `loss=wmse` or `accuracy>0.9`."""

    key: str
    sign: str
    value: Value

    def holds(self, run: ListedRun) -> bool:
        """Returns whether a run passes."""
        have = run.values().get(self.key)
        if self.sign == "=":
            return have == self.value or str(have) == str(self.value)
        if not isinstance(have, int | float) or not isinstance(self.value, int | float):
            return False
        return have < self.value if self.sign == "<" else have > self.value


def condition_of(text: str) -> Condition:
    """Reads a filter.

    Raises:
        RRLError: RRL503 if it is not KEY=VALUE, KEY<NUMBER or KEY>NUMBER, or the value is not
            YAML.
    """
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        message = f"`{text}` is not a condition"
        raise error("RRL503", message, hint="write `loss=wmse` or `accuracy>0.9`")
    key, sign, written = match.groups()
    value = from_assignment(f"{key}={written}").value
    if sign != "=" and not isinstance(value, int | float):
        message = f"`{text}` compares with `{written}`, which is not a number"
        raise error("RRL503", message, hint=f"write a number, or `{key}={written}`")
    return Condition(key, sign, value)


def runs_in(folder: Path) -> list[ListedRun]:
    """Returns the runs in a folder and in the folders below it, the newest first.

    Raises:
        RRLError: RRL504 if the folder does not exist.
    """
    if not folder.is_dir():
        hint = "pass the folder that has the run directories"
        raise error("RRL504", f"there is no folder `{folder}`", hint=hint)
    runs = [listed(directory) for directory in _directories(folder, _DEPTH)]
    return sorted(runs, key=lambda run: run.age)


def chosen(
    runs: Sequence[ListedRun], conditions: Sequence[Condition], sort: str | None
) -> list[ListedRun]:
    """Filters and sorts runs; numbers are sorted from the largest.

    Raises:
        RRLError: RRL501 if no run has a column or setting of that name.
    """
    known = list(dict.fromkeys([*COLUMNS, *(key for run in runs for key in run.settings)]))
    for key in [condition.key for condition in conditions] + ([sort] if sort else []):
        if key not in known:
            message = f"no run has a column or a setting `{key}`"
            hint = (
                f"the columns are {listing(COLUMNS, 'and')}; settings are named as in `config.yaml`"
            )
            raise error("RRL501", message, hint=did_you_mean(key, known) or hint)
    kept = [run for run in runs if all(condition.holds(run) for condition in conditions)]
    if sort is None:
        return kept

    def order(run: ListedRun) -> tuple[bool, float, str]:
        value = run.values().get(sort)
        if isinstance(value, int | float):
            return False, value if sort == "age" else -value, ""
        return value is None, 0.0, str(value)

    return sorted(kept, key=order)


def listed(directory: Path) -> ListedRun:
    """Describes a run from its files; of its checkpoints, only whether they are truncated."""
    run = RunDirectory(directory)
    summary = _summary(directory)
    accuracies = summary.get("accuracies", {})
    is_known = isinstance(accuracies, dict)
    accuracy = accuracies.get("backbone", {}).get("linear") if is_known else None
    settings = configuration_of(run)
    try:
        recipe = text_of(_graph_of(run, settings)) if settings else _UNKNOWN
    except RRLError:
        recipe = _UNKNOWN
    return ListedRun(
        directory,
        recipe,
        columns_of(settings),
        _epochs(run),
        accuracy,
        time.time() - max(path.stat().st_mtime for path in (run.config, *_written(run))),
        "unreadable" if recipe == _UNKNOWN else _state(run, is_done=bool(summary)),
    )


def graph_of_run(directory: Path) -> Graph:
    """Returns the graph of a run.

    Raises:
        RRLError: RRL503 if its configuration is not YAML; RRL505 if it is not a run; as
            `rrl_dsl.training.resume.recipe_of`.
    """
    run = RunDirectory(directory)
    run.settings()
    return _graph_of(run, configuration_of(run))


def _graph_of(run: RunDirectory, configuration: Mapping[str, Any]) -> Graph:
    try:
        canonical = json.loads(read_bytes(run.canonical, str(run.canonical), YAML_BYTES))
        inside = canonical["directory"]
    except (OSError, ValueError, KeyError, TypeError):
        message = f"`{run.path}` is not a run, or is damaged: `{run.canonical}` cannot be read"
        hint = "pass the directory that `rrl-dsl train` printed"
        raise error("RRL505", message, hint=hint) from None
    return recipe_of(run, inside, configuration.get("params") or {})


def configuration_of(run: RunDirectory) -> dict[str, Any]:
    """Returns the configuration of a run as it is written; empty if it cannot be read."""
    try:
        values = yaml.load(read_bytes(run.config, str(run.config), YAML_BYTES).decode(), Loader)
    except (OSError, ValueError, RRLError, yaml.YAMLError):
        return {}
    return values if isinstance(values, dict) else {}


def _directories(folder: Path, depth: int) -> Iterator[Path]:
    run = RunDirectory(folder)
    kept = run.checkpoints.is_dir() or os.path.lexists(run.canonical)
    if kept and os.path.lexists(run.config):
        yield folder
        return
    try:
        inside = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return
    for path in inside if depth else ():
        if not path.name.startswith(".") and not path.is_symlink():
            yield from _directories(path, depth - 1)


def _summary(directory: Path) -> dict[str, Any]:
    try:
        return Run(directory).summary
    except RRLError:
        return {}


def _epochs(run: RunDirectory) -> int:
    try:
        return len(figures_of(run.metrics))
    except (OSError, ValueError, RRLError):
        return 0


def _written(run: RunDirectory) -> list[Path]:
    return [path for path in (run.metrics, run.last, run.summary) if path.exists()]


def _state(run: RunDirectory, *, is_done: bool) -> str:
    if in_use(run.path):
        return "training"
    if run.has_checkpoint() and not is_whole(run.last):
        return "damaged"
    if is_done:
        return "done"
    if run.has_checkpoint():
        return "stopped"
    return "damaged" if run.metrics.exists() else "no step"
