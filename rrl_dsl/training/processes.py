"""The processes of one run: they start, share its directory, and end together.

This module loads no libraries, so that processes are connected while they are loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from socket import create_server, gethostbyname, socket
from typing import TYPE_CHECKING, Final

from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.training import lock, ranks
from rrl_dsl.training.watch import Stopped, Watch, current

if TYPE_CHECKING:
    from rrl_dsl.training.run import RunDirectory

_START: Final = timedelta(seconds=60)
"""How long the processes of a launcher may start one after the other."""
_PROCESSES_PER_CORE: Final = 4
_TELL: Final = 10.0
"""Seconds that a process which failed waits for the others to connect."""
_END: Final = 3.0
"""Seconds that processes which were started here have to end by themselves."""
_POLL: Final = 0.1
_STARTER: Final = "RRL_DSL_STARTER"
"""Environment variable with the id of the process that started the others of its run."""


@contextmanager
def watched() -> Iterator[None]:
    """Watches this process, and connects it to those that a launcher started with it.

    Signals are handled from here on.
    """
    rank, count = ranks.launched() or (0, 1)
    with Watch() as watch:
        if count > 1 and not _has_store():
            with suppress(RRLError):  # raised by `together`, when it is known to be needed
                _meet(watch, rank, count)
        yield


@contextmanager
def ended_together() -> Iterator[None]:
    """Ends all processes of a run if one of them fails or receives a signal.

    After a signal, or the end of another process, this process exits without Python's cleanup,
    which could wait for the other processes.

    A process does not show an error that the first process shows too.
    """
    watch = current()
    assert watch is not None
    try:
        yield
    except BaseException as problem:
        if isinstance(problem, Exception):
            _connect_to_tell(watch)
        cause = watch.cause(problem)
        _end(watch)
        if cause is None:
            raise SystemExit(1) from None
        if watch.ending and cause is watch.ending:
            watch.exit(watch.ending)
        raise
    _end(watch)


class Processes:
    """The processes of one run.

    Args:
        devices: Their number.
        watch: The watch over this process.
    """

    def __init__(self, devices: int, watch: Watch) -> None:
        self.watch = watch
        self._devices = devices

    def share(self, make: Callable[[], Path]) -> RunDirectory:
        """Creates the directory of the run in the first process, and tells it to the others.

        If no launcher started the others, the first process starts them now, when it has checked
        all settings and cached what it needs of the data.

        Args:
            make: Creates the run directory; called only in the first process.

        Raises:
            RRLError: As `make`; RRL502 if not all processes start within a minute.
        """
        from rrl_dsl.training.run import RunDirectory

        if ranks.leads():
            path = make()
            if self._devices > 1:
                if not self.watch.connections.meets:
                    _start(self.watch, self._devices)
                _await(self.watch, self._devices)
                self.watch.share(path.resolve())
        else:
            while self.watch.directory is None:
                self.watch.check()
                time.sleep(_POLL)
            path = self.watch.directory
        self.watch.run = RunDirectory(path)
        return self.watch.run


@contextmanager
def together(devices: int) -> Iterator[Processes]:
    """Connects the processes of a run, and unlocks the run directory at the end.

    A process that a script started exits at the end: the rest of the script runs once.

    Args:
        devices: Their number, as `rrl_dsl.training.ranks.adopt` checked it.

    Raises:
        RRLError: RRL502 if the processes do not find each other, or cannot be started.
        SystemExit: In a process that a script started.
    """
    watch = current()
    in_script = watch is None
    with ExitStack() as stack:
        stack.callback(lock.release)
        if watch is None:  # called from Python: signals are the caller's
            watch = stack.enter_context(Watch(signals=False))
            if devices > 1:
                stack.enter_context(ended_together())
        if devices > 1 and "RANK" in os.environ:
            if not watch.connections.meets:
                _meet(watch, int(os.environ["RANK"]), devices)
            _await(watch, devices)
        elif devices > 1:
            if in_script:
                _check_script()
            _share_cores(devices)
        yield Processes(devices, watch)
        watch.leave()
    if in_script and not ranks.leads() and os.environ.get(_STARTER) == str(os.getppid()):
        raise SystemExit(0)


def _connect_to_tell(watch: Watch) -> None:
    """Connects this process, which failed early, so that the same error is shown once."""
    rank, count = ranks.launched() or (0, 1)
    with suppress(RRLError, Stopped):
        if count > 1 and not watch.connections.meets:
            _meet(watch, rank, count)
        _await(watch, count, _TELL)


def _meet(watch: Watch, rank: int, devices: int) -> None:
    """Connects this process to the others, in the background.

    The first process listens at the launcher's address until all others are connected; then torch
    can use the address. If the launcher's own store uses it, the store holds another port.

    Raises:
        RRLError: RRL502 if the first process cannot listen, or the store cannot be reached.
    """
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        if _has_store():
            from torch.distributed.distributed_c10d import PrefixStore
            from torch.distributed.rendezvous import rendezvous

            meetings = rendezvous("env://", rank, devices, timeout=_START)
            store = PrefixStore("rrl-dsl", next(meetings)[0])
            if rank == 0:
                server = _listening(host, 0)
                store.set("port", str(server.getsockname()[1]))
            else:
                port = int(store.get("port"))
        elif rank == 0:
            server = _listening(host, port)
    except (OSError, RuntimeError) as problem:  # RuntimeError: of the store
        raise _lost(devices, str(problem)) from None
    if rank == 0:
        watch.connections.listen(server, devices - 1)
    else:
        watch.connections.reach((host, port), rank)


def _listening(host: str, port: int) -> socket:
    """Listens at the address of a host, or on all interfaces if that is only a loopback address."""
    address = gethostbyname(host)
    if address.startswith("127.") and not ranks.on_one_machine():
        address = ""
    return create_server((address, port))


def _has_store() -> bool:
    """Returns whether torchrun itself listens at the launcher's address."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _await(watch: Watch, devices: int, seconds: float = _START.seconds) -> None:
    """Waits until all processes are connected.

    Raises:
        RRLError: RRL502 if not all of them start in time.
    """
    latest = time.monotonic() + seconds
    while not watch.connections.connected:
        watch.check()
        if time.monotonic() > latest:
            raise _lost(devices, f"not all of them started within {seconds:.0f} seconds")
        time.sleep(_POLL)


