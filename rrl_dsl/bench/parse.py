"""Parsing and compiling a recipe of ten calls, without the time of imports."""

from __future__ import annotations

from itertools import count
from typing import Final

from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.bench.claims import Report, Setup, Target
from rrl_dsl.bench.measuring import bars, in_turn, milliseconds
from rrl_dsl.graph.recipe import parse

TEN_CALLS: Final = """
(ssl(views=2) | supervised(frac=0.3, labels=coarse) | corrupt(fpr=0.05, tpr={share}))
  & (near(time, 5) | knn(5) | similarity(field=pixels))
  | (supervised() & cross_view()) | keep(0.9) | topk(5)
"""
_LIMIT: Final = 5.0


def measure(setup: Setup) -> Report:
    """Measures with a new number in each run, so that no cached result is used."""
    numbers = count(1)

    def text() -> str:
        return TEN_CALLS.format(share=1 - next(numbers) / 1e6)

    runs = 3 if setup.quick else 200
    parts = {
        "parse": lambda: parse(text()),
        "parse and compile": lambda: compile_recipe(text(), fused=False),
    }
    timings = in_turn(parts, setup.device, runs=runs, seconds=10)
    both = timings["parse and compile"]
    assert not isinstance(both, str)
    taken = 1e3 * both.median
    case = f"ten calls: under {_LIMIT:g} ms once imported"
    return Report(
        columns=("part", "time"),
        rows=[(name, milliseconds(timing)) for name, timing in timings.items()],
        targets=[Target(case, f"{taken:.3g} ms", taken < _LIMIT)],
        plots=[bars("A recipe of ten calls", timings)],
    )
