"""Lines with confidence bands, and contours, of results over parameters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rrl_dsl.show.colors import QUIET
from rrl_dsl.show.style import class_colors, house_style, keep_within

_PANEL: Final = (4.4, 3.1)
_LEGEND_LINE: Final = 0.17
_DOTS_PER_INCH: Final = 150
_MARKERS: Final = "osD^vPX*"
_DASHES: Final = ("-", (0, (4, 2)))
_LOGARITHMIC: Final = 8.0
"""The ratio of the largest to the smallest value from which an axis is logarithmic."""
_FEW: Final = 12
_LEVELS: Final = 12
_EDGE: Final = 0.3
"""The room around contours for the numbers at their edges, in steps of the grid."""


@dataclass(frozen=True)
class Line:
    """A line with a band.

    Attributes:
        label: The text of the legend.
        group: The number of its color.
        x: The positions, in order.
        mean: The values.
        low: The lower ends of the band.
        high: The upper ends of the band.
        dashed: Whether the line is dashed.
        level: Whether the line is one value over the whole axis, so that it has no markers.
    """

    label: str
    group: int
    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    dashed: bool = False
    level: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines that share axes.

    Attributes:
        title: The text above.
        x: The label of the x axis.
        lines: The lines.
        bounds: The smallest and the largest value of shares, which are written in percent; the axis
            does not go beyond. None if the values are not shares.
    """

    title: str
    x: str
    lines: Sequence[Line]
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True)
class Surface:
    """Values over two parameters.

    Attributes:
        title: The text above.
        x: The name of the parameter of the columns.
        y: The name of the parameter of the rows.
        columns: Its values.
        rows: Its values.
        values: The values, (rows, columns); NaN where there is none.
    """

    title: str
    x: str
    y: str
    columns: Sequence[float]
    rows: Sequence[float]
    values: np.ndarray


def draw_bands(panels: Sequence[Panel], note: str) -> Figure:
    """Draws panels beside each other, with a note below that says what the bands are."""
    labels = max(len({line.label for line in panel.lines}) for panel in panels)
    with house_style():
        figure = _figure(len(panels), note, _PANEL[1] + _LEGEND_LINE * labels)
        for place, panel in enumerate(panels, start=1):
            _draw_panel(figure.add_subplot(1, len(panels), place), panel)
    return figure


def draw_contours(surfaces: Sequence[Surface], note: str, *, share: bool = False) -> Figure:
    """Draws contours with one scale of colors; the values of a parameter have equal distances."""
    every = np.concatenate([surface.values.ravel() for surface in surfaces])
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    levels = np.linspace(low, high if high > low else low + 1e-3, _LEVELS)
    with house_style():
        figure = _figure(len(surfaces), note, _PANEL[1])
        every_axes = []
        for place, surface in enumerate(surfaces, start=1):
            axes = figure.add_subplot(1, len(surfaces), place)
            places = np.arange(len(surface.columns)), np.arange(len(surface.rows))
            filled = axes.contourf(*places, surface.values, levels=levels, cmap="viridis")
            axes.contour(*places, surface.values, levels=levels, colors="white", linewidths=0.4)
            for row, column in np.argwhere(np.isfinite(surface.values)):
                value = surface.values[row, column]
                axes.annotate(
                    f"{100 * value:.1f}" if share else f"{value:.3g}",
                    (column, row),
                    ha="center", va="center", fontsize=6.5,
                    # half of a label at the border lies on the page, so it is dark on white
                    bbox={"boxstyle": "round,pad=0.15", "alpha": 0.7, "facecolor": "white",
                          "linewidth": 0},
                )  # fmt: skip
            axes.set_xticks(places[0], [f"{value:g}" for value in surface.columns])
            axes.set_yticks(places[1], [f"{value:g}" for value in surface.rows])
            axes.set_xlabel(surface.x)
            axes.set_ylabel(surface.y)
            axes.set_title(surface.title, loc="left", fontsize=9, fontweight="bold")
            axes.set_xlim(-_EDGE, len(surface.columns) - 1 + _EDGE)
            axes.set_ylim(-_EDGE, len(surface.rows) - 1 + _EDGE)
            every_axes.append(axes)
        scale = figure.colorbar(filled, ax=every_axes, ticks=MaxNLocator(6))
        if share:
            scale.ax.yaxis.set_major_formatter(_percent())
    return figure


def _figure(panels: int, note: str, height: float) -> Figure:
    size = (_PANEL[0] * panels, height)
    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12, rect=(0, 0.06, 1, 0.94))
    figure.text(0.02, 0.02, note, fontsize=7, color=QUIET)
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    colors = class_colors(1 + max((line.group for line in panel.lines), default=0))
    for line in panel.lines:
        color = colors[line.group]
        marked = len(line.x) <= _FEW and not line.level
        axes.plot(
            line.x, line.mean, label=line.label, color=color, linewidth=1.3,
            linestyle=_DASHES[line.dashed], markersize=3.5,
            marker=_MARKERS[line.group % len(_MARKERS)] if marked else "",
            clip_on=panel.bounds is None,  # a marker at 100% is whole
        )  # fmt: skip
        axes.fill_between(line.x, line.low, line.high, color=color, alpha=0.18, linewidth=0)
    places = sorted({value for line in panel.lines for value in line.x})
    if places and places[0] > 0 and places[-1] / places[0] >= _LOGARITHMIC and len(places) <= _FEW:
        axes.set_xscale("log")
        axes.set_xticks(places, [f"{value:g}" for value in places])
        axes.minorticks_off()
    elif len(places) <= _FEW:
        axes.set_xticks(places, [f"{value:g}" for value in places])
    elif all(float(value).is_integer() for value in places):  # epochs
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    if panel.bounds is not None:
        keep_within(axes, *panel.bounds)
        axes.yaxis.set_major_formatter(_percent())
    axes.set_xlabel(panel.x)
    axes.set_title(panel.title, loc="left", fontsize=9, fontweight="bold")
    axes.grid(axis="y", color="#ececec", linewidth=0.6)
    axes.set_axisbelow(True)
    if any(line.label for line in panel.lines):
        axes.legend(
            loc="upper left", bbox_to_anchor=(0, -0.16), borderaxespad=0.2,
            handlelength=3.5,  # a marker covers a dash
        )  # fmt: skip


def _percent() -> FuncFormatter:
    return FuncFormatter(lambda share, _: f"{100 * share:.4g}%")


def note_of(runs: Collection[int], *, bands: bool = True) -> str:
    """Returns the note below a figure.

    Args:
        runs: The number of runs of each point, which is their mean.
        bands: Whether the figure has bands.
    """
    counts = sorted(set(runs))
    if counts == [1]:
        return "one run per point" + (", so there is no band" if bands else "")
    span = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    said = f"mean of {span} runs per point"
    return f"{said}; the bands are 95% confidence intervals of the mean" if bands else said