def _lost(devices: int, reason: str) -> RRLError:
    message = f"the {devices} processes of the run cannot connect: {reason}"
    hint = "start that many with torchrun or srun, or start the command once without them"
    return error("RRL502", message, hint=hint)


def _start(watch: Watch, devices: int) -> None:
    """Starts the other processes with the command of this one."""
    server = create_server(("127.0.0.1", 0))
    ranks.announce(0, devices, server.getsockname()[1])
    os.environ[_STARTER] = str(os.getpid())
    watch.connections.listen(server, devices - 1)
    watch.children = {
        rank: subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:]],
            env=os.environ | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(1, devices)
    }


def _end(watch: Watch) -> None:
    """Ends the processes that were started here."""
    latest = time.monotonic() + _END
    for child in watch.children.values():
        try:
            child.wait(max(0.0, latest - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
    if watch.children:
        ranks.forget()


def _check_script() -> None:
    """Refuses what has no script that other processes could run up to this call.

    Raises:
        RRLError: RRL502 in an interactive session, and after another run on several devices: the
            processes would run the script up to that one.
    """
    if hasattr(sys, "ps1"):
        message = "`devices` is above 1, and an interactive session cannot start other processes"
        raise error(
            "RRL502", message, hint="use `devices=1`, or train in a script", settings=("devices",)
        )
    if os.environ.get(_STARTER) == str(os.getpid()):
        message = "`devices` is above 1 for the second time in one script"
        hint = "each process runs the script from its start: use one script per run"
        raise error("RRL502", message, hint=hint, settings=("devices",))


def _share_cores(devices: int) -> None:
    """Divides the cores of this machine among the processes, unless the user set the threads.

    Raises:
        RRLError: RRL506 if there are too many processes for the cores.
    """
    import torch

    cores = len(os.sched_getaffinity(0))
    if devices > _PROCESSES_PER_CORE * cores:
        message = f"`devices` is {devices}, and this machine has {cores} cores"
        raise error(
            "RRL506",
            message,
            hint=f"use at most {_PROCESSES_PER_CORE} processes per core",
            settings=("devices",),
        )
    part = max(1, cores // devices)
    torch.set_num_threads(int(os.environ.setdefault("OMP_NUM_THREADS", str(part))))
