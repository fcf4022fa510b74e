"""Edge weights fused into one kernel by `torch.compile`, compared with eager execution."""

from __future__ import annotations

import time
from functools import partial

from rrl_dsl.backends.program import compile as compile_recipe
from rrl_dsl.bench.claims import Plot, Report, Setup
from rrl_dsl.bench.measuring import Timings, curves, in_turn, in_unit, milliseconds
from rrl_dsl.bench.ways import RECIPES, batch
from rrl_dsl.language.diagnostics import RRLError


def measure(setup: Setup) -> Report:
    """Measures 512 to 4,096 rows (with `quick`, 256)."""
    recipe, columns = RECIPES["false edges"], ("rows", "eager", "fused", "earned back after")
    eager = compile_recipe(recipe, fused=False)
    start = time.perf_counter()
    try:
        fused = compile_recipe(recipe, fused=True)
        fused(batch(256, 1, setup.device).nodes)
    except RRLError as problem:  # no compiler is installed
        return Report(columns, [], notes=[problem.diagnostics[0].message])
    compiling = time.perf_counter() - start
    timings: dict[int, Timings] = {}
    for rows in (256,) if setup.quick else (512, 2048, 4096):
        nodes = batch(rows, 1, setup.device).nodes
        ways = {"eager": partial(eager, nodes), "fused": partial(fused, nodes)}
        timings[rows] = in_turn(ways, setup.device, runs=2 if setup.quick else 30, seconds=10)
    table: list[tuple[str, ...]] = []
    for rows, measured in timings.items():
        slow, fast = measured["eager"], measured["fused"]
        table.append((f"{rows:,}", milliseconds(slow), milliseconds(fast), ""))
        if isinstance(slow, str) or isinstance(fast, str):
            continue
        gain = slow.median - fast.median
        earned = f"{compiling / gain:,.0f} batches" if gain > 0 else "never"
        table[-1] = (*table[-1][:3], earned)
    return Report(
        columns,
        table,
        plots=[Plot("Weights alone", "rows", "ms", curves(timings))],
        notes=[f"`{recipe}`; compiling took {in_unit(compiling)}."],
    )
