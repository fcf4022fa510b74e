"""A Parquet file as a table, and where each of its cells stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.faults import HEADER, Faults, Place
from rrl_dsl.language.files import check_size, open_file
from rrl_dsl.language.span import Source, Span

_WIDTHS: Final = {
    "BOOLEAN": 1,
    "INT32": 4,
    "FLOAT": 4,
    "INT64": 8,
    "DOUBLE": 8,
    "INT96": 12,
    "BYTE_ARRAY": 4,  # a text's place among the different ones
}
"""The bytes of a value by the type in the file; those of fixed length say how long they are."""


class Parquet:
    """A Parquet file; in messages its lines are its rows, counted from 1.

    Attributes:
        table: Its `pyarrow.Table`; texts are dictionaries.
        types: The `pyarrow.DataType` of each column as it was written.
        faults: What was wrong with the file so far.
    """

    def __init__(self, code: str, path: Path, name: str, most: int, unreadable: str) -> None:
        """Reads a file.

        Args:
            code: The code of its faults.
            path: Where it lies; OSError where it cannot be read.
            name: What messages call it.
            most: How many bytes of it are read, unpacked.
            unreadable: The code where it is no Parquet file.

        Raises:
            RRLError: Where it is no Parquet file; RRL428 where it is too large.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._name = name
        self.faults = Faults(code, name, self.locate)
        with open_file(path) as file:
            try:
                metadata = pq.read_metadata(file)
                check_size(name, _size(metadata), most)
                self.types = metadata.schema.to_arrow_schema().types
                self.table = pq.ParquetFile(file, read_dictionary=_texts(metadata.schema)).read()
                self.table.validate(full=True)
                list(self.table.column_names)  # decodes them
                check_size(name, _size_of_texts(self.table), most)
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


def _size(metadata: Any) -> int:
    """The bytes of the values of a file, each text counted once.

    A few bytes of a file may unpack to any number of equal values.
    """
    size = 0
    for rows in map(metadata.row_group, range(metadata.num_row_groups)):
        for at in range(metadata.num_columns):
            chunk, column = rows.column(at), metadata.schema.column(at)
            width = _WIDTHS.get(column.physical_type, max(column.length, 1))
            size += max(chunk.total_uncompressed_size, max(chunk.num_values, rows.num_rows) * width)
    return size


def _texts(schema: Any) -> list[str]:
    """The columns of texts, which are read as places among the different ones."""
    columns = (schema.column(at) for at in range(len(schema)))
    return [each.path for each in columns if each.physical_type == "BYTE_ARRAY"]


def _size_of_texts(table: Any) -> int:
    """The bytes of the texts of a table, each counted as often as it stands there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size = 0
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            for chunk in column.chunks:
                lengths = pc.binary_length(chunk.dictionary).cast("int64").take(chunk.indices)
                size += pc.sum(lengths).as_py() or 0
    return size


def _shown(value: Any) -> str:
    if not value.is_valid:
        return "null"
    try:
        return str(value.as_py())
    except (ValueError, OverflowError):  # a time that Python's own cannot hold
        return str(value.value)
