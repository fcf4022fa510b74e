"""Time and memory of relation and loss over the number of rows."""

from __future__ import annotations

from typing import Final

import torch

from rrl_dsl.bench.claims import NOT_MEASURED, Plot, Report, Setup, Target, at_most
from rrl_dsl.bench.measuring import (
    Timing,
    Timings,
    Way,
    curves,
    in_turn,
    megabytes,
    milliseconds,
    profile,
    ratio,
)
from rrl_dsl.bench.ways import DENSE, RECIPES, Batch, batch, too_large, ways

Measured = dict[int, Timings]

_WIDTH: Final = 128
_LARGEST: Final = {"cpu": 65_536, "cuda": 262_144}
_MIDDLE: Final = 8192
"""Rows at which a way is compared with the loss by hand."""


def measure(setup: Setup) -> Report:
    """Measures 256 to 65,536 rows of width 128, and 262,144 on CUDA (with `quick`, up to 1,024)."""
    largest = 1024 if setup.quick else _LARGEST[setup.device.type]
    sizes = [4**power for power in range(4, 10) if 4**power <= largest]
    if not setup.quick:
        sizes = sorted({*sizes, 512, 2048, _MIDDLE})
    timings: Measured = {}
    for rows in sizes:
        given = batch(rows, _WIDTH, setup.device)
        timings[rows] = compared(given, setup, seconds=15)
    noisy = {} if setup.quick else {_MIDDLE: _with_false_edges(setup)}
    targets = _cuda_targets(timings, setup) if setup.on_gpu else _targets(timings, noisy)
    return Report(
        columns=("rows", "way", "time", "memory"),
        rows=[*lines(timings), *lines(noisy)],
        targets=targets,
        plots=plots(timings, "rows"),
        notes=[
            f"`{RECIPES['ssl']}` with `simclr`, forward and backward, width {_WIDTH}; "
            f"`false edges` is `{RECIPES['false edges']}`."
        ],
        profiles=_profiles(targets, setup),
    )


def compared(given: Batch, setup: Setup, seconds: float) -> Timings:
    """Measures all ways that fit into memory and time."""
    every: dict[str, Way] = ways(given, RECIPES["ssl"])
    if setup.quick:
        del every["by hand, compiled"]
    refused = too_large(len(given.z), setup.device)
    left_out: Timings = {}
    if refused is not None:
        left_out = {way: refused for way in DENSE if every.pop(way, None) is not None}
    runs = 2 if setup.quick else 15
    return left_out | in_turn(every, setup.device, runs=runs, seconds=seconds)


def lines(timings: Measured) -> list[tuple[str, ...]]:
    """The rows of the table."""
    return [
        (f"{size:,}", way, milliseconds(timing), megabytes(timing))
        for size, measured in timings.items()
        for way, timing in measured.items()
    ]


def plots(timings: Measured, x: str) -> list[Plot]:
    """A plot of the times and one of the memory."""
    memory: dict[str, list[tuple[float, float]]] = {}
    for size, measured in timings.items():
        for way, timing in measured.items():
            if not isinstance(timing, str) and timing.extra:
                memory.setdefault(way, []).append((size, timing.extra / 1e6))
    return [Plot("Time", x, "ms", curves(timings)), Plot("Memory", x, "MB", memory)]


def _with_false_edges(setup: Setup) -> Timings:
    every = ways(batch(_MIDDLE, _WIDTH, setup.device), RECIPES["false edges"])
    chosen = {f"{way}, false edges": every[way] for way in ("by hand", "blocked")}
    return in_turn(chosen, setup.device, runs=15, seconds=15)


def _profiles(targets: list[Target], setup: Setup) -> dict[str, list[tuple[str, str, str]]]:
    """Where the time of `blocked` goes, if a target is missed."""
    if all(target.met is not False for target in targets):
        return {}
    given = batch(_MIDDLE, _WIDTH, setup.device)
    return {
        f"`blocked` with `{recipe}` at n = {_MIDDLE:,}": profile(
            ways(given, recipe)["blocked"], setup.device
        )
        for recipe in (RECIPES["ssl"], RECIPES["false edges"])
    }


def _targets(timings: Measured, noisy: Measured) -> list[Target]:
    middle, large = timings.get(_MIDDLE, {}), timings.get(65_536, {})
    edges = noisy.get(_MIDDLE, {})
    blocked, largest = middle.get("blocked", ""), large.get("blocked", "")
    return [
        at_most("n = 8,192", 0.25, ratio(blocked, middle.get("by hand", "")), " of by hand"),
        at_most(
            "n = 8,192, false edges", 0.25,
            ratio(edges.get("blocked, false edges", ""), edges.get("by hand, false edges", "")),
            " of by hand",
        ),
        at_most("n = 8,192", 100, _megabytes(blocked), " MB"),
        at_most("n = 65,536", 500, _megabytes(largest), " MB"),
        at_most("n = 65,536", 70, ratio(largest, blocked), " times n = 8,192"),
    ]  # fmt: skip


def _cuda_targets(timings: Measured, setup: Setup) -> list[Target]:
    large = timings.get(65_536, {}).get("blocked", "")
    floor = 12e-3  # of an H100: products 4.1 ms, exponentials 2.3 ms, hashes 5.2 ms
    return [
        _speed_in_bfloat16(setup),
        at_most(
            "n = 65,536", 3, None if isinstance(large, str) else large.median / floor,
            " times the floor of an H100 (12 ms, arithmetic)",
        ),
        at_most("n = 65,536", 300, _megabytes(large), " MB"),
    ]  # fmt: skip


def _speed_in_bfloat16(setup: Setup) -> Target:
    case = "n = 16,384, bfloat16: compiled dense takes at least 3 times as long"
    if setup.quick:
        return Target(case, NOT_MEASURED, None)
    given = batch(16_384, _WIDTH, setup.device)
    every = {name: _autocast(way) for name, way in ways(given, RECIPES["ssl"]).items()}
    chosen = {name: every[name] for name in ("by hand, compiled", "blocked")}
    timings = in_turn(chosen, setup.device, runs=15, seconds=15)
    times = ratio(timings["by hand, compiled"], timings["blocked"])
    if times is None:
        return Target(case, NOT_MEASURED, None)
    return Target(case, f"{times:.3g} times", times >= 3)


def _autocast(way: Way) -> Way:
    def within() -> object:
        with torch.autocast("cuda", torch.bfloat16):
            return way()

    return within


def _megabytes(timing: Timing | str) -> float | None:
    return None if isinstance(timing, str) or timing.extra is None else timing.extra / 1e6
