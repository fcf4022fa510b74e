"""The adjacency matrix as a small SVG, with the same text on every machine.

It is for web pages and notebooks; `rrl_dsl.show.figure` draws a whole page.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

import numpy as np

from rrl_dsl.show.colors import (
    ACCENT,
    CLASS_COLORS,
    HAIRLINE,
    INK,
    QUIET,
    UNKNOWN_COLOR,
)
from rrl_dsl.show.sample import UNKNOWN, GraphSample
from rrl_dsl.show.text import one_line

_SIDE: Final = 264
_STRIP: Final = 5
_NAMES: Final = 64
_MARGIN: Final = 8
_LIGHT: Final = 0xF8
_SHADES: Final = 8  # few, so that pictures do not depend on the last bits of a weight
_FONT: Final = "font-family='DejaVu Sans, Verdana, sans-serif'"


def matrix_svg(sample: GraphSample) -> str:
    """Draws the matrix with its class names and its statistics.

    Args:
        sample: The graph; rows are sorted by class.

    Returns:
        An SVG document. A cell is white without an edge, and from gray to black by the square root
        of the weight. False edges have the accent color. A diagonal cell without an edge has a
        hairline.
    """
    sample = sample.by_group()
    cell = max(1, _SIDE // len(sample.group))
    side = cell * len(sample.group)
    left, top = _MARGIN + _NAMES + 2 * _STRIP, _MARGIN
    width, height = left + side + _MARGIN, top + side + _MARGIN + 10 * len(_captions(sample))
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' "
        f"width='{width}' height='{height}' role='img'>",
        f"<title>{_text(sample.title)}</title>",
        f"<rect width='{width}' height='{height}' fill='white'/>",
        *_cells(sample, left, top, cell),
        *_classes(sample, left, top, cell),
        f"<rect x='{left}' y='{top}' width='{side}' height='{side}' fill='none' "
        f"stroke='{HAIRLINE}'/>",
        *(
            f"<text x='{left}' y='{top + side + 10 * number + 2}' {_FONT} font-size='8' "
            f"fill='{QUIET}'>{_text(line)}</text>"
            for number, line in enumerate(_captions(sample), start=1)
        ),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _cells(sample: GraphSample, left: int, top: int, cell: int) -> Iterator[str]:
    """The cells of the matrix; a run of equal cells in a row is a rectangle."""
    weights = sample.weights.astype(np.float64)
    largest = float(weights.max()) or 1.0
    shade = np.ceil(np.sqrt(weights / largest) * _SHADES - 1e-9).astype(int)
    shade[sample.false_relations] = -1
    for row, shades in enumerate(shade):
        starts = [0, *(np.flatnonzero(np.diff(shades)) + 1).tolist(), len(shades)]
        for start, stop in pairwise(starts):
            if shades[start]:
                x, y = left + start * cell, top + row * cell
                yield (
                    f"<rect x='{x}' y='{y}' width='{(stop - start) * cell}' height='{cell}' "
                    f"fill='{_color(int(shades[start]))}'/>"
                )
    for row in np.flatnonzero(np.diagonal(shade) == 0).tolist():
        x, y = left + row * cell, top + row * cell
        yield (
            f"<path d='M{x} {y}l{cell} {cell}' stroke='{HAIRLINE}' stroke-width='0.7' fill='none'/>"
        )


def _color(shade: int) -> str:
    if shade < 0:
        return ACCENT
    dark = int(INK[1:3], 16)
    tone = round(_LIGHT + (dark - _LIGHT) * shade / _SHADES)
    return f"#{tone:02x}{tone:02x}{tone:02x}"


def _classes(sample: GraphSample, left: int, top: int, cell: int) -> Iterator[str]:
    present = sorted({run.group for run in sample.runs()} - {UNKNOWN})
    colors = {group: CLASS_COLORS[at % len(CLASS_COLORS)] for at, group in enumerate(present)}
    colors[UNKNOWN] = UNKNOWN_COLOR
    for run in sample.runs():
        y, height = top + run.start * cell, (run.stop - run.start) * cell
        yield (
            f"<rect x='{left - 2 * _STRIP}' y='{y}' width='{_STRIP}' height='{height}' "
            f"fill='{colors[run.group]}'/>"
        )
        if height >= 8:
            name = one_line(sample.name_of(run.group))
            shown = name if len(name) <= 12 else name[:11] + "…"
            yield (
                f"<text x='{left - 3 * _STRIP}' y='{y + height // 2 + 3}' {_FONT} font-size='9' "
                f"fill='{INK}' text-anchor='end'>{_text(shown)}</text>"
            )


def _captions(sample: GraphSample) -> list[str]:
    """The statistics in two lines, three of them in the first."""
    statistics = sample.summary.split(" · ")
    return [" · ".join(statistics[:3]), " · ".join(statistics[3:])]


def _text(text: str) -> str:
    return escape(one_line(text), {"'": "&apos;"})
