"""The numbers behind a plot: means and confidence intervals over the seeds of a table."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import fmean, stdev
from typing import Final

from scipy.stats import t

from rrl_dsl.language.diagnostics import did_you_mean, error, listing
from rrl_dsl.study.table import Row, Value

_CONFIDENCE: Final = 0.95
_RUN: Final = ("recipe", "loss", "dataset")
_OPTIONS: Final = "loss.options"
_NOT_SETTINGS: Final = ("run", *_RUN, _OPTIONS, "seed")
_FIRST_RESULTS: Final = ("state", "epoch")
_ACCURACIES: Final = ("backbone/linear", "probe/backbone")
GAP: Final = "gap"


@dataclass(frozen=True)
class Point:
    """The mean of a value over runs that differ only in their seed.

    Attributes:
        value: The name of the value.
        group: What distinguishes its line, by columns.
        place: The values of the parameters on the axes; empty if the runs lack one, as those of a
            recipe without the parameter.
        mean: The mean.
        low: The lower end of the 95% confidence interval of the mean (Student's t).
        high: Its upper end; both are the mean if there is one run.
        runs: The number of runs.
    """

    value: str
    group: tuple[Value, ...]
    place: tuple[float, ...]
    mean: float
    low: float
    high: float
    runs: int


@dataclass(frozen=True)
class Axes:
    """What a plot shows.

    Attributes:
        values: The columns of its values.
        against: The columns of its axes: one for lines, two for contours.
        by: The columns that distinguish lines.
    """

    values: tuple[str, ...]
    against: tuple[str, ...]
    by: tuple[str, ...]


def axes_of(
    rows: Sequence[Row], value: str | None, against: Sequence[str], by: Sequence[str] | None
) -> Axes:
    """Chooses what the user leaves out: the value, the parameter, and the lines.

    The lines differ in the recipe, the loss with its options, the dataset, and the settings that
    vary, except those that follow from the parameter.

    Raises:
        RRLError: RRL501 for a column that does not exist; RRL502 if a column is not numeric, or the
            parameter is not the only one.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    for name in (*([value] if value else []), *against, *(by or [])):
        if name not in columns:
            message = f"the table has no column `{name}`"
            hint = did_you_mean(name, columns) or f"its columns are {listing(columns, 'and')}"
            raise error("RRL501", message, hint=hint)
    if value is None:
        value = next((name for name in _ACCURACIES if any(row.get(name) for row in rows)), None)
        if value is None:
            message = "the table has no accuracies"
            raise error("RRL502", message, hint="choose a column with `--value`")
    varied = [name for name in settings_of(rows) if len({row.get(name) for row in rows}) > 1]
    if not against:
        against = ["epoch"] if "epoch" in columns else _numeric(rows, varied)
        if len(against) != 1:
            names = listing(against) if against else "none of the settings"
            message = f"the settings that vary and are numbers are {names}"
            raise error("RRL502", message, hint="choose one, or two, with `--against`")
    if len(against) > 2:
        raise error("RRL502", "a plot has one or two parameters", hint="remove an `--against`")
    for name in (value, *against):
        if not any(isinstance(row.get(name), int | float) for row in rows):
            raise error("RRL502", f"the column `{name}` has no numbers")
    if by is None:
        by = [name for name in _RUN if len({row.get(name) for row in rows}) > 1]
        by += [name for name in varied if not _follows(rows, name, against)]
    if _OPTIONS not in by and _options_vary(rows):
        by = [*by, _OPTIONS]
    return Axes((value,), tuple(against), tuple(by))


def with_projector(axes: Axes) -> Axes:
    """Returns the axes of the same value for backbone and projector.

    Raises:
        RRLError: RRL502 if the value is not one of the backbone.
    """
    (value,) = axes.values
    if "backbone" not in value:
        message = f"`{value}` is not a value of the backbone"
        raise error("RRL502", message, hint="use `--value backbone/linear`")
    return Axes((value, value.replace("backbone", "projector")), axes.against, axes.by)


def points_of(rows: Sequence[Row], axes: Axes) -> list[Point]:
    """Returns the means over seeds; with two values also those of their difference, `gap`.

    Rows without a value, such as those of runs that failed, are left out.

    Raises:
        RRLError: RRL502 if no row has all that is drawn.
    """
    names = [*axes.values, *([GAP] if len(axes.values) == 2 else [])]
    samples: dict[tuple[str, tuple[Value, ...], tuple[float, ...]], list[float]]
    samples = defaultdict(list)
    for row in rows:
        values = _numbers(row, axes.values)
        if values is None:
            continue
        place = _numbers(row, axes.against) or ()
        group = tuple(row.get(name) for name in axes.by)
        gap = [values[0] - values[1]] if len(values) == 2 else []
        for name, number in zip(names, [*values, *gap], strict=True):
            samples[name, group, place].append(number)
    if not any(place for _, _, place in samples):
        message = f"no run has values of {listing([*axes.against, *axes.values], 'and')}"
        raise error("RRL502", message)
    points = [Point(*key, *_interval(numbers), len(numbers)) for key, numbers in samples.items()]
    return sorted(points, key=lambda point: (names.index(point.value), _text(point), point.place))


def rows_of(points: Sequence[Point], axes: Axes) -> list[dict[str, Value]]:
    """Returns the points as rows of a table."""
    return [
        {
            **dict(zip(axes.by, point.group, strict=True)),
            **dict(zip_longest(axes.against, point.place)),
            "value": point.value,
            "mean": point.mean,
            "low": point.low,
            "high": point.high,
            "runs": point.runs,
        }
        for point in points
    ]


def _interval(numbers: Sequence[float]) -> tuple[float, float, float]:
    mean, count = fmean(numbers), len(numbers)
    if count == 1:
        return mean, mean, mean
    half = t.ppf((1 + _CONFIDENCE) / 2, count - 1) * stdev(numbers) / math.sqrt(count)
    return mean, mean - half, mean + half


def settings_of(rows: Sequence[Row]) -> list[str]:
    """Returns the columns of the settings that a sweep varies: those before the first result."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    ends = [columns.index(name) for name in _FIRST_RESULTS if name in columns]
    return [name for name in columns[: min(ends, default=0)] if name not in _NOT_SETTINGS]


def loss_columns(rows: Sequence[Row]) -> list[str]:
    """Returns the columns that distinguish the losses: `loss`, and its options where they vary."""
    return ["loss", _OPTIONS] if _options_vary(rows) else ["loss"]


def _options_vary(rows: Sequence[Row]) -> bool:
    """Whether a loss has several options that no setting gives, such as `loss.temperature`."""
    return not _follows(rows, _OPTIONS, [*_RUN, *settings_of(rows)])


def _follows(rows: Sequence[Row], name: str, against: Sequence[str]) -> bool:
    """Whether a column has one value for each place, such as the epochs of each batch size."""
    places = {tuple(row.get(axis) for axis in against) for row in rows}
    with_column = {(*(row.get(axis) for axis in against), row.get(name)) for row in rows}
    return len(places) == len(with_column)


def _numeric(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    return [
        name
        for name in names
        if all(isinstance(row.get(name), int | float) for row in rows if row.get(name) is not None)
    ]


def _numbers(row: Row, names: Sequence[str]) -> tuple[float, ...] | None:
    """The numbers in cells of a row; None if one has none."""
    numbers = [number_of(row.get(name)) for name in names]
    known = tuple(number for number in numbers if number is not None)
    return known if len(known) == len(numbers) else None


def number_of(value: Value) -> float | None:
    """Returns the number in a cell, or None if it has none or it is not finite."""
    usable = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if usable and value is not None else None


def _text(point: Point) -> str:
    return str(point.group)
