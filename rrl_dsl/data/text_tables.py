"""Tables of text, CSV or TSV: their cells, and where each stands."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from rrl_dsl.data import cells
from rrl_dsl.data.cells import Cells
from rrl_dsl.data.faults import Faults, Place
from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source, Span

_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|[\r\n])|[^\r\n]+")


class TextTable:
    """A file of rows of cells, the first of which names the columns.

    Cells stand between delimiters, in quotes where they hold one. Spaces around a cell do not
    count, nor do rows without any content.
    """

    def __init__(self, path: Path, delimiter: str) -> None:
        """Reads a file.

        Args:
            path: The file; OSError where it cannot be read.
            delimiter: What stands between cells.

        Raises:
            RRLError: RRL412 for what is not UTF-8 text, a file without a row, and rows of another
                length than the first.
        """
        self._name = str(path)
        self._delimiter = delimiter
        self._starts: list[int] = []  # of each row, the header first
        self._content = self._decoded(path.read_bytes())
        self.faults = Faults(self._name, self._locate)
        self.columns = self._read()
        self.faults.stop()

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
            raise RRLError(Diagnostic("RRL412", f"this {what}", span, source, hint))
        return text

    def _read(self) -> list[Cells]:
        rows = self._rows()
        header = next(rows, None)
        if header is None:
            if not self._starts:
                self.faults.add("there is no row in the file")
            return []
        columns: list[list[str]] = [[] for _ in header]
        for number, row in enumerate(rows):
            if len(row) == len(header):
                for column, cell in zip(columns, row, strict=True):
                    column.append(cell)
            else:
                message = f"this row has {len(row)} cells, and the header {len(header)}"
                mark = "a tab" if self._delimiter == "\t" else f"`{self._delimiter}`"
                quotes = f"a cell that holds {mark} stands in quotes"
                self.faults.add(message, Place(number), quotes if len(row) > len(header) else None)
        return [cells.of_text(name, at, columns[at]) for at, name in enumerate(header)]

    def _rows(self) -> Iterator[list[str]]:
        """The rows that have any content, their cells without the spaces around them."""
        start = end = 0

        def lines() -> Iterator[str]:
            nonlocal end
            for line in _LINE.finditer(self._content):
                end = line.end()
                yield line[0]

        reader = csv.reader(lines(), delimiter=self._delimiter, strict=True, skipinitialspace=True)
        while True:
            try:
                row = [cell.strip() for cell in next(reader)]
            except StopIteration:
                return
            except csv.Error as problem:
                self._starts.append(start)
                place = Place(len(self._starts) - 2)
                longest = f"{csv.field_size_limit():,}"
                hint = f"a quoted cell ends with a quote, and none has over {longest} characters"
                self.faults.add(f"this row cannot be read: {problem}", place, hint)
                return
            if any(row):
                self._starts.append(start)
                yield row
            start = end

    def _locate(self, place: Place) -> tuple[Source, Span]:
        """The line of a cell, and the cell in it; the line of a row, and all of it."""
        start = self._starts[place.row + 1]
        if place.column is None:
            return _excerpt(self._name, self._content, start, len(self._content))
        start, end = next(islice(self._cells(start), place.column, None))
        return _excerpt(self._name, self._content, start, end)

    def _cells(self, start: int) -> Iterator[tuple[int, int]]:
        """Where the cells of the row that begins at `start` start and end."""
        cell = re.compile(rf' *((?:"(?:[^"]|"")*")?[^{self._delimiter}\r\n]*)')
        while found := cell.match(self._content, start):
            yield found.span(1)
            start = found.end() + 1


def _excerpt(name: str, text: str, start: int, end: int) -> tuple[Source, Span]:
    """The line of a text in which a range starts, and the part of the range in that line."""
    head = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    found = _LINE.match(text, head)
    line = found[0].rstrip("\r\n") if found else ""
    before = text[:head]
    number = 1 + before.count("\n") + before.count("\r") - before.count("\r\n")
    return Source(line, name, first_line=number), Span(start - head, min(end - head, len(line)))
