"""Relation and loss of one batch over one, two and four processes."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Final

import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn

from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.backends.strategy import Gather
from rrl_dsl.bench.claims import Plot, Report, Setup
from rrl_dsl.bench.measuring import Timing, milliseconds, ratio
from rrl_dsl.bench.ways import RECIPES, batch
from rrl_dsl.losses import create

_WIDTH: Final = 128
_ROUNDS: Final = 2
_WORDS: Final[dict[Gather, str]] = {"all": "gathered", "ring": "around a ring"}
_GATHERS: Final = tuple(_WORDS)


def measure(setup: Setup) -> Report:
    """Measures 8,192 rows over 1, 2 and 4 processes with one thread (with `quick`, 256 over 2)."""
    rows, steps = (256, 2) if setup.quick else (8192, 8)
    on_gpu = setup.on_gpu
    most = torch.cuda.device_count() if on_gpu else 2 if setup.quick else 4
    worlds = [world for world in (1, 2, 4, 8) if world <= most]
    cases = [(world, way) for world in worlds for way in (_GATHERS if world > 1 else _GATHERS[:1])]
    seconds: dict[tuple[int, Gather], list[float]] = {case: [] for case in cases}
    for _ in range(1 if setup.quick else _ROUNDS):
        for case in cases:
            seconds[case] += _slowest(case, rows, steps, on_gpu)
    timings = {case: Timing(tuple(times), None) for case, times in seconds.items()}
    alone = timings[1, "all"]
    curves: dict[str, list[tuple[float, float]]] = {
        way: [(world, 1e3 * timings.get((world, way), alone).median) for world in worlds]
        for way in _GATHERS
    }
    backend = "NCCL" if on_gpu else "gloo"
    cores = os.cpu_count() or 1
    return Report(
        columns=("processes", "rows of each", "embeddings", "time of a step", "of one process"),
        rows=[
            (
                str(world),
                f"{rows // world:,}",
                "" if world == 1 else _WORDS[way],
                milliseconds(timing),
                f"{ratio(timing, alone) or 1:.2f}",
            )
            for (world, way), timing in timings.items()
        ],
        plots=[Plot(f"{rows:,} rows in all", "processes", "ms", curves)],
        notes=[
            f"`{RECIPES['ssl']}` with `simclr` on {backend}, with the exchange of embeddings; one "
            f"thread per process on {cores} cores. The time of a step is that of its slowest "
            "process."
        ],
    )


def _slowest(case: tuple[int, Gather], rows: int, steps: int, on_gpu: bool) -> list[float]:
    """The seconds of each step in the slowest process."""
    world, way = case
    with tempfile.TemporaryDirectory(prefix="rrl-dsl-bench-") as folder:
        given = (world, way, rows, steps, on_gpu, folder)
        spawn(_process, given, nprocs=world)  # type: ignore[no-untyped-call]
        times = [torch.load(Path(folder, str(rank))) for rank in range(world)]
    return [max(step) for step in zip(*times, strict=True)]


def _process(
    rank: int, world: int, way: Gather, rows: int, steps: int, on_gpu: bool, folder: str
) -> None:
    torch.set_num_threads(1)
    device = torch.device("cuda", rank) if on_gpu else torch.device("cpu")
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method=f"file://{folder}/group",
        rank=rank,
        world_size=world,
    )
    whole = batch(rows, _WIDTH, device)
    samples = rows // 2 // world
    own = torch.arange(samples, device=device) + rank * samples
    mine = torch.cat([own, own + rows // 2])
    nodes, z = whole.nodes[mine], whole.z.detach()[mine].requires_grad_()
    program, loss = compile_recipe(RECIPES["ssl"]), create("simclr")
    gather = way if world > 1 else None
    seconds: list[float] = []
    for _ in range(steps + 1):
        distributed.barrier()
        start = time.perf_counter()
        torch.autograd.grad(loss(program.relate(nodes, gather=gather), z), z)
        if on_gpu:
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    torch.save(seconds[1:], Path(folder, str(rank)))
    distributed.destroy_process_group()
