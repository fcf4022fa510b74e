"""The adjacency matrix as a panel with class names, a legend and a scale of weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from rrl_dsl.show.colors import ACCENT, ACCENT_WEAK, HAIRLINE, INK, UNKNOWN_COLOR, WEAK
from rrl_dsl.show.sample import UNKNOWN, GraphSample, Run
from rrl_dsl.show.style import class_colors, fit_text, text_width
from rrl_dsl.show.text import one_line
from rrl_dsl.show.tiles import mostly_false, tiles

STRIP = 0.06
"""The width in inches of the strip of class colors, and of the gap beside it."""

_ROOM_BESIDE, _ROOM_ABOVE = 1.35, 0.85
_MAX_CELLS = 512
_SHARP_PIXELS = 1024
_GRID_ROWS = 48
_MANY_RUNS = 20


def group_colors(sample: GraphSample) -> dict[int, str]:
    """Returns the colors of the classes that have rows, and of unknown rows."""
    present = sorted({run.group for run in sample.runs()} - {UNKNOWN})
    colors = dict(zip(present, class_colors(len(present)), strict=True))
    return {**colors, UNKNOWN: UNKNOWN_COLOR}


def names_beside(sample: GraphSample) -> float:
    """Returns the width in inches of the class names and colors on the left."""
    return 3.5 * STRIP + max(_name_width(sample, run, _ROOM_BESIDE) for run in sample.runs())


def names_above(sample: GraphSample, side: float) -> float:
    """Returns the height in inches of the class names above a matrix of `side` inches."""
    if _names_lie_flat(sample, side):
        return STRIP + _line_height(sample)
    return STRIP + max(_name_width(sample, run, _ROOM_ABOVE) for run in sample.runs())


def matrix_image(sample: GraphSample) -> NDArray[np.uint8]:
    """Returns the cells of the matrix as colors, without the diagonal.

    Args:
        sample: The graph, whose rows keep their order.

    Returns:
        uint8 (m, m, 3), m <= 512. A cell is white without an edge, from gray to black by weight,
        and from pale to full accent color for a false edge. Above 512 rows, a cell shows the
        strongest of several pairs, so that every edge is visible.
    """
    side = _cell_rows(sample)
    weights = tiles(sample.relations, side, side)
    false = mostly_false(tiles(sample.false_relations, side, side), weights > 0)
    strength = weights.max(axis=-1)
    share = (strength / (strength.max() or 1.0))[..., None]
    true_tone = _between(WEAK, "#000000", share)
    false_tone = _between(ACCENT_WEAK, ACCENT, share)
    tone = np.where(false[..., None], false_tone, true_tone)
    return np.where(strength[..., None] > 0, np.rint(255 * tone), 255).astype(np.uint8)


def draw_matrix(axes: Axes, sample: GraphSample, side: float) -> None:
    """Draws the matrix into square axes of `side` inches; rows must be sorted by class."""
    rows = len(sample.group)
    image = matrix_image(sample)
    # SVG viewers smooth the images that they enlarge, so the cells are enlarged here
    sharp = max(1, _SHARP_PIXELS // len(image))
    covered = len(image) * _cell_rows(sample)
    axes.imshow(
        image.repeat(sharp, axis=0).repeat(sharp, axis=1),
        extent=(0, covered, covered, 0),
        interpolation="none",
    )
    axes.set(xlim=(0, rows), ylim=(rows, 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    if rows <= _GRID_ROWS:
        inner = np.arange(1, rows)
        axes.hlines(inner, 0, rows, color="#ececec", linewidth=0.3)
        axes.vlines(inner, 0, rows, color="#ececec", linewidth=0.3)
    axes.plot([0, rows], [0, rows], color=HAIRLINE, linewidth=0.8, solid_capstyle="butt")
    borders = [run.start for run in sample.runs()[1:]]
    color, width = ("#9aa2ad", 0.6) if len(borders) < _MANY_RUNS else ("#d3d8de", 0.35)
    axes.hlines(borders, 0, rows, color=color, linewidth=width)
    axes.vlines(borders, 0, rows, color=color, linewidth=width)
    _draw_strips(axes, sample, side)
    _draw_names(axes, sample, side)


def legend_entries(sample: GraphSample) -> list[Artist]:
    """Returns the legend of the colors."""
    side = _cell_rows(sample)
    related = "related" if side == 1 else f"related: strongest of {side} by {side} pairs"
    entries: list[Artist] = [Patch(color=INK, label=related)]
    if sample.false_relations.any():
        entries.append(Patch(color=ACCENT, label="false relation"))
    entries.append(Line2D([], [], color=HAIRLINE, linewidth=1.2, label="self (not counted)"))
    return entries


def draw_scale(axes: Axes, sample: GraphSample) -> None:
    """Draws the scale of weights, from 0 to the largest weight."""
    share = np.linspace(0, 1, 256)[None, :, None]
    ramps = [_between(WEAK, "#000000", share)]
    if sample.false_relations.any():
        ramps.append(_between(ACCENT_WEAK, ACCENT, share))
    largest = float(sample.relations.max())
    axes.imshow(np.concatenate(ramps), extent=(0, largest, 0, 1), aspect="auto")
    axes.set(yticks=[], xticks=[0, largest / 2, largest])
    axes.set_xticklabels(["0", f"{largest / 2:.3g}", f"{largest:.3g}"])
    axes.set_ylabel("weight", rotation=0, ha="right", va="center", fontsize=7.5, color=INK)
    axes.spines[:].set_visible(False)


def _cell_rows(sample: GraphSample) -> int:
    """The number of rows that a cell of the picture covers."""
    return -(-len(sample.group) // _MAX_CELLS)


def _between(start: str, stop: str, share: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.array(to_rgb(start)), np.array(to_rgb(stop))
    return np.asarray(low + share * (high - low))


def _draw_strips(axes: Axes, sample: GraphSample, side: float) -> None:
    """Draws a strip of class colors on the left, the legend for the nodes of the network."""
    colors = group_colors(sample)
    beside = blended_transform_factory(axes.transAxes, axes.transData)
    for run in sample.runs():
        corner = (-2 * STRIP / side, run.start)
        patch = Rectangle(corner, STRIP / side, run.stop - run.start, transform=beside)
        patch.set(color=colors[run.group], linewidth=0, clip_on=False)
        axes.add_patch(patch)


def _draw_names(axes: Axes, sample: GraphSample, side: float) -> None:
    size, flat = _name_size(sample), _names_lie_flat(sample, side)
    for run in _apart(sample.runs(), _line_height(sample) * len(sample.group) / side):
        middle = (run.start + run.stop) / 2
        axes.annotate(
            _name(sample, run, _ROOM_BESIDE), (0, middle), (-3.1 * STRIP * 72, 0),
            xycoords=("axes fraction", "data"), textcoords="offset points",
            ha="right", va="center_baseline", fontsize=size,
        )  # fmt: skip
        axes.annotate(
            _name(sample, run, _ROOM_ABOVE), (middle, 1), (0, STRIP * 72),
            xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="center", va="bottom", fontsize=size, rotation=0 if flat else 90,
        )  # fmt: skip


def _names_lie_flat(sample: GraphSample, side: float) -> bool:
    """Whether all class names fit above their columns without rotation."""
    inches = side / len(sample.group)
    return all(
        _name_width(sample, run, _ROOM_ABOVE) + 0.08 <= (run.stop - run.start) * inches
        for run in sample.runs()
    )


def _name(sample: GraphSample, run: Run, room: float) -> str:
    return fit_text(one_line(sample.name_of(run.group)), _name_size(sample), room)


def _name_width(sample: GraphSample, run: Run, room: float) -> float:
    return text_width(_name(sample, run, room), _name_size(sample))


def _name_size(sample: GraphSample) -> float:
    return 8.0 if len(sample.runs()) <= _MANY_RUNS else 6.5


def _line_height(sample: GraphSample) -> float:
    return 1.25 * _name_size(sample) / 72


def _apart(runs: Sequence[Run], least: float) -> list[Run]:
    """The runs whose centers are at least `least` rows after that of the previous run."""
    kept: list[Run] = []
    reached = -np.inf
    for run in runs:
        middle = (run.start + run.stop) / 2
        if middle >= reached:
            kept.append(run)
            reached = middle + least
    return kept
