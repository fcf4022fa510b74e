"""The weights of a recipe, without a loss."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from rrl_dsl.backends.edge import has_compiler
from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.bench.claims import NOT_MEASURED, Plot, Report, Setup, Target, at_most
from rrl_dsl.bench.measuring import Timings, curves, in_turn, milliseconds, ratio
from rrl_dsl.bench.ways import RECIPES, Batch, batch
from rrl_dsl.losses import create


def measure(setup: Setup) -> Report:
    """Measures 512 to 4,096 rows, 16,384 on CUDA (with `quick`, 256)."""
    sizes = (256,) if setup.quick else (512, 2048, 4096, *((16_384,) if setup.on_gpu else ()))
    timings: dict[int, Timings] = {}
    for rows in sizes:
        given = batch(rows, 1, setup.device)
        timings[rows] = in_turn(
            {
                "writing alone": partial(_written, given),
                "by hand, `labels`": partial(_by_hand, given),
                **{f"recipe, `{name}`": _by_recipe(given, text) for name, text in RECIPES.items()},
            },
            setup.device,
            runs=3 if setup.quick else 30,
            seconds=10,
        )
    return Report(
        columns=("rows", "way", "time"),
        rows=[
            (f"{rows:,}", way, milliseconds(timing))
            for rows, measured in timings.items()
            for way, timing in measured.items()
        ],
        targets=[*_targets(timings, setup), _compilations(setup)],
        plots=[Plot("Weights alone", "rows", "ms", curves(timings))],
        notes=["`writing alone` fills a matrix of bool with a constant."],
    )


def _written(given: Batch) -> Tensor:
    rows = len(given.nodes)
    return torch.ones(rows, rows, dtype=torch.bool, device=given.z.device)


def _by_hand(given: Batch) -> Tensor:
    sample, label = given.nodes.sample, given.nodes.labels["label"]
    return (sample[:, None] == sample) | (label[:, None] == label)


def _by_recipe(given: Batch, recipe: str) -> partial[Tensor]:
    return partial(compile_recipe(recipe), given.nodes)


def _targets(timings: dict[int, Timings], setup: Setup) -> list[Target]:
    case = "CUDA, n = 4,096: the recipe takes at most 3 times as long as writing"
    synchronized = "CUDA: nothing waits for the device"
    if not setup.on_gpu:
        return [Target(case, NOT_MEASURED, None), Target(synchronized, NOT_MEASURED, None)]
    measured = timings.get(4096, {})
    alone = measured.get("writing alone", "")
    of_recipes = [
        at_most(f"CUDA, n = 4,096, {way}", 3, ratio(timing, alone), " times writing")
        for way, timing in measured.items()
        if way.startswith("recipe")
    ]
    return [*of_recipes, _synchronizations(setup, synchronized)]


def _synchronizations(setup: Setup, case: str) -> Target:
    given = batch(512, 16, setup.device)
    program, loss = compile_recipe(RECIPES["false edges"]), create("simclr")
    for _ in range(2):  # the first runs compile, and copy to the device
        loss(program.relate(given.nodes), given.z)
    torch.cuda.set_sync_debug_mode("error")
    try:
        torch.autograd.grad(loss(program.relate(given.nodes), given.z), given.z)
    except RuntimeError as problem:
        return Target(case, str(problem).splitlines()[0], False)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return Target(case, "no synchronization", True)


def _compilations(setup: Setup) -> Target:
    """The number of compilations in 100 batches of other rows, epochs and steps after the first."""
    case = "100 batches compile nothing again"
    if setup.quick or not has_compiler(setup.device):
        return Target(case, NOT_MEASURED, None)
    from torch._dynamo.utils import counters

    program = compile_recipe(RECIPES["false edges"], fused=True)
    before = 0
    for number in range(102):
        if number == 2:
            before = counters["stats"]["unique_graphs"]
        given = batch(256 + 2 * number, 1, setup.device)
        program(given.nodes, epoch=number // 10, step=number)
    again = counters["stats"]["unique_graphs"] - before
    return Target(case, f"{again} compilations", again == 0)
