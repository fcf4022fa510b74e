"""Shows a sweep: a live table in a terminal, and a line per change elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from rrl_dsl.language.diagnostics import printable
from rrl_dsl.study.sweep import Sweep
from rrl_dsl.study.trials import Trial

_STATES: Final = ("done", "running", "failed", "waiting")
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_BETWEEN: Final = 1.0
"""Seconds between two looks at the metrics of the runs that are training."""


class SweepProgress:
    """Shows the counts of a sweep, the runs that are training, and the time left."""

    def __init__(self, console: Console, sweep: Sweep) -> None:
        """A display, for a `with` statement.

        Args:
            console: Where to show the sweep.
            sweep: The sweep, before it runs.
        """
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._total = sum(trial.planned.config.epochs for trial in sweep.trials)
        self._before = sum(self._trained(sweep).values())
        self._started = time.monotonic()
        self._latest = 0.0
        self._changes = 0
        self._runs = len(sweep.trials) - sweep.count("done")

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def changed(self, trial: Trial, state: str, problem: str) -> None:
        """Prints a line; the live table already shows runs that are training."""
        self._changes += state in ("done", "failed")
        if self._live and state != "failed":
            return
        counted = f"{self._changes}/{self._runs}"
        after = f"  {problem}" if problem else ""
        line = f"{state:<8} {counted:>8}  {trial.directory.name}{after}"
        self._console.print(printable(line), markup=False, soft_wrap=True)

    def show(self, sweep: Sweep) -> None:
        """Draws the live table."""
        now = time.monotonic()
        if self._live and now > self._latest + _BETWEEN:
            self._latest = now
            self._live.update(self._table(sweep), refresh=True)

    def _table(self, sweep: Sweep) -> Group:
        trained = self._trained(sweep)
        counts = ", ".join(f"{sweep.count(state)} {state}" for state in _STATES)
        left = self._left(sum(trained.values()))
        table = Table(box=None, pad_edge=False)
        table.add_column("run")
        table.add_column("epochs", justify="right")
        for trial in sweep.trials:
            name = trial.directory.name
            if sweep.states[name] == "running":
                table.add_row(printable(name), f"{trained[name]}/{trial.planned.config.epochs}")
        return Group(f"{counts}{f', about {left} left' if left else ''}", table)

    def _left(self, trained: int) -> str:
        """The time left in words; empty until an epoch is trained."""
        new = trained - self._before
        if not new:
            return ""
        spent = time.monotonic() - self._started
        return in_words(spent / new * max(0, self._total - trained))

    def _trained(self, sweep: Sweep) -> dict[str, int]:
        """The trained epochs of each run; a run that is over counts with all of its epochs."""
        done = {}
        for trial in sweep.trials:
            state = sweep.states[trial.directory.name]
            over = state in ("done", "failed")
            waits = state == "waiting" and not trial.directory.exists()
            epochs = trial.planned.config.epochs if over else 0 if waits else trial.epochs()
            done[trial.directory.name] = epochs
        return done


def in_words(seconds: float) -> str:
    """Returns a duration in hours, minutes or seconds."""
    if seconds >= 2 * _HOUR:
        return f"{seconds / _HOUR:.0f} hours"
    if seconds >= 2 * _MINUTE:
        return f"{seconds / _MINUTE:.0f} minutes"
    return f"{seconds:.0f} seconds"
