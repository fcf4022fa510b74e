"""What ends a process in time: a signal, or the end of another process of its run.

A thread does this, and no signal handler: a handler of Python runs between two of the main thread's
instructions, which may be waiting for another process, and whatever a handler does then may wait
for one too. The thread tells the other processes, and the main thread ends at its next step. Where
that takes too long, the thread ends the process. Nothing is lost by that: checkpoints are replaced
at once, and nothing has to be agreed on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from signal import Signals
from socket import socket, socketpair
from threading import Event, Thread
from types import FrameType, TracebackType
from typing import Any, Final, NoReturn

import lightning as L
from lightning.pytorch.callbacks import Callback

from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.training.run import RunDirectory

_GRACE: Final = 5.0
"""Seconds that the main thread has to come to its next step."""
_NEWS: Final = 2.0
"""Seconds in which the end of another process, which an operation failed of, is heard of."""
_POLL: Final = 0.1
"""Seconds between two looks."""
_HANDLED: Final = (Signals.SIGTERM, Signals.SIGUSR1)
_HEARD: Final = {*_HANDLED, Signals.SIGINT}
"""Signals that mean this run; others, such as SIGCHLD of a worker that loads data, do not."""
_FAILED: Final = "failed"
_GONE: Final = "gone"
_DONE: Final = "done"


class Stopped(SystemExit):
    """A signal ended the run; the exit status is 128 and its number, as shells have it."""

    def __init__(self, number: Signals, message: str) -> None:
        """The end of a run.

        Args:
            number: The signal.
            message: What to tell the user.
        """
        super().__init__(128 + number)
        self.number = number
        self.message = message


class Watch:
    """Watches over one process.

    Processes tell each other one line, `RANK WHAT`: a signal by its name, `failed`, `gone` or
    `done`. The first process of a run has a connection to each of the others and passes on what it
    hears. A connection that ends without a word is that of a process that was killed.
    """

    def __init__(self, rank: int) -> None:
        """Watches this process from `with` on.

        Args:
            rank: Of this process.
        """
        self.rank = rank
        self.run: RunDirectory | None = None
        self.children: Mapping[int, subprocess.Popen[bytes]] = {}
        self.ending: Stopped | RRLError | None = None
        self._deadline = 0.0
        self._requeued = False
        self._closed = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._selector = DefaultSelector()
        self._peers: dict[int, socket] = {}
        self._woken, self._wakes = socketpair()
        self._wakes.setblocking(False)
        self._handlers: dict[Signals, Any] = {}
        self._descriptor = -1

    def __enter__(self) -> Watch:
        self._handlers = {each: signal.signal(each, _left_to_the_thread) for each in _HANDLED}
        # written to by the system itself, even while the main thread is busy
        self._descriptor = signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._woken, EVENT_READ)
        _OPEN.update((self._woken, self._wakes))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._thread.join()
        signal.set_wakeup_fd(self._descriptor)
        for each, handler in self._handlers.items():
            signal.signal(each, handler)
        for open_ in (self._woken, self._wakes, *self._peers.values()):
            open_.close()
            _OPEN.discard(open_)
        self._selector.close()

    def connect(self, rank: int, line: socket) -> None:
        """Listens to another process.

        Args:
            rank: Of that process.
            line: The connection to it.
        """
        self._peers[rank] = line
        _OPEN.add(line)
        self._selector.register(line, EVENT_READ, rank)

    def check(self) -> None:
        """Ends the main thread's work where the process is to end.

        Raises:
            Stopped: After a signal.
            RRLError: RRL511 after the end of another process.
        """
        if self.ending:
            raise self.ending

    def leave(self) -> None:
        """Parts from the other processes, which have come to their end too or will.

        Raises:
            Stopped, RRLError: As `check`.
        """
        if self.rank:
            self._tell(self.rank, _DONE)
            return
        while len(self._selector.get_map()) > 1:
            self.check()
            time.sleep(_POLL)

    def cause(self, problem: BaseException) -> BaseException:
        """What is behind an exception of the main thread; the other processes are told.

        Where another process ends, an operation with it fails a moment before this is heard of.
        """
        if isinstance(problem, KeyboardInterrupt):
            self._hear(self.rank, Signals.SIGINT.name)
        elif isinstance(problem, Exception) and not isinstance(problem, RRLError):
            latest = time.monotonic() + _NEWS
            while self.ending is None and time.monotonic() < latest:
                time.sleep(_POLL)
        elif problem is not self.ending:
            self._tell(self.rank, _FAILED)
            return problem
        if self.ending is None:
            self._tell(self.rank, _FAILED)
        return self.ending or problem

    def _watch(self) -> None:
        while not self._closed.is_set():
            for key, _ in self._selector.select(_POLL):
                if key.data is None:
                    for number in self._woken.recv(64):
                        if number in _HEARD:
                            self._hear(self.rank, Signals(number).name)
                else:
                    self._read(key.data)
            for rank, child in self.children.items():
                if child.poll() and rank not in self._peers:  # it ended before it was connected
                    self._hear(rank, _GONE)
            if self.ending and time.monotonic() > self._deadline:
                self.exit(self.ending)

    def _read(self, rank: int) -> None:
        try:
            lines = self._peers[rank].recv(4096).decode().splitlines()
        except OSError:
            lines = []
        for line in lines or [f"{rank} {_GONE}"]:
            origin, _, what = line.partition(" ")
            if what in (_GONE, _DONE):
                self._selector.unregister(self._peers[rank])
            if what != _DONE:
                self._hear(int(origin), what)

    def _hear(self, rank: int, what: str) -> None:
        if what == Signals.SIGUSR1.name:
            self._go_on(rank)
        elif self.ending is None:
            self._deadline = time.monotonic() + _GRACE
            self._tell(rank, what)
            self.ending = self._end(rank, what)

    def _tell(self, rank: int, what: str) -> None:
        for line in self._peers.values():
            with suppress(OSError):  # it has ended too
                line.sendall(f"{rank} {what}\n".encode())

    def _end(self, rank: int, what: str) -> Stopped | RRLError:
        advice = None
        if self.run and self.run.has_checkpoint():
            advice = f"`rrl-dsl train --resume {self.run.path}` goes on"
        if what in Signals.__members__:
            message = f"stopped by {what}"
            return Stopped(Signals[what], f"{message}; {advice}" if advice else message)
        reason = "failed" if what == _FAILED else "was killed, or its machine is gone"
        return error("RRL511", f"process {rank} of the run {reason}", hint=advice)

    def _go_on(self, rank: int) -> None:
        """Has SLURM start the job again, which goes on from the newest checkpoint."""
        if self.rank:
            self._tell(rank, Signals.SIGUSR1.name)
        elif not self._requeued:
            self._requeued = True
            _write(f"SIGUSR1: {_requeue()}; checkpoints are written as they always are")

    def exit(self, ending: Stopped | RRLError) -> NoReturn:
        """Ends the process, whatever its main thread waits for."""
        for child in self.children.values():
            child.kill()
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        if isinstance(ending, RRLError):
            _write(str(ending))
            os._exit(1)
        if self.rank == 0:  # once for all processes
            _write(ending.message)
        os._exit(128 + ending.number)


class EndAtSteps(Callback):
    """Ends a training between two steps where its process is to end."""

    def __init__(self, watch: Watch) -> None:
        """Ends a training.

        Args:
            watch: Knows when.
        """
        self._watch = watch

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Ends before a step."""
        self._watch.check()

    def on_validation_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Ends before a batch that is watched."""
        self._watch.check()


def _requeue() -> str:
    given = os.environ
    job = given.get("SLURM_JOB_ID")
    if "SLURM_ARRAY_JOB_ID" in given:
        job = f"{given['SLURM_ARRAY_JOB_ID']}_{given['SLURM_ARRAY_TASK_ID']}"
    if job is None:
        return "the run goes on"
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        said = getattr(problem, "stderr", None) or problem
        return f"the run goes on, and job {job} cannot be requeued: {said}".strip()
    return f"job {job} is requeued"


def _write(text: str) -> None:
    with suppress(OSError, ValueError):  # who read it is gone
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _left_to_the_thread(number: int, frame: FrameType | None) -> None:
    pass


_OPEN: Final[set[socket]] = set()


def _before_fork() -> None:
    if _OPEN:  # a signal to the new process must not be taken for one to this
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)


def _after_fork() -> None:
    if _OPEN:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)


def _forget() -> None:
    """Leaves a process that is forked, such as a worker that loads data, to itself."""
    if not _OPEN:
        return
    signal.set_wakeup_fd(-1)
    for each in _HANDLED:
        signal.signal(each, signal.SIG_DFL)
    for open_ in _OPEN:
        open_.close()
    _after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forget)
