"""Processes of `rrl-dsl train` that a trial starts, signals and waits for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

LIMIT: Final = 10.0
"""The time in seconds within which a process must end when it is asked to."""


class FailedError(Exception):
    """A trial saw what must not happen."""


@dataclass
class Process:
    """A process of `rrl-dsl train`.

    Attributes:
        pid: The process id.
        log: The file of its output.
        status: The exit status, negative for a signal; None while the process runs.
        ended: The time at which the end was noticed, on the monotonic clock, in seconds.
    """

    pid: int
    log: Path
    status: int | None = None
    ended: float = 0.0

    def running(self) -> bool:
        """Checks whether the process still runs."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status, self.ended = os.waitstatus_to_exitcode(status), time.monotonic()
        return self.status is None

    def send(self, number: int) -> None:
        """Sends a signal if the process still runs."""
        if self.running():
            os.kill(self.pid, number)


def start(
    folder: Path, words: list[str], name: str = "log", verb: str = "train", **variables: str
) -> Process:
    """Forks a process that runs a verb of `rrl-dsl`; the libraries are already loaded.

    Args:
        folder: The working directory.
        words: The arguments of the command.
        name: The name of the log file, without `.txt`.
        verb: The verb.
        variables: Environment variables to set.
    """
    log = folder / f"{name}.txt"
    pid = os.fork()
    if pid:
        return Process(pid, log)
    try:
        _be_the_command(folder, [verb, *words], log, variables)
    except SystemExit as stop:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(stop.code if isinstance(stop.code, int) else int(stop.code is not None))
    except BaseException:
        traceback.print_exc()
    os._exit(99)


def _be_the_command(
    folder: Path, words: list[str], log: Path, variables: dict[str, str]
) -> NoReturn:
    from rrl_dsl.cli import start as command

    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    os.environ |= variables
    sys.argv = ["rrl-dsl", *words]
    command.run()


def ranks(folder: Path, words: list[str]) -> list[Process]:
    """Starts two processes as a launcher does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    given = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    return [
        start(folder, words, f"log{rank}", RANK=str(rank), LOCAL_RANK=str(rank), **given)
        for rank in range(2)
    ]


def command(folder: Path, words: list[str]) -> Process:
    """Starts `rrl-dsl train` as users do, in a new process group."""
    log = folder / "log.txt"
    with log.open("wb") as file:
        started = subprocess.Popen(
            [sys.executable, "-m", "rrl_dsl", "train", *words],
            cwd=folder,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    started.returncode = 0  # `Process.running` waits for it
    return Process(started.pid, log)


def children(process: Process) -> list[int]:
    """Returns the ids of the child processes."""
    with suppress(OSError):
        return [
            int(child)
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children")
            .read_text()
            .split()
        ]
    return []


def check_group_ended(process: Process) -> None:
    """Raises `FailedError` if a process of the group that `command` started still runs."""
    latest = time.monotonic() + LIMIT
    with suppress(ProcessLookupError):
        while time.monotonic() < latest:
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        raise FailedError("a process that the run started still runs")


def wait(processes: list[Process], seconds: float) -> None:
    """Waits until all processes end; kills those that do not and raises `FailedError`."""
    latest = time.monotonic() + seconds
    while (
        late := [process for process in processes if process.running()]
    ) and time.monotonic() < latest:
        time.sleep(0.01)
    for process in late:
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
    if late:
        text = "".join(process.log.read_text()[-1500:] for process in late)
        count = f"{len(late)} of {len(processes)}"
        raise FailedError(f"{count} processes run {seconds:.0f} s later: {text}")


def check_succeeds(process: Process) -> None:
    """Waits for a process that must succeed; a busy machine takes minutes for it."""
    wait([process], 1200)
    if process.status != 0:
        raise FailedError(f"exit status {process.status}: {process.log.read_text()[-1500:]}")
