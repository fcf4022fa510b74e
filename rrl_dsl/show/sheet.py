"""A sheet of images: one row per sample, one column per view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from rrl_dsl.show.colors import QUIET
from rrl_dsl.show.style import house_style
from rrl_dsl.show.text import one_line

_SIDE = 1.1
_HEADING = 0.55
_DOTS_PER_INCH = 150


def draw_sheet(title: str, columns: Mapping[str, NDArray[Any]], rows: Sequence[str]) -> Figure:
    """Draws columns of images.

    Args:
        title: The title of the sheet.
        columns: Heading -> one image per row, float (rows, H, W, C) within [0, 1]; C is 1 or 3.
        rows: A name for each row.

    Returns:
        The figure; see `rrl_dsl.show.figure.save`.
    """
    down, across = len(rows), len(columns)
    with house_style():
        figure = Figure(
            figsize=(_SIDE * across + 0.2, _SIDE * down + _HEADING),
            dpi=_DOTS_PER_INCH,
            facecolor="white",
        )
        figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03)
        figure.suptitle(one_line(title), x=0.02, ha="left", fontsize=9)
        grid = figure.subplots(down, across, squeeze=False)
        for across_, (heading, images) in enumerate(columns.items()):
            grid[0][across_].set_title(heading, fontsize=7, color=QUIET)
            for axes, image in zip(grid[:, across_], images, strict=True):
                axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
                axes.set(xticks=[], yticks=[])
        for axes, name in zip(grid[:, 0], rows, strict=True):
            axes.set_ylabel(one_line(name), fontsize=7, color=QUIET)
    return figure
