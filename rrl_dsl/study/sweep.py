"""Runs a sweep: starts and resumes its runs, and keeps the tables up to date.

All that a sweep knows is in the directories of its runs. A sweep that is killed leaves runs that
are done, interrupted, or still training, and the next start of it continues from there.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.study.launch import Elsewhere, Job, Launcher, in_use
from rrl_dsl.study.table import Value, write_table
from rrl_dsl.study.trials import Trial

RESULTS: Final = "results.csv"
EPOCHS: Final = "epochs.csv"
_POLL: Final = 0.2
_MESSAGE: Final = re.compile(rb"^error(?:\[(RRL\d+)\])?: (.*)$", re.MULTILINE)


class Progress(Protocol):
    """Shows the progress of a sweep."""

    def changed(self, trial: Trial, state: str, problem: str) -> None:
        """Shows that a run has started, is done or has failed."""

    def show(self, sweep: Sweep) -> None:
        """Shows the whole sweep; called several times a second."""


class Sweep:
    """The runs of a sweep and their states.

    Attributes:
        trials: All runs.
        states: `waiting`, `running`, `done` or `failed`, by the names of runs.
        problems: Why runs failed, by their names.
        out: The folder of the runs and the tables.
    """

    def __init__(self, trials: Sequence[Trial], out: Path) -> None:
        """A sweep, with the states that the directories of its runs have.

        Args:
            trials: The runs.
            out: The folder.

        Raises:
            RRLError: RRL504 if the folder cannot be created; RRL505 if a directory holds another
                run than the one that its name says.
        """
        self.trials = trials
        self.out = out
        self.problems: dict[str, str] = {}
        self._logs = out / "logs"
        self._rows: dict[str, Mapping[str, Value]] = {}
        self._epochs: dict[str, Sequence[Mapping[str, Value]]] = {}
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise error("RRL504", f"cannot create `{out}`: {problem.strerror}") from None
        self.states = {_name(trial): "done" if trial.is_done() else "waiting" for trial in trials}

    def count(self, state: str) -> int:
        """Returns the number of runs with a state."""
        return Counter(self.states.values())[state]

    def run(self, launcher: Launcher, progress: Progress) -> None:
        """Trains all runs that are not done. A run that fails does not stop the others.

        Args:
            launcher: Starts the runs.
            progress: Shows them.

        Raises:
            RRLError: RRL507 if a table cannot be written.
            KeyboardInterrupt: If the user interrupts the sweep; its runs are ended.
        """
        waiting = deque(trial for trial in self.trials if self.states[_name(trial)] == "waiting")
        jobs: dict[str, tuple[Trial, Job, int]] = {}
        self._write()
        try:
            while waiting or jobs:
                while waiting and len(jobs) < launcher.jobs:
                    trial = waiting.popleft()
                    self._start(trial, launcher, jobs, progress)
                for name, (trial, job, begin) in list(jobs.items()):
                    status = job.poll()
                    if status is None:
                        continue
                    del jobs[name]
                    if in_use(trial.directory):  # by the process of a sweep that was killed
                        jobs[name] = trial, Elsewhere(trial.directory), begin
                    elif isinstance(job, Elsewhere) and not trial.is_done():
                        waiting.appendleft(trial)
                    else:
                        self._ended(trial, status, begin, progress)
                progress.show(self)
                time.sleep(_POLL)
        finally:
            for _, job, _ in jobs.values():
                job.end()
            for _, job, _ in jobs.values():
                job.wait()

    def _start(
        self,
        trial: Trial,
        launcher: Launcher,
        jobs: dict[str, tuple[Trial, Job, int]],
        progress: Progress,
    ) -> None:
        name, log = _name(trial), self.log(trial)
        begin = log.stat().st_size if log.exists() else 0
        job: Job
        try:
            job = Elsewhere(trial.directory)
            if not in_use(trial.directory):
                job = launcher.start(trial.command(), log)
        except RRLError as problem:
            self._failed(trial, problem.diagnostics[0].message, progress)
            return
        jobs[name] = trial, job, begin
        self._change(trial, "running", progress)

    def log(self, trial: Trial) -> Path:
        """Returns the file of the output of a run."""
        return self._logs / f"{_name(trial)}.txt"

    def _ended(self, trial: Trial, status: int, begin: int, progress: Progress) -> None:
        try:
            if trial.is_done():
                self._change(trial, "done", progress)
                return
            problem = _reason(self.log(trial), begin) or f"it ended with exit status {status}"
        except RRLError as fault:
            problem = fault.diagnostics[0].message
        self._failed(trial, problem, progress)

    def _failed(self, trial: Trial, problem: str, progress: Progress) -> None:
        self.problems[_name(trial)] = problem
        self._change(trial, "failed", progress)

    def _change(self, trial: Trial, state: str, progress: Progress) -> None:
        self.states[_name(trial)] = state
        self._write()
        progress.changed(trial, state, self.problems.get(_name(trial), ""))

    def _write(self) -> None:
        """Writes both tables. Rows of runs that are done are read once."""
        rows = list[Mapping[str, Value]]()
        epochs = list[Mapping[str, Value]]()
        for trial in self.trials:
            name, state = _name(trial), self.states[_name(trial)]
            row = self._rows.get(name) or trial.row(state, self.problems.get(name, ""))
            if state == "done" and name not in self._rows:
                self._rows[name], self._epochs[name] = row, trial.rows()
            rows.append(row)
            epochs += self._epochs.get(name, [])
        write_table(self.out / RESULTS, rows)
        write_table(self.out / EPOCHS, epochs)


def _name(trial: Trial) -> str:
    return trial.directory.name


def _reason(log: Path, begin: int) -> str:
    """Returns the message of the last error in a log, from a position on."""
    try:
        with log.open("rb") as file:
            file.seek(begin)
            messages = _MESSAGE.findall(file.read())
    except OSError:
        return ""
    if not messages:
        return ""
    code, message = (part.decode(errors="replace") for part in messages[-1])
    return f"{message} ({code})" if code else message
