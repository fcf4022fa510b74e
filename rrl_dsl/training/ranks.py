"""Which process of a run this is.

The first process of `--devices 2` starts the others itself. torchrun and srun start all of them.
Each runs the whole command, and environment variables say which one it is. This module loads no
libraries, so that a process knows its place before it can fail.
"""

from __future__ import annotations

import os
import re

from rrl_dsl.language.diagnostics import error


def adopt(devices: int, num_nodes: int = 1) -> None:
    """Sets the environment variables to the rank of this process.

    Variables that are incomplete come from another program, and are removed.

    Args:
        devices: The number of processes per machine.
        num_nodes: The number of machines, whose processes have consecutive ranks.

    Raises:
        RRLError: RRL502 if a launcher started another number of processes, or if no launcher
            started those of several machines.
    """
    processes = devices * num_nodes
    rank, count = launched(processes) or (None, devices)
    if rank is None and num_nodes > 1:
        message = f"`num_nodes` is {num_nodes}, but no launcher started the processes"
        raise error(
            "RRL502", message, hint="start the command on each machine with torchrun or srun"
        )
    if count != processes:
        wanted = f"`devices` is {devices}" + (f" on {num_nodes} nodes" if num_nodes > 1 else "")
        message = f"{wanted}, but the launcher started {count} processes"
        hint = f"use `--devices {count}`, or start the command once, without a launcher"
        if num_nodes > 1:
            hint = f"start {processes} processes, or change `--devices` and `--num-nodes`"
        raise error("RRL502", message, hint=hint)
    for stale in ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK"):
        os.environ.pop(stale, None)
    if rank is not None:
        node, local = divmod(rank, devices)
        os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count)}
        os.environ |= {"LOCAL_RANK": str(local), "NODE_RANK": str(node)}


def launched(devices: int | None = None) -> tuple[int, int] | None:
    """Returns the rank of this process and the number of processes, or None without a launcher.

    Args:
        devices: The number of processes of the run; None if it is not known yet. SLURM's variables
            may be ambiguous without it.
    """
    return _slurm(devices) or _announced()


def leads() -> bool:
    """Returns whether this process is the first one, which writes and prints."""
    return os.environ.get("RANK", "0") == "0"


def requeued() -> bool:
    """Returns whether SLURM has requeued the job."""
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0) > 0


def on_one_machine() -> bool:
    """Returns whether all processes run on this machine, according to the launcher's variables."""
    given = os.environ
    nodes = given.get("SLURM_STEP_NUM_NODES") or given.get("SLURM_NNODES") or "1"
    return nodes == "1" and given.get("LOCAL_WORLD_SIZE") in (None, given.get("WORLD_SIZE"))


def announce(rank: int, devices: int, port: int) -> None:
    """Sets the environment variables of processes that are started on this machine.

    Args:
        rank: Of this process.
        devices: The number of processes of the run.
        port: The port that the first process listens at.
    """
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(devices)}


def forget() -> None:
    """Removes what `announce` set, for the next training of the same process."""
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE"):
        os.environ.pop(name, None)


def _slurm(devices: int | None) -> tuple[int, int] | None:
    """Returns the rank and the number of processes that srun started.

    A batch script also has the number of tasks of its job, but is a single process, which starts
    the others itself. Without the variables of a step, the tasks are taken for processes only if
    their number equals `devices`, and another rank or a port shows that there are other processes.
    """
    given = os.environ
    tasks = int(given.get("SLURM_STEP_NUM_TASKS") or given.get("SLURM_NTASKS") or 1)
    others = given.get("SLURM_PROCID", "0") != "0" or "MASTER_PORT" in given
    by_srun = "SLURM_STEP_NUM_TASKS" in given or (tasks == devices and others)
    if tasks == 1 or not by_srun or "SLURM_PROCID" not in given or _announced():
        return None
    nodes = given.get("SLURM_STEP_NODELIST") or given.get("SLURM_NODELIST") or "127.0.0.1"
    step = int(given.get("SLURM_JOB_ID", 0)) + int(given.get("SLURM_STEP_ID", 0))
    given.setdefault("MASTER_ADDR", _first_node(nodes))
    given.setdefault("MASTER_PORT", str(15_000 + step % 10_000))
    return int(given["SLURM_PROCID"]), tasks


def _first_node(nodes: str) -> str:
    """Returns the first host of a SLURM node list, such as `gpu[007-009,12],cpu1`."""
    name, number = re.match(r"([^\[,\s]*)(?:\[(\w+))?", nodes).groups(default="")  # type: ignore[union-attr]
    return f"{name}{number}"


def _announced() -> tuple[int, int] | None:
    """Returns the rank and the number of processes that torchrun, Lightning or `announce` set."""
    given = os.environ
    if not {"WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= given.keys():
        return None
    if "RANK" in given:
        return int(given["RANK"]), int(given["WORLD_SIZE"])
    if {"LOCAL_RANK", "NODE_RANK"} <= given.keys():
        return int(given["LOCAL_RANK"]), int(given["WORLD_SIZE"])
    return None
