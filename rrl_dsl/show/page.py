"""The page of a picture: its size, and functions that place panels and text on it."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rrl_dsl.show.colors import QUIET

WIDTH, HEIGHT = 11.69, 8.27
"""A4 in landscape format, in inches."""
MARGIN = 0.45
DOTS_PER_INCH = 150


def new_page() -> Figure:
    """Returns an empty white page without a window and without pyplot state."""
    return Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH, facecolor="white")


def panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Adds axes; the position is in inches from the lower left corner of the page."""
    return figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))


def write(figure: Figure, left: float, bottom: float, text: str, **looks: Any) -> None:
    """Adds text; its baseline starts at a position in inches from the lower left corner."""
    figure.text(left / WIDTH, bottom / HEIGHT, text, **looks)


def heading(figure: Figure, left: float, bottom: float, text: str) -> None:
    """Adds the small bold heading of a panel."""
    write(figure, left, bottom, text, fontsize=9, fontweight="bold")


def remark(figure: Figure, left: float, bottom: float, text: str) -> None:
    """Adds a line in gray below a heading or a panel."""
    write(figure, left, bottom, text, fontsize=7, color=QUIET)
