"""CSV and TSV files: their rows, and the line and span of a cell."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.files import read_bytes
from rrl_dsl.language.span import LINE_END, Source, Span
from rrl_dsl.tables.faults import HEADER, Location
from rrl_dsl.tables.table import DELIMITERS, Table, TableColumn

_MAX_ROW: Final = 2**22
"""The most characters of a row. A row of delimiters needs a hundred times its size in memory."""
_WORDS: Final = {",": "commas", "\t": "tabs", ";": "semicolons"}


class DelimitedText(Table):
    """A CSV or TSV file.

    A cell that contains the delimiter is quoted. Spaces around a cell are ignored, and so are rows
    that contain nothing else.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        code: str,
        limit: int,
        delimiter: str,
        long_row_hint: str | None,
    ) -> None:
        """Reads a file; see `rrl_dsl.tables.table.open_table`."""
        super().__init__(code, name)
        mark = "a tab" if delimiter == "\t" else f"`{delimiter}`"
        self._delimiter = delimiter
        self._short_row_hint = None if long_row_hint else "leave the cell of a missing value empty"
        self._long_row_hint = long_row_hint or f"put a cell that contains {mark} in quotes"
        self._starts = array("q")  # the character positions of the rows read so far
        self._content = self._decoded(read_bytes(path, name, limit))
        self._rows = self._rows_of_text()
        self.header = next(self._rows, [])
        if not self._starts:
            hint = "the first row must name the columns"
            self.faults.add("the file has no rows", hint=hint)
        self.faults.stop()

    def _decoded(self, content: bytearray) -> str:
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

    def rows(self, columns: Sequence[int]) -> Iterator[tuple[int, Sequence[str]]]:
        """Iterates over the rows below the header."""
        for row in self._rows:
            if len(row) == len(self.header):
                yield self._last, [row[column] for column in columns]
                continue
            message = f"this row has {cells_in(row)}, but the first row has {len(self.header)}"
            hint = self._long_row_hint if len(row) > len(self.header) else self._short_row_hint
            other = self.delimiter_hint(row) or self.delimiter_hint(self.header)
            self.faults.add(message, Location(self._last), other or hint)

    def columns(self) -> list[TableColumn]:
        """Returns all columns."""
        import numpy as np

        values: list[list[str]] = [[] for _ in self.header]
        for _, row in self.rows(range(len(self.header))):
            for column, cell in zip(values, row, strict=True):
                column.append(cell)
        self.faults.stop()
        return [
            TableColumn(name, at, values[at], np.zeros(len(values[at]), bool), self.new_faults())
            for at, name in enumerate(self.header)
        ]

    @property
    def _last(self) -> int:
        """The index of the last row read."""
        return HEADER + len(self._starts) - 1

    def _rows_of_text(self) -> Iterator[list[str]]:
        """The rows that are not blank, with the spaces around cells removed."""
        start = end = 0

        def lines() -> Iterator[str]:
            nonlocal end
            breaks = (match.end() for match in LINE_END.finditer(self._content))
            for stop in chain(breaks, [len(self._content)]):
                if stop - start > _MAX_ROW:
                    raise csv.Error(f"it has more than {_MAX_ROW:,} characters")
                line = self._content[end:stop]
                end = stop
                if line:
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
                hint = (
                    f"a quoted cell must end with a quote, and must not exceed {longest} characters"
                )
                self.faults.add(f"this row cannot be read: {problem}", Location(self._last), hint)
                return
            if any(row):
                self._starts.append(start)
                yield row
            start = end

    def delimiter_hint(self, row: Sequence[str]) -> str | None:
        """Returns a hint if the row has one cell that contains another delimiter."""
        if len(row) != 1:
            return None
        others = [sign for sign in _WORDS if sign != self._delimiter and sign in row[0]]
        if not others:
            return None
        likely = max(others, key=row[0].count)
        named = next((suffix for suffix, sign in DELIMITERS.items() if sign == likely), None)
        elsewhere = f", which are for {named}" if named else ""
        return (
            f"cells must be separated by {_WORDS[self._delimiter]}, not {_WORDS[likely]}{elsewhere}"
        )

    def locate(self, location: Location) -> tuple[Source, Span]:
        """Returns the line of a cell and its span; for a row, its first line."""
        start = self._starts[location.row - HEADER]
        if location.column is None:
            return _excerpt(self._name, self._content, start, len(self._content))
        start, end = next(islice(self._spans(start), location.column, None))
        return _excerpt(self._name, self._content, start, end)

    def _spans(self, start: int) -> Iterator[tuple[int, int]]:
        """The start and end of the cells of the row that starts at `start`."""
        cell = re.compile(rf' *((?:"(?:[^"]|"")*")?[^{self._delimiter}\r\n]*)')
        while match := cell.match(self._content, start):
            yield match.span(1)
            start = match.end() + 1


def cells_in(row: Sequence[str]) -> str:
    """The number of cells of a row, in words."""
    return "1 cell" if len(row) == 1 else f"{len(row):,} cells"


def _excerpt(name: str, text: str, start: int, end: int) -> tuple[Source, Span]:
    """The line of a text that contains `start`, and the part of the range in that line."""
    head = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    breaks = [at for sign in "\r\n" if (at := text.find(sign, head)) >= 0]
    line = text[head : min(breaks, default=len(text))]
    before = text[:head]
    number = 1 + before.count("\n") + before.count("\r") - before.count("\r\n")
    return Source(line, name, first_line=number), Span(start - head, min(end - head, len(line)))
