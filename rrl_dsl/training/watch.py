"""Ends a process in time: after a signal, or after the end of another process of its run.

A thread does this, and no signal handler. Python runs a handler between two instructions of the
main thread, which may hold a lock or wait for another process, and a handler that communicates may
then wait forever. The thread tells the other processes, and the main thread ends at its next step.
If that takes too long, the thread ends the process. Nothing is lost: files are replaced atomically,
and the processes have nothing to agree on.

This module loads no libraries, so that it can watch while they are loaded.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from signal import Signals
from socket import socketpair
from threading import Event, Lock, Thread
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.training.connections import GONE, Connections

if TYPE_CHECKING:
    from rrl_dsl.training.run import RunDirectory

_GRACE: Final = 5.0
"""Seconds that the main thread has to reach its next step."""
_NEWS: Final = 2.0
"""Seconds until a process knows why an operation with another process failed."""
_POLL: Final = 0.1
"""Seconds between two looks."""
_HANDLED: Final = (Signals.SIGTERM, Signals.SIGUSR1)
_HEARD: Final = {*_HANDLED, Signals.SIGINT}
"""Signals that mean this run; others, such as SIGCHLD of a worker that loads data, do not."""
_DIRECTORY: Final = "directory"
_FAILED: Final = "failed"


class Stopped(SystemExit):
    """A signal ended the run. The exit status is 128 plus its number, as in a shell."""

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
    """Watches over one process, from `with` on.

    Processes tell each other a signal by its name, `directory` and `failed`. The first process
    passes on what it hears.

    Attributes:
        connections: To the other processes.
        directory: Of the run, as the first process announced it.
        run: The run, once this process has its directory.
        children: The processes that this one started, by rank.
        ending: The reason why this process ends; None before there is one.
    """

    def __init__(self, *, signals: bool = True) -> None:
        """A watch over this process.

        Args:
            signals: Whether to handle signals, which needs the main thread.
        """
        self.directory: Path | None = None
        self.run: RunDirectory | None = None
        self.children: Mapping[int, subprocess.Popen[bytes]] = {}
        self.ending: Stopped | RRLError | None = None
        self._signals = signals
        self._handlers: dict[Signals, Any] = {}
        self._descriptor = -1
        self._woken, self._wakes = socketpair()
        self._wakes.setblocking(False)
        self._closed = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._selector = DefaultSelector()
        self.connections = Connections(self._selector, self._hear)
        self._deadline = 0.0
        self._at_once = False
        self._shows = True
        self._failures: dict[int, str] = {}
        """A digest of the error of each process that failed."""
        self._requeued = False
        self._exits = Lock()

    def __enter__(self) -> Self:
        global _current
        _current = self
        if self._signals:
            self._handlers = {number: signal.signal(number, _ignore) for number in _HANDLED}
            # the system writes to it, even while the main thread is busy
            self._descriptor = signal.set_wakeup_fd(self._wakes.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._woken, EVENT_READ, self._hear_signals)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _current
        _current = None
        self._closed.set()
        self._thread.join()
        if self._signals:
            signal.set_wakeup_fd(self._descriptor)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._selector.close()
        self._close_sockets()

    def share(self, directory: Path) -> None:
        """Announces the directory of the run to the other processes.

        Args:
            directory: The directory, with an absolute path.
        """
        self._say(f"{_DIRECTORY} {quote_from_bytes(os.fsencode(directory))}")

    def check(self) -> None:
        """Ends the main thread's work if the process is to end.

        Raises:
            Stopped: After a signal.
            RRLError: RRL511 after the end of another process.
        """
        if self.ending:
            raise self.ending

    def leave(self) -> None:
        """Parts from the other processes, which finish too.

        Raises:
            Stopped, RRLError: As `check`.
        """
        if self.connections.rank:
            self.connections.part()
            return
        while any(self.connections.is_open(rank) for rank in self.connections.ranks):
            self.check()
            time.sleep(_POLL)

    def cause(self, problem: BaseException) -> BaseException | None:
        """Finds out why the main thread raised an exception, and tells the other processes.

        When another process ends, an operation with it fails a moment before this is known.

        Returns:
            The exception that ends this process; None if the first process shows the same one.
        """
        if problem is self.ending:
            return problem
        if isinstance(problem, KeyboardInterrupt):
            self._hear(f"{self.connections.rank} {Signals.SIGINT.name}")
            return self.ending
        own = sha256(f"{type(problem).__name__}: {problem}".encode()).hexdigest()
        from_outside = isinstance(problem, Exception) and not isinstance(problem, RRLError)
        if from_outside and self.connections.meets:
            _wait_until(lambda: self.ending is not None, _NEWS)
            if self.ending and own not in self._failures.values():
                return self.ending
        rank = self.connections.rank
        self._failures[rank] = own
        self._say(f"{_FAILED} {own}")
        if rank == 0:
            return problem
        # the first process shows an error that all processes have
        _wait_until(lambda: 0 in self._failures or not self.connections.is_open(0), _GRACE + _NEWS)
        return None if self._failures.get(0) == own else problem

    def exit(self, ending: Stopped | RRLError) -> NoReturn:
        """Ends the process, even if its main thread waits for something."""
        self._exits.acquire()  # both threads may end here; one of them shows the reason
        for child in self.children.values():
            child.kill()
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        if self._shows:
            _write(str(ending) if isinstance(ending, RRLError) else ending.message)
        os._exit(1 if isinstance(ending, RRLError) else 128 + ending.number)

    def _watch(self) -> None:
        """Runs in the thread."""
        while not self._closed.is_set():
            for key, _ in self._selector.select(_POLL):
                key.data()
            self.connections.try_again()
            for rank, child in self.children.items():
                # it ended before it was connected
                if child.poll() and rank not in self.connections.ranks:
                    self._hear(f"{rank} {_word(child.returncode)}")
            if self.ending and self._is_time():
                self.exit(self.ending)

    def _is_time(self) -> bool:
        """Whether to exit: the main thread had its time, or must not wait and all are connected."""
        return time.monotonic() > self._deadline or (self._at_once and self.connections.connected)

    def _close_sockets(self) -> None:
        for endpoint in (self._woken, self._wakes, *self.connections.sockets()):
            endpoint.close()

    def _hear_signals(self) -> None:
        for number in self._woken.recv(64):
            if number in _HEARD:
                self._hear(f"{self.connections.rank} {Signals(number).name}")

    def _hear(self, word: str) -> None:
        """Handles a message: this process or another one must end, or has ended."""
        origin, what, value = [*word.split(" "), ""][:3]
        rank = int(origin)
        if what == _FAILED:
            self._failures[rank] = value
        if what == _DIRECTORY:
            self.directory = Path(os.fsdecode(unquote_to_bytes(value)))
        elif what == Signals.SIGUSR1.name:
            self._go_on(rank)
        elif self.ending is None and self.connections.rank not in self._failures:
            self._deadline = time.monotonic() + _GRACE
            # before there is a run, the main thread can only end with its own error
            self._at_once = self.run is None and what != _FAILED
            # the first process shows it, unless it was killed
            self._shows = self.connections.rank == 0 or (rank == 0 and what == GONE)
            self.connections.last_word = word
            self.connections.tell(word)
            self.ending = self._end(rank, what)

    def _say(self, what: str) -> None:
        self.connections.tell(f"{self.connections.rank} {what}")

    def _end(self, rank: int, what: str) -> Stopped | RRLError:
        advice = None
        if self.run and self.run.has_checkpoint():
            advice = f"continue with `rrl-dsl train --resume {self.run.path}`"
        if what in Signals.__members__:
            message = f"stopped by {what}"
            return Stopped(Signals[what], f"{message}; {advice}" if advice else message)
        reason = "failed" if what == _FAILED else "was killed, or its machine failed"
        return error("RRL511", f"process {rank} of the run {reason}", hint=advice)

    def _go_on(self, rank: int) -> None:
        """Asks SLURM to start the job again, which then resumes from the newest checkpoint."""
        if self.connections.rank:
            self.connections.tell(f"{rank} {Signals.SIGUSR1.name}")
        elif not self._requeued:
            self._requeued = True
            _write(f"SIGUSR1: {_requeue()}; checkpoints are written as usual")


_current: Watch | None = None


def current() -> Watch | None:
    """The watch over this process, which has at most one."""
    return _current


def _wait_until(holds: Callable[[], bool], seconds: float) -> None:
    latest = time.monotonic() + seconds
    while not holds() and time.monotonic() < latest:
        time.sleep(_POLL)


def _word(status: int) -> str:
    """The word for how a process ended, from its exit status."""
    if -status in _HEARD:
        return Signals(-status).name
    return GONE if status < 0 else _FAILED


def _requeue() -> str:
    given = os.environ
    job = given.get("SLURM_JOB_ID")
    if "SLURM_ARRAY_JOB_ID" in given:
        job = f"{given['SLURM_ARRAY_JOB_ID']}_{given['SLURM_ARRAY_TASK_ID']}"
    if job is None:
        return "the run continues"
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        said = getattr(problem, "stderr", None) or problem
        return f"the run continues, but job {job} cannot be requeued: {said}".strip()
    return f"job {job} is requeued"


def _write(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody reads it any more
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _ignore(number: int, frame: FrameType | None) -> None:
    """Handles a signal in the main thread; the thread of the watch acts on it."""


def _handles_signals() -> bool:
    return _current is not None and _current._signals


def _before_fork() -> None:
    if _handles_signals():  # a signal to the new process must not reach this one
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)


def _after_fork() -> None:
    if _handles_signals():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)


def _forget() -> None:
    """Takes the watch off a process that is forked, such as a worker that loads data."""
    if _handles_signals():
        signal.set_wakeup_fd(-1)
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
    if _current:
        _current._close_sockets()
    _after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forget)
