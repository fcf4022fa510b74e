"""Monospaced text on a page: the recipe and its tree."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from rrl_dsl.show.page import MARGIN, WIDTH, heading, write
from rrl_dsl.show.text import clean_lines

RECIPE_WIDTH = 5.9
"""The width for the recipe, in inches."""

_SIZE, _SMALL_SIZE = 7.0, 5.8
_MANY_LINES = 14
_MOST_LINES = 24
_HEADING = 0.2
# of DejaVu Sans Mono, relative to the font size, rounded up to whole pixels
_ADVANCE = 0.62
_LEADING = 1.25


def recipe_lines(recipe: str) -> list[str]:
    """Returns the lines of a recipe, wrapped to `RECIPE_WIDTH` with their indentation."""
    columns = _columns(RECIPE_WIDTH, _SIZE)
    lines = []
    for line in clean_lines(recipe):
        indent = " " * min(len(line) - len(line.lstrip()) + 4, columns // 2)
        lines += textwrap.wrap(line, columns, subsequent_indent=indent) or [""]
    return lines


def shortened(lines: Sequence[str]) -> list[str]:
    """Returns at most 24 lines; the last one says how many lines are left out."""
    if len(lines) <= _MOST_LINES:
        return list(lines)
    shown = lines[: _MOST_LINES - 1]
    return [*shown, f"… {len(lines) - len(shown)} more lines"]


def listing_height(count: int) -> float:
    """Returns the height in inches of a heading and `count` lines."""
    return _HEADING + count * _step(count)


def draw_listing(
    figure: Figure, place: tuple[float, float], title: str, lines: Sequence[str], count: int
) -> None:
    """Draws a heading and lines of monospaced text.

    Args:
        figure: The page.
        place: The upper left corner, in inches from the lower left corner of the page.
        title: The heading.
        lines: The lines; a line that is too wide is cut with an ellipsis.
        count: The number of lines of the longest listing on the page, which decides the font size.
    """
    left, top = place
    heading(figure, left, top - 0.1, title)
    columns = _columns(WIDTH - MARGIN - left, _size(count))
    for number, line in enumerate(lines):
        shown = line if len(line) <= columns else line[: columns - 1] + "…"
        # a text per line, because tall box characters would make the lines of a block uneven
        bottom = top - _HEADING - (number + 0.8) * _step(count)
        write(figure, left, bottom, shown, fontsize=_size(count), family="monospace")


def _columns(room: float, size: float) -> int:
    return int(room * 72 / (size * _ADVANCE))


def _size(count: int) -> float:
    return _SIZE if count <= _MANY_LINES else _SMALL_SIZE


def _step(count: int) -> float:
    return _size(count) * _LEADING / 72
