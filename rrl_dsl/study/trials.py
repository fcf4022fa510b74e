"""The runs of a sweep on disk: whether each is done, and its rows in the tables of results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.study.plan import Planned
from rrl_dsl.study.table import Value
from rrl_dsl.training import lock
from rrl_dsl.training.history import figures_of
from rrl_dsl.training.provenance import FREE
from rrl_dsl.training.results import Run
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.settings import Setting

_CLOSE: Final = 0.9
"""The share of the final accuracy of the online probe that counts as converged."""


@dataclass(frozen=True)
class Trial:
    """A run of a sweep and its directory.

    Attributes:
        planned: The run.
        directory: Its directory.
        varied: The names of the columns in which the runs of the sweep differ.
    """

    planned: Planned
    directory: Path
    varied: tuple[str, ...]

    def is_done(self) -> bool:
        """Returns whether the run is trained and evaluated.

        Raises:
            RRLError: RRL505 if the directory holds another run, because its recipe was changed
                between the check of the sweep and the start of the run.
        """
        run = RunDirectory(self.directory)
        if not run.summary.exists():
            return False
        identity = Run(self.directory).summary.get("identity")
        if identity != self.planned.graph.identity:
            message = f"`{self.directory}` was trained on another recipe than the sweep checked"
            raise error("RRL505", message, hint="remove the directory and start the sweep again")
        return True

    def command(self) -> list[str]:
        """Returns the arguments of `rrl-dsl` that start or resume the run.

        The directory of a run that was stopped before its first step is emptied.
        """
        given = self.planned.given.settings
        if RunDirectory(self.directory).has_checkpoint():
            free = [setting for setting in given if setting.path[0] in FREE]
            return ["train", "--resume", str(self.directory), *_assignments(free)]
        self._clear()
        source = self.planned.source
        recipe = ["-e", source.text] if source.name == "-e" else [source.name]
        outside = ["--allow-outside"] if source.within else []
        return ["train", *recipe, *outside, "--out", str(self.directory), *_assignments(given)]

    def epochs(self) -> int:
        """Returns the number of epochs that are trained."""
        return len(self._metrics())

    def row(self, state: str, problem: str = "") -> dict[str, Value]:
        """Returns the row of the run in the table of results.

        Args:
            state: `done`, `running`, `waiting` or `failed`.
            problem: Why it failed.
        """
        return {
            **self.settings(),
            "state": state,
            **(self._results() if state == "done" else {}),
            "identity": self.planned.graph.identity,
            "configuration": self.planned.configuration,
            "problem": problem or None,
        }

    def rows(self) -> list[dict[str, Value]]:
        """Returns a row for each epoch."""
        names = self.settings()
        return [{**names, **_of_training(metrics)} for metrics in self._metrics()]

    def settings(self) -> dict[str, Value]:
        """Returns the name of the run and what distinguishes it, by the names of columns."""
        config = self.planned.config
        loss = ", ".join(f"{name}={value}" for name, value in config.loss.options.items())
        first: dict[str, Value] = {
            "run": self.directory.name,
            "recipe": self.planned.recipe,
            "loss": config.loss.name,
            "loss.options": loss or None,
            "dataset": config.dataset,
            "seed": config.seed,
        }
        return first | {
            name: _plain(self.planned.value_of(name)) for name in self.varied if name not in first
        }

    def _results(self) -> dict[str, Value]:
        run = Run(self.directory)
        metrics = self._metrics()
        row: dict[str, Value] = {"epochs": len(metrics), "seconds": run.summary["seconds"]}
        row |= {"converged": _converged(metrics)}
        for features, scores in run.table.items():
            row |= {f"{features}/{name}": value for name, value in vars(scores).items()}
        last = metrics[-1] if metrics else {}
        return row | {
            name: value
            for name, value in _of_training(last).items()
            if name not in ("epoch", "seconds")
        }

    def _metrics(self) -> list[dict[str, float]]:
        try:
            rows = figures_of(RunDirectory(self.directory).metrics)
            return [{name: float(value) for name, value in row.items()} for row in rows]
        except (OSError, ValueError, RRLError):
            return []

    def _clear(self) -> None:
        """Removes a directory in which no step was trained and no process trains."""
        if not self.directory.exists():
            return
        lock.hold(self.directory)
        try:
            if not RunDirectory(self.directory).has_checkpoint():
                shutil.rmtree(self.directory)
        finally:
            lock.release()


def trials_of(runs: Sequence[Planned], out: Path) -> list[Trial]:
    """Returns the runs of a sweep with their directories below `out`."""
    names = dict.fromkeys(name for run in runs for name in run.given.values)
    varied = tuple(name for name in names if len({repr(run.value_of(name)) for run in runs}) > 1)
    return [Trial(run, out / run.name, varied) for run in runs]


def _of_training(metrics: Mapping[str, float]) -> dict[str, Value]:
    """The metrics of an epoch; `loss` is the name of a loss in a table of results."""
    return {"loss/train" if name == "loss" else name: value for name, value in metrics.items()}


def _converged(metrics: Sequence[Mapping[str, float]]) -> float | None:
    """The first epoch in which the online probe has `_CLOSE` of its final accuracy."""
    probe = [row["probe/backbone"] for row in metrics if "probe/backbone" in row]
    return next((row + 1.0 for row, at in enumerate(probe) if at >= _CLOSE * probe[-1]), None)


def _assignments(settings: Sequence[Setting]) -> Iterator[str]:
    for setting in settings:
        yield from ("--set", f"{'.'.join(setting.path)}={json.dumps(setting.value)}")


def _plain(value: Any) -> Value:
    """A cell: lists and truth values as text."""
    return value if isinstance(value, str | int | float | None) else str(value)
