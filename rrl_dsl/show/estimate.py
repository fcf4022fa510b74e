"""The target graph of a batch next to its estimate, as in figure 1 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rrl_dsl.show.colors import QUIET
from rrl_dsl.show.style import house_style
from rrl_dsl.show.text import one_line

_SIDE = 3.6
_DOTS_PER_INCH = 150


def draw_estimate(
    title: str, target: NDArray[np.float32], similarity: NDArray[np.float32], group: Sequence[str]
) -> Figure:
    """Draws two matrices with the same rows side by side.

    Args:
        title: The title of the picture.
        target: float (n, n), edge weights.
        similarity: float (n, n), from -1 to 1.
        group: The class of every row; rows of a class are consecutive.

    Returns:
        The figure; see `rrl_dsl.show.figure.save`.
    """
    with house_style():
        figure = Figure(
            figsize=(2 * _SIDE + 1.2, _SIDE + 0.9), dpi=_DOTS_PER_INCH, facecolor="white"
        )
        figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.05)
        figure.suptitle(one_line(title), x=0.02, ha="left", fontsize=9)
        largest = max(float(target.max(initial=0)), 1.0)
        panels = (
            ("target: edge weights", target, "Greys", (0.0, largest)),
            ("estimate: cosine similarities", similarity, "RdBu_r", (-1.0, 1.0)),
        )
        for place, (heading, matrix, colors, (low, high)) in enumerate(panels, 1):
            axes = figure.add_subplot(1, 2, place)
            image = axes.imshow(matrix, cmap=colors, vmin=low, vmax=high, interpolation="nearest")
            axes.set_title(heading, fontsize=8, color=QUIET)
            middles, names = _middles(group)
            axes.set_xticks(middles, names, rotation=90, fontsize=6)
            axes.set_yticks(middles, names, fontsize=6)
            figure.colorbar(image, ax=axes, fraction=0.046, pad=0.02)
    return figure


def _middles(group: Sequence[str]) -> tuple[list[float], list[str]]:
    """The position of the name of each class, and the name."""
    middles, names, start = list[float](), list[str](), 0
    for name, rows in groupby(group):
        count = len(list(rows))
        middles.append(start + (count - 1) / 2)
        names.append(one_line(name))
        start += count
    return middles, names
