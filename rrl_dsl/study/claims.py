"""Whether a claim holds in a table of results: yes, no, or it cannot be told."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final

from scipy.stats import t

from rrl_dsl.study.points import axes_of, loss_columns, number_of
from rrl_dsl.study.published import Claim
from rrl_dsl.study.table import Row, Value

_CONFIDENCE: Final = 0.95
_ROUNDING: Final = 2.0**-23
"""The spread of runs below which it is rounding: tables have float32 values, such as accuracies."""
HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "cannot be told"
NO_INTERVAL: Final = "too few runs, or no spread"


@dataclass(frozen=True)
class Verdict:
    """What a table says about a claim, for the runs with one loss.

    Attributes:
        group: The loss, with its options if the runs have several.
        verdict: `HOLDS` or `FAILS` if the 95% confidence interval lies on one side of 0 and the
            runs have several seeds, else `UNKNOWN`.
        low: The lower end of the interval: of the slope, or of the mean for `positive`. None if
            the runs give no interval: they are too few, or have no spread, as two runs with the
            same accuracy on a small test split.
        high: Its upper end.
        runs: The number of runs.
        seeds: The number of their seeds.
    """

    group: str
    verdict: str
    low: float | None
    high: float | None
    runs: int
    seeds: int


def verdicts(rows: Sequence[Row], claim: Claim) -> list[Verdict]:
    """Judges a claim for each loss, and for each of its options if they vary.

    The slope is that of a least-squares line within blocks: runs with the same seed and the same
    value of every other setting that varies. Differences between blocks do not count, and neither
    do runs without the parameter. Its interval is that of Student's t with as many degrees of
    freedom as there are runs, less the blocks and one.

    Raises:
        RRLError: RRL501 if the table does not have the columns of the claim.
    """
    against = [claim.against] if claim.against else ["seed"]
    axes = axes_of(rows, claim.value, against, None)
    measured = (claim.value, *against)
    columns = loss_columns(rows)
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        loss, *options = (row.get(name) for name in columns)
        group = groups[f"{loss}({options[0]})" if any(options) else str(loss)]
        if all(number_of(row.get(name)) is not None for name in measured):
            group.append(row)
    return [_verdict(group, claim, usable, axes.by) for group, usable in groups.items()]


def _verdict(group: str, claim: Claim, rows: Sequence[Row], by: Sequence[str]) -> Verdict:
    interval = (
        _slope(rows, claim.against, claim.value, by)
        if claim.against
        else _mean([_sure(row.get(claim.value)) for row in rows])
    )
    seeds = len({row.get("seed") for row in rows})
    if interval is None:
        return Verdict(group, UNKNOWN, None, None, len(rows), seeds)
    low, high = interval
    above, below = (HOLDS, FAILS) if claim.direction != "falls" else (FAILS, HOLDS)
    verdict = above if low > 0 else below if high < 0 else UNKNOWN
    return Verdict(group, verdict if seeds > 1 else UNKNOWN, low, high, len(rows), seeds)


def _slope(
    rows: Sequence[Row], against: str, value: str, by: Sequence[str]
) -> tuple[float, float] | None:
    blocks: dict[tuple[Value, ...], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        key = (row.get("seed"), *(row.get(name) for name in by))
        blocks[key].append((_sure(row.get(against)), _sure(row.get(value))))
    pairs = []
    for block in blocks.values():
        x, y = (fmean(column) for column in zip(*block, strict=True))
        pairs += [(one - x, other - y) for one, other in block]
    spread = sum(x * x for x, _ in pairs)
    free = len(pairs) - len(blocks) - 1
    if free < 1 or spread == 0:
        return None
    slope = sum(x * y for x, y in pairs) / spread
    noise = math.sqrt(sum((y - slope * x) ** 2 for x, y in pairs) / free)
    if _is_rounding(noise, [_sure(row.get(value)) for row in rows]):
        return None
    return _interval(slope, noise / math.sqrt(spread), free)


def _mean(values: Sequence[float]) -> tuple[float, float] | None:
    if len(values) < 2:
        return None
    noise, count = stdev(values), len(values)
    if _is_rounding(noise, values):
        return None
    return _interval(fmean(values), noise / math.sqrt(count), count - 1)


def _is_rounding(noise: float, values: Sequence[float]) -> bool:
    """Whether the standard deviation of values is only that of their rounding."""
    return noise <= _ROUNDING * max(1.0, *map(abs, values))


def _interval(middle: float, error: float, free: int) -> tuple[float, float]:
    """The interval of an estimate with a standard error."""
    half = t.ppf((1 + _CONFIDENCE) / 2, free) * error
    return middle - half, middle + half


def _sure(value: Value) -> float:
    number = number_of(value)
    assert number is not None
    return number
