"""The page that a graph is drawn on: its size, and how panels and text are placed on it."""

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
    """An empty white page that no window and no pyplot state knows of."""
    return Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH, facecolor="white")


def panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the page's lower left corner."""
    return figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))


def write(figure: Figure, left: float, bottom: float, text: str, **looks: Any) -> None:
    """Text whose base line starts at a place in inches from the page's lower left corner."""
    figure.text(left / WIDTH, bottom / HEIGHT, text, **looks)


def heading(figure: Figure, left: float, bottom: float, text: str) -> None:
    """The small bold heading of a panel."""
    write(figure, left, bottom, text, fontsize=9, fontweight="bold")


def remark(figure: Figure, left: float, bottom: float, text: str) -> None:
    """A quiet line below a heading or a panel."""
    write(figure, left, bottom, text, fontsize=7, color=QUIET)
