"""Text of rows of cells, CSV or TSV: its rows, and where each cell stands."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Final

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.faults import HEADER, Faults, Place
from rrl_dsl.language.files import read_bytes
from rrl_dsl.language.span import Source, Span

DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
"""What stands between the cells of a file, by how its name ends."""
_WORDS: Final = {",": "commas", "\t": "tabs", ";": "semicolons"}


class DelimitedText:
    """A file of rows of cells.

    Cells stand between delimiters, in quotes where they hold one. Spaces around a cell do not
    count, nor do rows without any content.

    Attributes:
        faults: What was wrong with the file so far.
    """

    def __init__(
        self, code: str, path: Path, name: str, most: int, delimiter: str, longer: str
    ) -> None:
        """Opens a file.

        Args:
            code: The code of its faults.
            path: Where it lies; OSError where it cannot be read.
            name: What messages call it.
            most: How many bytes of it are read.
            delimiter: What stands between its cells.
            longer: The mend of a row that is longer than the first.

        Raises:
            RRLError: Where it is no UTF-8 text; RRL428 where it is too large.
        """
        self._code = code
        self._name = name
        self._delimiter = delimiter
        self._longer = longer
        self._starts = array("q")  # of the rows that were read so far
        self._content = self._decoded(read_bytes(path, name, most))
        self.faults = Faults(code, name, self.locate)

    def _decoded(self, content: bytes) -> str:
        try:
            text = content.decode("utf-8-sig")
            strange = text.find("\0")
            what = "is a NUL character"
        except UnicodeDecodeError as problem:
            text = content.decode("utf-8-sig", "replace")
            strange = len(content[: problem.start].decode("utf-8-sig"))
            what = f"is not UTF-8 text: {problem.reason}"
        if strange >= 0:
            source, span = _excerpt(self._name, text, strange, strange + 1)
            hint = "save the file as UTF-8"
            raise RRLError(Diagnostic(self._code, f"this {what}", span, source, hint))
        return text

    def equal_rows(self) -> Iterator[list[str]]:
        """The rows, each as long as the first; what is wrong with others is noted."""
        first: list[str] = []
        for row in self._rows():
            first = first or row
            if len(row) == len(first):
                yield row
                continue
            message = f"this row has {cells_in(row)}, and the first row {len(first)}"
            hint = self._longer if len(row) > len(first) else None
            other = self.other_delimiter(row) or self.other_delimiter(first)
            self.faults.add(message, Place(self.last), other or hint)
        if not self._starts:
            hint = "the first row names the columns"
            self.faults.add("there is no row in the file", hint=hint)

    @property
    def last(self) -> int:
        """The row that was read last, counted as places are."""
        return HEADER + len(self._starts) - 1

    def _rows(self) -> Iterator[list[str]]:
        """The rows that have any content, their cells without the spaces around them."""
        import csv

        start = end = 0

        def lines() -> Iterator[str]:
            nonlocal end
            for line in StringIO(self._content, newline=""):
                end += len(line)
                yield line

        reader = csv.reader(lines(), delimiter=self._delimiter, strict=True, skipinitialspace=True)
        while True:
            try:
                row = [cell.strip() for cell in next(reader)]
            except StopIteration:
                return
            except csv.Error as problem:
                self._starts.append(start)
                longest = f"{csv.field_size_limit():,}"
                hint = f"a quoted cell ends with a quote, and none has over {longest} characters"
                self.faults.add(f"this row cannot be read: {problem}", Place(self.last), hint)
                return
            if any(row):
                self._starts.append(start)
                yield row
            start = end

    def other_delimiter(self, row: list[str]) -> str | None:
        """A hint for a row of one cell that holds what stands between cells elsewhere."""
        others = [sign for sign in _WORDS if sign != self._delimiter and sign in row[0]]
        if len(row) > 1 or not others:
            return None
        found = max(others, key=row[0].count)
        named = next((suffix for suffix, sign in DELIMITERS.items() if sign == found), None)
        elsewhere = f", which are for {named}" if named else ""
        return f"cells stand between {_WORDS[self._delimiter]}, not {_WORDS[found]}{elsewhere}"

    def locate(self, place: Place) -> tuple[Source, Span]:
        """The line of a cell, and the cell in it; the line of a row, and all of it."""
        start = self._starts[place.row - HEADER]
        if place.column is None:
            return _excerpt(self._name, self._content, start, len(self._content))
        start, end = next(islice(self._spans(start), place.column, None))
        return _excerpt(self._name, self._content, start, end)

    def _spans(self, start: int) -> Iterator[tuple[int, int]]:
        """Where the cells of the row that begins at `start` start and end."""
        cell = re.compile(rf' *((?:"(?:[^"]|"")*")?[^{self._delimiter}\r\n]*)')
        while found := cell.match(self._content, start):
            yield found.span(1)
            start = found.end() + 1


def cells_in(row: list[str]) -> str:
    """How many cells a row has, in words."""
    return "1 cell" if len(row) == 1 else f"{len(row):,} cells"


def _excerpt(name: str, text: str, start: int, end: int) -> tuple[Source, Span]:
    """The line of a text in which a range starts, and the part of the range in that line."""
    head = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    breaks = [at for sign in "\r\n" if (at := text.find(sign, head)) >= 0]
    line = text[head : min(breaks, default=len(text))]
    before = text[:head]
    number = 1 + before.count("\n") + before.count("\r") - before.count("\r\n")
    return Source(line, name, first_line=number), Span(start - head, min(end - head, len(line)))
