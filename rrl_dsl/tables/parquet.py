"""Parquet files, which are read after a check of their size."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as kinds

from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.files import check_size, open_file
from rrl_dsl.language.machine import is_out_of_memory
from rrl_dsl.tables.arrow import ArrowTable

_WIDTHS: Final = {
    "BOOLEAN": 1,
    "INT32": 4,
    "FLOAT": 4,
    "INT64": 8,
    "DOUBLE": 8,
    "INT96": 12,
    "BYTE_ARRAY": 4,  # the index of a text in its dictionary
}
"""The bytes of a value, by its type in the file; types of fixed length declare their own."""


class Parquet(ArrowTable):
    """A Parquet file; in messages its lines are its rows, counted from 1."""

    def __init__(self, path: Path, name: str, code: str, unreadable: str, limit: int) -> None:
        """Reads a file; see `rrl_dsl.tables.table.open_table`."""
        with open_file(path) as file:
            try:
                metadata = pq.read_metadata(file)
                check_size(name, _size(metadata), limit)
                types = metadata.schema.to_arrow_schema().types
                table = pq.ParquetFile(file, read_dictionary=_texts(metadata.schema)).read()
                table.validate(full=True)
                check_size(name, _size_of_texts(table), limit)
                super().__init__(table, name, code, types)  # decodes the names
            except (pa.ArrowException, OSError, UnicodeDecodeError) as problem:
                if is_out_of_memory(problem):
                    raise
                reason = str(problem).partition("\n")[0]
                message = f"{name} is not a readable Parquet file: {reason}"
                raise error(unreadable, message, hint="write it again, or as CSV") from None


def _size(metadata: Any) -> int:
    """The size of the values of a file in bytes, each text counted once.

    A file of few bytes may unpack to any number of equal values.
    """
    size = 0
    for rows in map(metadata.row_group, range(metadata.num_row_groups)):
        for at in range(metadata.num_columns):
            chunk, column = rows.column(at), metadata.schema.column(at)
            width = _WIDTHS.get(column.physical_type, max(column.length, 1))
            size += max(chunk.total_uncompressed_size, max(chunk.num_values, rows.num_rows) * width)
    return size


def _texts(schema: Any) -> list[str]:
    """The paths of the text columns, which are read as indices into a dictionary."""
    columns = (schema.column(at) for at in range(len(schema)))
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _size_of_texts(table: Any) -> int:
    """The size of the texts of a table in bytes; a text counts once per row that contains it."""
    size = 0
    for column in table.columns:
        if kinds.is_dictionary(column.type):
            for chunk in column.chunks:
                lengths = pc.binary_length(chunk.dictionary).cast("int64").take(chunk.indices)
                size += pc.sum(lengths).as_py() or 0
    return size
