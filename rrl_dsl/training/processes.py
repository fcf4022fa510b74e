"""The processes of one run: they start, learn where it writes, and end together."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from socket import create_connection, create_server
from typing import Final

import torch
from torch.distributed import DistError
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from rrl_dsl.language.diagnostics import error
from rrl_dsl.training import ranks
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.watch import Watch

_START: Final = timedelta(seconds=60)
"""How long the processes of a launcher may start one after the other."""
_END: Final = 3.0
"""Seconds in which processes that were started here end of their own accord."""
_POLL: Final = 0.1


class Processes:
    """The processes of one run.

    Args:
        devices: How many there are.
        watch: Watches over this one.
    """

    def __init__(self, devices: int, watch: Watch) -> None:
        self.watch = watch
        self._devices = devices
        self._store: Store | None = None
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def share(self, make: Callable[[], Path]) -> RunDirectory:
        """What the leading process makes, in all processes.

        Where no launcher started the others, the leading process starts them now, when it has found
        no mistake and kept what it needs of the data.

        Args:
            make: Makes the run's directory; called in the leading process alone.

        Raises:
            RRLError: As `make`, and as `connect`.
        """
        if self._devices == 1:
            path = make()
        elif ranks.leads():
            path = make()
            if self._store is None:
                self._start()
            self._shared().set("directory", str(path.resolve()))
        else:
            while not self._shared().check(["directory"]):
                self.watch.check()
                time.sleep(_POLL)
            path = Path(self._shared().get("directory").decode())
        self.watch.run = RunDirectory(path)
        return self.watch.run

    def connect(self) -> None:
        """Waits until all processes have started, and connects them.

        Raises:
            RRLError: RRL502 where not all of them start within a minute.
        """
        rank = int(os.environ["RANK"])
        try:
            found = rendezvous("env://", rank, self._devices, timeout=_START)
            self._store = PrefixStore("rrl-dsl", next(found)[0])
            if rank:
                port = int(self._store.get("port"))
                line = create_connection((os.environ["MASTER_ADDR"], port), _START.seconds)
                line.settimeout(None)
                line.sendall(rank.to_bytes(4, "big"))
                self.watch.connect(0, line)
                return
            with create_server(("", 0)) as server:
                server.settimeout(_START.seconds)
                self._store.set("port", str(server.getsockname()[1]))
                for _ in range(1, self._devices):
                    line, _ = server.accept()
                    self.watch.connect(int.from_bytes(line.recv(4), "big"), line)
        except (DistError, OSError) as problem:
            message = f"the {self._devices} processes of the run do not find each other: {problem}"
            hint = "start as many with torchrun or srun, or start the command once, without either"
            raise error("RRL502", message, hint=hint) from None

    def end(self) -> None:
        """Ends what was started here."""
        latest = time.monotonic() + _END
        for child in self._children.values():
            try:
                child.wait(max(0.0, latest - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
        if self._children:
            ranks.forget()

    def _shared(self) -> Store:
        assert self._store is not None
        return self._store

    def _start(self) -> None:
        """Starts the other processes, each with the command of this one."""
        with create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        ranks.announce(0, self._devices, port)
        for rank in range(1, self._devices):
            self._children[rank] = subprocess.Popen(
                [sys.executable, *sys.orig_argv[1:]],
                env=os.environ | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            )
        self.watch.children = self._children
        self.connect()


@contextmanager
def together(devices: int) -> Iterator[Processes]:
    """Runs the processes of a run together: where one ends before its time, all end.

    Args:
        devices: How many processes the run has, as `rrl_dsl.training.ranks.adopt` checked.

    Where a signal or the end of another process ends this one, it ends here, without the end that
    Python would make: operations that wait for the other processes would keep it.

    Raises:
        RRLError: As `Processes.connect`.
    """
    with Watch(int(os.environ.get("RANK", 0))) as watch:
        processes = Processes(devices, watch)
        try:
            if devices > 1 and "RANK" in os.environ:
                processes.connect()
            elif devices > 1:
                _share_cores(devices)
            yield processes
            watch.leave()
        except BaseException as problem:
            cause = watch.cause(problem)
            processes.end()
            if watch.ending and cause is watch.ending:
                watch.exit(cause)
            raise
        processes.end()


def _share_cores(devices: int) -> None:
    """Gives each of the processes of this machine its part of the cores, unless the user did."""
    part = max(1, len(os.sched_getaffinity(0)) // devices)
    torch.set_num_threads(int(os.environ.setdefault("OMP_NUM_THREADS", str(part))))
