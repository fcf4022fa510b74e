"""Relation and loss at common batch sizes."""

from __future__ import annotations

from functools import partial
from typing import Final

from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.bench.claims import Report, Setup, Target, at_most
from rrl_dsl.bench.measuring import Timings, Way, bars, in_turn, milliseconds, profile, ratio
from rrl_dsl.bench.ways import FLOOR, RECIPES, batch, floor, ways

_OF_HAND: Final = 1.3
_OF_LIGHTLY: Final = 0.6


def measure(setup: Setup) -> Report:
    """Measures every recipe at 512 rows of width 128 (with `quick`, 128 rows of width 32)."""
    rows, width = (128, 32) if setup.quick else (512, 128)
    given = batch(rows, width, setup.device)
    case = f"n = {rows}, d = {width}"
    timings: dict[str, Timings] = {}
    targets: list[Target] = []
    profiles: dict[str, list[tuple[str, str, str]]] = {}
    for name, recipe in RECIPES.items():
        every: dict[str, Way] = {FLOOR: partial(floor, given.z.detach()), **ways(given, recipe)}
        every["dense, relation alone"] = partial(compile_recipe(recipe).relate, given.nodes)
        if setup.quick:
            del every["by hand, compiled"]  # compiling takes longest
        timings[name] = in_turn(every, setup.device, runs=3 if setup.quick else 100, seconds=20)
        of_recipe = list(_targets(f"{case}, `{recipe}`", timings[name]))
        if any(target.met is False for target in of_recipe):
            profiles[f"`dense` with `{recipe}`"] = profile(every["dense"], setup.device)
        targets += of_recipe
    return Report(
        columns=("recipe", "way", f"time at {case}", "of by hand"),
        rows=[
            (name, way, milliseconds(timing), _times(ratio(timing, measured["by hand"])))
            for name, measured in timings.items()
            for way, timing in measured.items()
        ],
        targets=targets,
        plots=[bars(name, measured) for name, measured in timings.items()],
        notes=[
            "`by hand` has precomputed masks; `dense` and `blocked` compute the edges in every "
            "step. At this size `auto` chooses `dense`. `relation alone` is the part of `dense` "
            f"before the loss: the edges of the rows, without a gradient. `{FLOOR}` is what no way "
            "can do without: the similarities, an exponential per pair, and one product in the "
            "backward pass."
        ],
        profiles=profiles,
    )


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _targets(case: str, measured: Timings) -> list[Target]:
    dense = measured["dense"]
    targets = [at_most(case, _OF_HAND, ratio(dense, measured["by hand"]), " of by hand")]
    if "lightly" in measured:
        targets.append(at_most(case, _OF_LIGHTLY, ratio(dense, measured["lightly"]), " of lightly"))
    return targets
