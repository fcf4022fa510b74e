"""Relation and loss at common batch sizes."""

from __future__ import annotations

from functools import partial

from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.bench.claims import Report, Setup, Target, at_most
from rrl_dsl.bench.measuring import Timings, bars, in_turn, milliseconds, ratio
from rrl_dsl.bench.ways import RECIPES, batch, ways


def measure(setup: Setup) -> Report:
    """Measures every recipe at 512 rows of width 128 (with `quick`, 128 rows of width 32)."""
    rows, width = (128, 32) if setup.quick else (512, 128)
    given = batch(rows, width, setup.device)
    timings: dict[str, Timings] = {}
    for name, recipe in RECIPES.items():
        every = ways(given, recipe)
        every["dense, relation alone"] = partial(compile_recipe(recipe).relate, given.nodes)
        if setup.quick:
            del every["by hand, compiled"]  # compiling takes longest
        timings[name] = in_turn(every, setup.device, runs=3 if setup.quick else 100, seconds=20)
    case = f"n = {rows}, d = {width}"
    return Report(
        columns=("recipe", "way", f"time at {case}", "of by hand"),
        rows=[
            (name, way, milliseconds(timing), _times(ratio(timing, measured["by hand"])))
            for name, measured in timings.items()
            for way, timing in measured.items()
        ],
        targets=list(_targets(case, timings)),
        plots=[bars(name, measured) for name, measured in timings.items()],
        notes=[
            "`by hand` has precomputed masks; `dense` and `blocked` compute the edges in every "
            "step. At this size `auto` chooses `dense`. `relation alone` is the part of `dense` "
            "before the loss: the edges of the rows, without a gradient."
        ],
    )


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _targets(case: str, timings: dict[str, Timings]) -> list[Target]:
    of_hand = [
        at_most(
            f"{case}, `{RECIPES[name]}`", 1.3, ratio(measured["dense"], measured["by hand"]),
            " of by hand",
        )
        for name, measured in timings.items()
    ]  # fmt: skip
    peers = ratio(timings["ssl"]["dense"], timings["ssl"]["lightly"])
    return [*of_hand, at_most(f"{case}, `{RECIPES['ssl']}`", 0.6, peers, " of lightly")]
