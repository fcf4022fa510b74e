"""A page about a recipe: its matrix, network, degrees and tree."""

from __future__ import annotations

import io
import os
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rrl_dsl.language.diagnostics import error, listing
from rrl_dsl.language.files import write_bytes
from rrl_dsl.show.colors import INK, QUIET
from rrl_dsl.show.listing import (
    RECIPE_WIDTH,
    draw_listing,
    listing_height,
    recipe_lines,
    shortened,
)
from rrl_dsl.show.matrix import (
    STRIP,
    draw_matrix,
    draw_scale,
    legend_entries,
    names_above,
    names_beside,
)
from rrl_dsl.show.network import draw_network
from rrl_dsl.show.page import HEIGHT, MARGIN, WIDTH, heading, new_page, panel, remark, write
from rrl_dsl.show.sample import GraphSample, percent
from rrl_dsl.show.style import fit_text, house_style
from rrl_dsl.show.text import one_line
from rrl_dsl.show.tree import Branch, tree_lines

FORMATS = (".png", ".pdf", ".svg", ".html")

_HEADER = 1.0
_LEGEND = 0.65
_GAP = 0.6
_RIGHT_COLUMN = 3.3
_HISTOGRAM = 1.15
_SCALE = 1.4
_FEWEST_BARS, _MOST_BARS = 5, 40


class _Layout(NamedTuple):
    """Positions on the page, in inches from its lower left corner."""

    left: float
    bottom: float
    side: float
    right: float
    listings: float


def draw(sample: GraphSample, tree: Branch) -> Figure:
    """Draws the graph on a page in landscape format.

    The adjacency matrix is on the left, with its rows grouped by class. The network of at most 80
    rows and the histogram of degrees are on the right. The recipe and its tree are at the bottom.
    The same input gives the same picture.

    Args:
        sample: The graph, with rows in any order.
        tree: The tree of the recipe.

    Returns:
        A figure for `save`, without a window and without pyplot state.
    """
    sample = sample.by_group()
    with house_style():
        recipe, branches = shortened(recipe_lines(sample.recipe)), shortened(tree_lines(tree))
        count = max(len(recipe), len(branches))
        layout = _layout(sample, listing_height(count))
        figure = new_page()
        _draw_header(figure, sample)
        _draw_matrix(figure, sample, layout)
        _draw_network(figure, sample, layout)
        _draw_degrees(figure, sample, layout)
        draw_listing(figure, (MARGIN, layout.listings), "Recipe", recipe, count)
        right = max(layout.right, MARGIN + RECIPE_WIDTH + 0.3)
        shown = [one_line(line) for line in branches]
        draw_listing(figure, (right, layout.listings), "Tree", shown, count)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Writes a figure atomically; the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: The file, with a suffix of `FORMATS`; an existing file is replaced.

    Raises:
        RRLError: RRL507 if the suffix is unknown or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        hint = f"use one of the suffixes {listing(FORMATS)}"
        raise error("RRL507", f"`{path}` does not have the suffix of a picture", hint=hint)
    if not os.path.isdir(path.parent):
        message = f"`{path}` cannot be written: there is no folder `{path.parent}`"
        raise error("RRL507", message, hint="create the folder first, or choose another")
    content = _rendered(figure, "svg" if suffix == ".html" else suffix.removeprefix("."))
    if suffix == ".html":
        drawing = content[content.index(b"<svg") :]
        content = b'<!doctype html>\n<meta charset="utf-8">\n<title>%s</title>\n%s' % (
            escape(one_line(path.stem)).encode(),
            drawing,
        )
    write_bytes(path, content)


def _rendered(figure: Figure, kind: str) -> bytes:
    content = io.BytesIO()
    # without dates and versions, so that the same figure gives the same bytes
    metadata: dict[str, Any] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "svg": {"Date": None, "Creator": None},
    }[kind]
    with house_style():
        figure.savefig(content, format=kind, dpi=figure.dpi, metadata=metadata)
    return content.getvalue()


