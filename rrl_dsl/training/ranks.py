"""Which process of a run this is, and what the processes of one run tell each other.

Lightning starts the processes of `--devices 2` itself, from the first. torchrun and srun start all
of them, each with the whole command. Whoever starts them says so by environment variables.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Final

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from torch.distributed import DistError
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from rrl_dsl.language.diagnostics import error

_DIRECTORY: Final = "RRL_DSL_RUN_DIRECTORY"
"""Tells the processes that Lightning starts, which repeat the command, where the run writes."""

_START: Final = timedelta(seconds=60)
"""How long the processes of a launcher may start one after the other."""

_POLL: Final = 0.2
"""Seconds between two looks at what the others told."""


class Environment(LightningEnvironment):
    """Has Lightning see what `adopt` settled, and look for no launcher of its own accord."""

    def teardown(self) -> None:
        """Keeps what a launcher set, for the next training of the same process."""
        if "RANK" not in os.environ:
            super().teardown()


def adopt(devices: int) -> None:
    """Settles in the environment variables which process of a run this is.

    Variables without the others that a launcher sets beside them are left over from something
    else, and are removed.

    Args:
        devices: How many processes the run has.

    Raises:
        RRLError: RRL502 where a launcher started another number of processes.
    """
    rank, count = _slurm(devices) or _launched() or (None, devices)
    if count != devices:
        message = f"`devices` is {devices}, and the launcher started {count} processes"
        hint = f"use `--devices {count}`, or start the command once, without a launcher"
        raise error("RRL502", message, hint=hint)
    for stale in ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK"):
        os.environ.pop(stale, None)
    if rank is not None:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    Environment().set_global_rank(rank or 0)  # Lightning read it when it was imported


def leads() -> bool:
    """Whether this process writes and prints: the first of a distributed run, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


class Processes:
    """The processes of one run.

    Args:
        store: Through which they talk; None where this process is alone or Lightning starts the
            others.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store

    def share(self, make: Callable[[], Path]) -> Path:
        """What the leading process makes, in all processes.

        Args:
            make: Makes the run's directory; called in the leading process alone.

        Raises:
            RRLError: As `make`.
        """
        if self._store is None:
            if not leads():
                return Path(os.environ[_DIRECTORY])
            path = make()
            os.environ[_DIRECTORY] = str(path.resolve())
            return path
        if leads():
            path = make()
            self._store.set("directory", str(path.resolve()))
            return path
        while not self._store.check(["directory"]):
            time.sleep(_POLL)
        return Path(self._store.get("directory").decode())


@contextmanager
def together(devices: int) -> Iterator[Processes]:
    """Runs the processes of a launcher together: where one fails, all end.

    Lightning ends the processes that it started itself.

    Args:
        devices: How many processes the run has, as `adopt` checked.

    Raises:
        RRLError: RRL502 where not all of them start within a minute.
    """
    if "RANK" not in os.environ or devices == 1 or _DIRECTORY in os.environ:
        yield Processes(None)
        return
    store, ended = _store(devices), Event()
    watch = Thread(target=_end_with_the_others, args=(store, ended), daemon=True)
    watch.start()
    try:
        yield Processes(store)
    except BaseException:
        ended.set()
        store.set("failed", os.environ["RANK"])
        raise
    if leads():  # whose end may end the store, while others still look at it
        while store.add("ended", 0) < devices - 1:
            time.sleep(_POLL)
    ended.set()
    watch.join()
    if not leads():
        store.add("ended", 1)


def _slurm(devices: int) -> tuple[int, int] | None:
    """Rank and number of the processes that srun started.

    A batch script sees the number of tasks of its job too, and is one process: without the
    variables of a step, tasks count as processes only where there are as many as devices.
    """
    given = os.environ
    tasks = int(given.get("SLURM_STEP_NUM_TASKS") or given.get("SLURM_NTASKS") or 1)
    by_srun = "SLURM_STEP_NUM_TASKS" in given or tasks == devices
    if tasks == 1 or not by_srun or "SLURM_PROCID" not in given or _launched():
        return None
    nodes = given.get("SLURM_STEP_NODELIST") or given.get("SLURM_NODELIST") or "127.0.0.1"
    step = int(given.get("SLURM_JOB_ID", 0)) + int(given.get("SLURM_STEP_ID", 0))
    given.setdefault("MASTER_ADDR", SLURMEnvironment.resolve_root_node_address(nodes))
    given.setdefault("MASTER_PORT", str(15_000 + step % 10_000))
    return int(given["SLURM_PROCID"]), tasks


def _launched() -> tuple[int, int] | None:
    """Rank and number of the processes that torchrun, or Lightning, started."""
    given = os.environ
    if not {"WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= given.keys():
        return None
    if "RANK" in given:
        return int(given["RANK"]), int(given["WORLD_SIZE"])
    if {"LOCAL_RANK", "NODE_RANK"} <= given.keys():
        return int(given["LOCAL_RANK"]), int(given["WORLD_SIZE"])
    return None


def _store(devices: int) -> Store:
    try:
        found = rendezvous("env://", int(os.environ["RANK"]), devices, timeout=_START)
        return PrefixStore("rrl-dsl", next(found)[0])
    except DistError as problem:
        message = f"the {devices} processes of the run do not find each other: {problem}"
        hint = "start as many with torchrun or srun, or start the command once, without either"
        raise error("RRL502", message, hint=hint) from None


def _end_with_the_others(store: Store, ended: Event) -> None:
    """Ends this process where another one failed, even if it waits in a collective operation."""
    while not ended.wait(_POLL):
        try:
            failed = store.check(["failed"])
        except DistError:  # the process that holds the store is gone
            failed = True
        if failed and not ended.is_set():
            sys.stderr.write(f"process {os.environ['RANK']} ends: another one of the run failed\n")
            sys.stderr.flush()
            os._exit(1)
