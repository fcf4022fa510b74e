"""The adjacency matrix in block characters, for terminals."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from rrl_dsl.show.sample import GraphSample
from rrl_dsl.show.text import one_line
from rrl_dsl.show.tiles import mostly_false, tiles

FALSE_STYLE = "red"
QUIET_STYLE = "dim"
MAX_COLUMNS = 64
_MIN_WIDTH_FOR_NAMES = 24

Glyphs = NDArray[np.str_]
_CELLS: Glyphs = np.array(["  ", "██"])
_HALVES: Glyphs = np.array([" ", "▀", "▄", "█"])
_BRAILLE: Glyphs = np.array([" ", *(chr(0x2800 + code) for code in range(1, 256))])
_SHADES: Glyphs = np.array([" ", "░", "▒", "▓", "█"])


class _Mode(NamedTuple):
    """A way to draw a tile of the matrix as a glyph.

    Attributes:
        height: The number of rows of a tile.
        width: The number of columns of a tile.
        alphabet: The glyphs.
        bits: The value that every cell of a tile adds to the index of its glyph; empty if the
            glyphs are shades of the density.
        legend: The explanation of the glyphs.
    """

    height: int
    width: int
    alphabet: Glyphs
    bits: tuple[int, ...]
    legend: str


def matrix_text(sample: GraphSample, width: int = 80) -> Text:
    """Draws the matrix as a rich renderable, with rows grouped by class.

    A small matrix has a block for every cell, a larger one half blocks or braille dots, which are
    exact too. A matrix that is still larger has shades of the mean density, with a mark for every
    tile that has an edge.

    Args:
        sample: The graph.
        width: The number of columns of the terminal.

    Returns:
        The title, the matrix in a frame with class names on its left, a legend and the statistics.
        No line is wider than `width` if `width` is at least 16. `.plain` is the drawing without
        colors.
    """
    sample = sample.by_group()
    reserved = _name_room(sample, width)
    mode = _mode(len(sample.group), min(MAX_COLUMNS, max(2, width - reserved - 3)))
    glyphs, false = _cells(sample, mode)
    starts = _starts(sample, mode.height)
    inner = "─" * sum(len(glyph) for glyph in glyphs[0])
    # the names of classes that start in the same line may use the whole width beside the matrix
    longest = max(Text(name).cell_len for name in starts.values())
    names = min(longest, width - len(inner) - 3) if reserved else 0
    indent = " " * (names + 1)
    lines = [
        Text(one_line(sample.title), style="bold"),
        Text(f"{indent}┌{inner}┐"),
        *(
            _line(starts.get(number, ""), names, row, wrong)
            for number, (row, wrong) in enumerate(zip(glyphs, false, strict=True))
        ),
        Text(f"{indent}└{inner}┘"),
        *_captions(sample, mode, width),
    ]
    lines[0].truncate(width, overflow="ellipsis")
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def _name_room(sample: GraphSample, width: int) -> int:
    """The number of columns to reserve for class names, before the matrix has a size."""
    if width < _MIN_WIDTH_FOR_NAMES:
        return 0
    longest = max(Text(one_line(sample.name_of(run.group))).cell_len for run in sample.runs())
    return min(longest, max(width - MAX_COLUMNS - 3, width // 5))


def _mode(rows: int, room: int) -> _Mode:
    """The finest mode that draws `rows` rows in `room` columns; all modes have square cells."""
    if 2 * rows <= room:
        return _Mode(1, 1, _CELLS, (1,), "██ related")
    if rows <= room:
        return _Mode(2, 1, _HALVES, (1, 2), "█ related")
    if rows <= 2 * room:
        return _Mode(4, 2, _BRAILLE, (1, 8, 2, 16, 4, 32, 64, 128), "⣿ related")
    side = -(-rows // room)
    legend = f"░▒▓█ share of {2 * side} by {side} pairs that are related"
    return _Mode(2 * side, side, _SHADES, (), legend)


def _bits(edges: NDArray[np.bool_], weights: Sequence[int]) -> NDArray[np.int64]:
    """The index of the glyph that shows all cells of a tile."""
    return np.asarray(edges @ np.array(weights, dtype=np.int64))


def _quarters(edges: NDArray[np.bool_], size: NDArray[np.int64]) -> NDArray[np.int64]:
    """The density of a tile in quarters, rounded up so that a single edge is visible."""
    return np.asarray(-(-4 * edges.sum(axis=-1) // size))


def _cells(sample: GraphSample, mode: _Mode) -> tuple[Glyphs, NDArray[np.bool_]]:
    """The glyphs, and which of them have mostly false edges."""
    edges = tiles(sample.relations > 0, mode.height, mode.width)
    size = tiles(np.ones_like(sample.relations, dtype=np.int64), mode.height, mode.width)
    false = mostly_false(tiles(sample.false_relations, mode.height, mode.width), edges)
    code = _bits(edges, mode.bits) if mode.bits else _quarters(edges, size.sum(axis=-1))
    glyphs: Glyphs = mode.alphabet[code]
    if mode.alphabet is _CELLS:
        # only in this mode is a diagonal cell or a false edge a single glyph
        np.fill_diagonal(glyphs, "··")
        glyphs[false] = "▒▒"
    return glyphs, false


def _starts(sample: GraphSample, height: int) -> dict[int, str]:
    """The names of the classes that start in a line of glyphs, by the number of the line."""
    names: dict[int, list[str]] = {}
    for run in sample.runs():
        names.setdefault(run.start // height, []).append(one_line(sample.name_of(run.group)))
    return {number: ", ".join(together) for number, together in names.items()}


def _line(name: str, width: int, glyphs: Glyphs, false: NDArray[np.bool_]) -> Text:
    label = Text(name if width else "")
    if width:
        label.truncate(width, overflow="ellipsis", pad=True)
    line = label.append(" ┤" if name else " │")
    for glyph, wrong in zip(glyphs.tolist(), false.tolist(), strict=True):
        style = FALSE_STYLE if wrong else QUIET_STYLE if glyph == "··" else ""
        line.append(glyph, style=style)
    return line.append("│")


def _captions(sample: GraphSample, mode: _Mode, width: int) -> Iterator[Text]:
    exact = mode.alphabet is _CELLS
    legend = [mode.legend]
    if sample.false_relations.any():
        legend.append("▒▒ false" if exact else f"{FALSE_STYLE}: at least half of them false")
    if exact:
        legend.append("·· self")
    for caption in ("   ".join(legend), sample.summary):
        for line in textwrap.wrap(caption, max(1, width)):
            yield Text(line, style=QUIET_STYLE)