def _layout(sample: GraphSample, listings: float) -> _Layout:
    left = MARGIN + names_beside(sample)
    floor = 0.3 + listings + _LEGEND
    widest = WIDTH - MARGIN - _RIGHT_COLUMN - _GAP - left
    # the height of the names depends on the side, and the side on it: start with the largest side
    above = names_above(sample, min(widest, HEIGHT - _HEADER - STRIP - floor))
    side = min(widest, HEIGHT - _HEADER - above - floor)
    bottom = HEIGHT - _HEADER - above - side
    return _Layout(left, bottom, side, left + side + _GAP, 0.3 + listings)


def _draw_header(figure: Figure, sample: GraphSample) -> None:
    # bold text is about a tenth wider than the regular text that is measured
    title = fit_text(one_line(sample.title), 14, 0.88 * (WIDTH - 2 * MARGIN))
    write(figure, MARGIN, HEIGHT - 0.5, title, fontsize=14, fontweight="bold")
    write(figure, MARGIN, HEIGHT - 0.73, sample.summary, fontsize=8.5, color=QUIET)


def _draw_matrix(figure: Figure, sample: GraphSample, layout: _Layout) -> None:
    axes = panel(figure, layout.left, layout.bottom, layout.side, layout.side)
    draw_matrix(axes, sample, layout.side)
    axes.legend(
        handles=legend_entries(sample), loc="upper left", bbox_to_anchor=(0, -0.06 / layout.side),
        ncols=3, borderaxespad=0, borderpad=0, handlelength=1, handleheight=1, columnspacing=1.6,
    )  # fmt: skip
    if sample.weighted:
        left = layout.left + layout.side - _SCALE
        draw_scale(panel(figure, left, layout.bottom - 0.2, _SCALE, 0.12), sample)


def _draw_network(figure: Figure, sample: GraphSample, layout: _Layout) -> None:
    bottom, top = layout.bottom + _HISTOGRAM + 0.95, HEIGHT - _HEADER + 0.05
    heading(figure, layout.right, top, "Network")
    width = WIDTH - MARGIN - layout.right
    caption = draw_network(panel(figure, layout.right, bottom, width, top - 0.1 - bottom), sample)
    remark(figure, layout.right, bottom - 0.15, caption)


def _draw_degrees(figure: Figure, sample: GraphSample, layout: _Layout) -> None:
    top = layout.bottom + _HISTOGRAM
    heading(figure, layout.right, top + 0.3, "Degrees")
    remark(figure, layout.right, top + 0.13, _densities(sample))
    # leave room for the tick labels on the left of the axes
    width = WIDTH - MARGIN - layout.right - 0.35
    _draw_histogram(panel(figure, layout.right + 0.35, layout.bottom, width, _HISTOGRAM), sample)


def _draw_histogram(axes: Axes, sample: GraphSample) -> None:
    """Draws the histogram of the degrees and their mean."""
    degree, bins = sample.degree, _bins(sample)
    axes.hist(degree, bins=bins, color="#8a8f98", edgecolor="white", linewidth=0.4)
    axes.axvline(float(degree.mean()), color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=not sample.weighted))
    if not sample.weighted:
        axes.set_xlim(-0.7, max(bins[-1], _FEWEST_BARS - 0.5) + 0.2)
    sum_of = "weights" if sample.weighted else "edges"
    axes.set_xlabel(f"{sum_of} per row (dashed: mean)", fontsize=7, loc="left")
    axes.set_ylabel("rows", fontsize=7)


def _densities(sample: GraphSample) -> str:
    """The density of all pairs, within classes and between classes, in a line."""
    words = [f"density {percent(sample.density)}"]
    for where, share in (("within", sample.density_within), ("between", sample.density_between)):
        if share is not None:
            words.append(f"{where} classes {percent(share)}")
    return " · ".join(words)


def _bins(sample: GraphSample) -> list[float]:
    largest = float(sample.degree.max())
    if sample.weighted:
        return list(np.linspace(0, largest, 25))
    # bars are centered on whole numbers; a bar covers several numbers if there are many
    step = 1 + int(largest) // _MOST_BARS
    return list(np.arange(-0.5, largest + step, step))
