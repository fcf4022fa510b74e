"""Positions in a text."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

LINE_END: Final = re.compile(r"\r\n|\n|\r")
"""The line breaks; a form feed or U+2028 does not end a line."""


class Span(NamedTuple):
    """A half-open range of code points, `start <= i < end`."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """Returns the range from the start of this span to the end of `other`."""
        return Span(self.start, max(self.end, other.end))


@dataclass(frozen=True)
class Source:
    """A text and its name.

    Attributes:
        text: The text, or an excerpt of it.
        name: The name in messages: a path, `<text>` or `--set`.
        directory: The directory that file names in the text are relative to; None if the text is
            not in a file.
        first_line: The number of the first line; above 1 for an excerpt.
        within: The directory that contains all files that the text may name. If it is None, a text
            may name files in its own `directory`, and so may the texts that it imports.
    """

    text: str
    name: str = "<text>"
    directory: Path | None = None
    first_line: int = 1
    within: Path | None = None

    @property
    def file_name(self) -> str | None:
        """The name of its file without the folder; None for a text that is not from a file."""
        return None if self.name == "-e" or self.name.startswith("<") else Path(self.name).name

    def unbounded(self) -> Source:
        """Returns the same text, with permission to name files anywhere."""
        return replace(self, within=Path(Path.cwd().anchor))

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in LINE_END.finditer(self.text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Returns the line number and the column of an offset, both from 1, in code points."""
        line = bisect_right(self._line_starts, offset)
        return line + self.first_line - 1, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Returns the text of a line without its line break."""
        index = number - self.first_line
        start = self._line_starts[index]
        last = index + 1 == len(self._line_starts)
        end = len(self.text) if last else self._line_starts[index + 1]
        return self.text[start:end].rstrip("\r\n")

    def line_start(self, number: int) -> int:
        """Returns the offset at which a line starts."""
        return self._line_starts[number - self.first_line]

    @property
    def lines(self) -> int:
        """The number of lines; a line break at the end starts another line."""
        return len(self._line_starts)
