"""Starts the runs of a sweep: as processes of this machine, or as jobs of a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.training import lock

if TYPE_CHECKING:
    import submitit

_GRACE: Final = 10.0
"""Seconds that a run has to end after SIGTERM; see `rrl_dsl.training.watch`."""


class Job(Protocol):
    """A run that was started."""

    def poll(self) -> int | None:
        """Returns the exit status, or None while the run is not done."""

    def end(self) -> None:
        """Asks the run to end."""

    def wait(self) -> None:
        """Waits until a run that was asked to end has ended; a process is killed if it does not."""


class Launcher(Protocol):
    """Starts runs.

    Attributes:
        jobs: The number of runs at the same time.
    """

    jobs: int

    def start(self, command: Sequence[str], log: Path) -> Job:
        """Starts a command.

        Args:
            command: The arguments of `rrl-dsl`.
            log: The file that its output is appended to.
        """


class Local:
    """Starts runs as processes of this machine, which share its cores."""

    def __init__(self, jobs: int) -> None:
        """A launcher.

        Args:
            jobs: The number of runs at the same time.
        """
        self.jobs = jobs
        part = max(1, len(os.sched_getaffinity(0)) // jobs)
        self._variables = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or str(part)}

    def start(self, command: Sequence[str], log: Path) -> Job:
        """Starts a process."""
        with log.open("ab") as file:
            return _Process(_popen(command, file, self._variables))


class _Process:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def poll(self) -> int | None:
        return self._process.poll()

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()

    def wait(self) -> None:
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Cluster:
    """Submits runs as jobs of SLURM, with submitit."""

    def __init__(
        self, folder: Path, options: Mapping[str, Any], *, jobs: int, cluster: str = "slurm"
    ) -> None:
        """A launcher.

        Args:
            folder: The folder of submitit's files.
            options: Parameters of `submitit.AutoExecutor`, such as `slurm_partition`.
            jobs: The largest number of jobs that are submitted at the same time.
            cluster: `slurm`, or `local` for processes of this machine.

        Raises:
            RRLError: RRL506 if submitit is not installed, this machine has no SLURM, or an option
                does not exist.
        """
        try:
            import submitit
        except ImportError:
            message = "SLURM jobs need the package submitit"
            hint = "install it with `pip install 'rrl-dsl[slurm]'`"
            raise error("RRL506", message, hint=hint) from None
        self.jobs = jobs
        try:
            self._executor = submitit.AutoExecutor(folder, cluster=cluster)
            self._executor.update_parameters(name="rrl-dsl", **options)
        except (RuntimeError, NameError, TypeError, ValueError) as problem:
            raise error("RRL506", f"submitit cannot start SLURM jobs: {problem}") from None

    def start(self, command: Sequence[str], log: Path) -> Job:
        """Submits a job."""
        return _ClusterJob(self._executor.submit(_call, list(command), str(log.absolute())))


class _ClusterJob:
    def __init__(self, job: submitit.Job[int]) -> None:
        self._job = job

    def poll(self) -> int | None:
        if not self._job.done():
            return None
        return 1 if self._job.exception() else self._job.result()

    def end(self) -> None:
        self._job.cancel(check=False)

    def wait(self) -> None:
        """The cluster ends the job."""


def _call(command: list[str], log: str) -> int:
    """Runs a command inside a job."""
    with open(log, "ab") as file:
        return _popen(command, file, {}).wait()


class Elsewhere:
    """A run that a process of another sweep trains, such as one that was killed."""

    def __init__(self, directory: Path) -> None:
        """A run.

        Args:
            directory: Its directory.
        """
        self._directory = directory

    def poll(self) -> int | None:
        """Returns 0 when the run is unlocked, however it ended."""
        return None if in_use(self._directory) else 0

    def end(self) -> None:
        """Leaves the run to its own sweep."""

    def wait(self) -> None:
        """Leaves the run to its own sweep."""


def in_use(directory: Path) -> bool:
    """Returns whether another process trains in a run's directory."""
    try:
        lock.check_free(directory)
    except RRLError:
        return True
    return False


def _popen(
    command: Sequence[str], file: Any, variables: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "rrl_dsl", *command],
        stdin=subprocess.DEVNULL,
        stdout=file,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONSAFEPATH": "1", **variables},
    )
