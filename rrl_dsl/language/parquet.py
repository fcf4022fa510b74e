"""A Parquet file as a table, and where each of its cells stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.faults import HEADER, Faults, Place
from rrl_dsl.language.span import Source, Span


class Parquet:
    """A Parquet file; in messages its lines are its rows, counted from 1.

    Attributes:
        table: Its `pyarrow.Table`.
        faults: What was wrong with the file so far.
    """

    def __init__(self, code: str, path: Path, name: str, unreadable: str) -> None:
        """Reads a file.

        Args:
            code: The code of its faults.
            path: Where it lies; OSError where it cannot be read.
            name: What messages call it.
            unreadable: The code where it is no Parquet file.

        Raises:
            RRLError: Where it is no Parquet file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._name = name
        self.faults = Faults(code, name, self.locate)
        with path.open("rb") as file:
            try:
                self.table = pq.ParquetFile(file).read()
                self.table.validate(full=True)
                list(self.table.column_names)  # decodes them
            except (pa.ArrowException, OSError, UnicodeDecodeError) as problem:
                reason = str(problem).partition("\n")[0]
                message = f"{name} is no readable Parquet file: {reason}"
                raise error(unreadable, message, hint="write it anew, or as CSV") from None

    def locate(self, place: Place) -> tuple[Source, Span | None]:
        """The row of a cell, and the cell in it; a row, and all of it."""
        if place.row == HEADER:
            return Source("", self._name), None
        row = self.table.slice(place.row, 1)
        cells = [_shown(column[0]) for column in row.columns]
        source = Source(",".join(cells), self._name, first_line=place.row + 1)
        if place.column is None:
            return source, Span(0, len(source.text))
        start = sum(len(cell) + 1 for cell in cells[: place.column])
        return source, Span(start, start + len(cells[place.column]))


def _shown(value: Any) -> str:
    if not value.is_valid:
        return "null"
    try:
        return str(value.as_py())
    except (ValueError, OverflowError):  # a time that Python's own cannot hold
        return str(value.value)
