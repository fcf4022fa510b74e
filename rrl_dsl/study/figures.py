"""Figures of a table of results, with the numbers behind them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from rrl_dsl.language.diagnostics import error
from rrl_dsl.show.bands import Line, Panel, Surface, draw_bands, draw_contours, note_of
from rrl_dsl.show.figure import save
from rrl_dsl.study.points import GAP, Axes, Point, rows_of
from rrl_dsl.study.table import write_table

_SHARES: Final = ("linear", "few", "neighbors", "backbone", "projector", GAP)


def figure_of(points: Sequence[Point], axes: Axes) -> Figure:
    """Draws points: lines over one parameter, or contours over two.

    Raises:
        RRLError: RRL502 if contours have fewer than two values of a parameter.
    """
    if len(axes.against) == 2:
        return _contours(points, axes)
    shown = [point for point in points if point.value in axes.values]
    (x,) = axes.against
    title = " and ".join(axes.values)
    panels = [Panel(title, x, _lines(shown, axes), _bounds(axes.values[0]))]
    if gaps := [point for point in points if point.value == GAP]:
        panels.append(Panel("backbone minus projector", x, _lines(gaps, axes), _bounds(GAP)))
    return draw_bands(panels, note_of([point.runs for point in points]))


def write_figure(figure: Figure, points: Sequence[Point], axes: Axes, path: Path) -> list[Path]:
    """Writes a figure as PNG and SVG, and its numbers as CSV and Parquet.

    Args:
        figure: The figure.
        points: Its numbers.
        axes: What it shows.
        path: The path of the PNG file; the others differ in the suffix.

    Returns:
        The files.

    Raises:
        RRLError: RRL507 if a file cannot be written.
    """
    paths = [path.with_suffix(suffix) for suffix in (".png", ".svg", ".csv")]
    save(figure, paths[0])
    save(figure, paths[1])
    write_table(paths[2], rows_of(points, axes))
    return paths


def _lines(points: Sequence[Point], axes: Axes) -> list[Line]:
    """The lines of a panel; runs without the parameter are a level line over the whole axis."""
    groups = list(dict.fromkeys((point.group, bool(point.place)) for point in points))
    values = list(dict.fromkeys(point.value for point in points))
    places = [point.place[0] for point in points if point.place]
    lines = []
    for value in values:
        for number, (group, varies) in enumerate(groups):
            own = [
                point
                for point in points
                if (point.value, point.group, bool(point.place)) == (value, group, varies)
            ]
            own = own if varies else own * 2
            parts = [_label(axes, group), "" if varies else f"without {axes.against[0]}"]
            parts += [value] if len(values) > 1 else []
            lines.append(
                Line(
                    ", ".join(filter(None, parts)),
                    number,
                    [point.place[0] for point in own] if varies else [min(places), max(places)],
                    [point.mean for point in own],
                    [point.low for point in own],
                    [point.high for point in own],
                    dashed=value != values[0],
                    level=not varies,
                )
            )
    return lines


def _contours(points: Sequence[Point], axes: Axes) -> Figure:
    value = GAP if len(axes.values) == 2 else axes.values[0]
    shown = [point for point in points if point.value == value and point.place]
    columns, rows = (sorted({point.place[at] for point in shown}) for at in (0, 1))
    if min(len(columns), len(rows)) < 2:
        message = "contours need at least two values of both parameters"
        raise error("RRL502", message, hint="draw lines with one `--against`")
    surfaces = []
    for group in dict.fromkeys(point.group for point in shown):
        values = np.full((len(rows), len(columns)), np.nan)
        for point in shown:
            if point.group == group:
                values[rows.index(point.place[1]), columns.index(point.place[0])] = point.mean
        title = ", ".join(part for part in (value, _label(axes, group)) if part)
        surfaces.append(Surface(title, axes.against[0], axes.against[1], columns, rows, values))
    note = note_of([point.runs for point in shown], bands=False)
    if not all(point.place for point in points):
        note += f"; runs without {' or '.join(axes.against)} are not drawn"
    if any(np.isnan(surface.values).any() for surface in surfaces):
        note += "; a place without a number has no run"
    return draw_contours(surfaces, note, share=_is_share(value))


def _label(axes: Axes, group: Sequence[object]) -> str:
    """Names a line by the columns that distinguish it, except those that its runs do not have."""
    return ", ".join(
        str(value) if name in ("recipe", "loss", "dataset") else f"{name}={value}"
        for name, value in zip(axes.by, group, strict=True)
        if value is not None
    )


def _is_share(value: str) -> bool:
    return value.rpartition("/")[2] in _SHARES and not value.startswith(("rank/", "spread/"))


def _bounds(value: str) -> tuple[float, float] | None:
    """The smallest and the largest share that a column can have; None if it has no shares."""
    if not _is_share(value):
        return None
    return (-1, 1) if value.rpartition("/")[2] == GAP else (0, 1)
