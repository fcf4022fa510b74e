"""The histogram of degrees, and what it has to say about density."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rrl_dsl.show.colours import INK
from rrl_dsl.show.sample import GraphSample, percent

_FEWEST_BARS, _MOST_BARS = 5, 40


def draw_degrees(axes: Axes, sample: GraphSample) -> None:
    """Draws how many rows have which degree, and the mean."""
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


def densities(sample: GraphSample) -> str:
    """The density in one line: of all pairs, within classes and between them."""
    parts = [f"density {percent(sample.density)}"]
    for where, share in (("within", sample.density_within), ("between", sample.density_between)):
        if share is not None:
            parts.append(f"{where} classes {percent(share)}")
    return " · ".join(parts)


def _bins(sample: GraphSample) -> list[float]:
    largest = float(sample.degree.max())
    if sample.weighted:
        return list(np.linspace(0, largest, 25))
    # Bars centred on whole numbers, several numbers to a bar where there are many.
    step = 1 + int(largest) // _MOST_BARS
    return list(np.arange(-0.5, largest + step, step))
