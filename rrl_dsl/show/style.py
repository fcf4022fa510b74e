"""The style of all pictures: fonts, colors, and text that is cut to fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import matplotlib as mpl
from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from rrl_dsl.show.colors import CLASS_COLORS, HAIRLINE, INK, QUIET

_POINTS_AN_INCH = 72

_SETTINGS = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.monospace": ["DejaVu Sans Mono"],
    "font.size": 8,
    "text.color": INK,
    # a class may have the name `$x$`
    "text.parse_math": False,
    "axes.edgecolor": HAIRLINE,
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": HAIRLINE,
    "ytick.color": HAIRLINE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "rrl-dsl",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Applies the settings of the pictures in place of the matplotlib settings of the user."""
    with style.context(["default", _SETTINGS]):
        yield


def class_colors(count: int) -> list[str]:
    """Returns `count` colors for classes; up to ten colors are distinct."""
    if count <= len(CLASS_COLORS):
        return list(CLASS_COLORS[:count])
    scale = colormaps["viridis"]
    return [mpl.colors.to_hex(scale(place / (count - 1))) for place in range(count)]


@lru_cache(maxsize=4096)
def keep_within(axes: Axes, low: float, high: float) -> None:
    """Keeps the margins of the y axis out of values that cannot occur, such as more than 100%."""
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, low), min(top, high))


def text_width(text: str, size: float) -> float:
    """Returns the width in inches of a line of sans-serif text of `size` points."""
    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text, size=size, prop=FontProperties(family="DejaVu Sans"))
    return float(path.get_extents().x1) / _POINTS_AN_INCH


def fit_text(text: str, size: float, room: float) -> str:
    """Returns the text, cut with an ellipsis if it is wider than `room` inches."""
    if text_width(text, size) <= room:
        return text
    low, high = 0, len(text)
    while low + 1 < high:
        middle = (low + high) // 2
        if text_width(text[:middle].rstrip() + "…", size) <= room:
            low = middle
        else:
            high = middle
    return text[:low].rstrip() + "…"
