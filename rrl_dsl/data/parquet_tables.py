"""Tables of Parquet: their cells, and where each stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.data import cells
from rrl_dsl.data.cells import WHAT_IS_READ, Cells
from rrl_dsl.data.faults import HEADER, Faults, Place
from rrl_dsl.data.table import Array
from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.span import Source, Span

_EXCERPT = 300


class ParquetTable:
    """A Parquet file; in messages, its lines are its rows, counted from 1."""

    def __init__(self, path: Path) -> None:
        """Reads a file.

        Args:
            path: The file; OSError where it cannot be read.

        Raises:
            RRLError: RRL412 where it is no Parquet file, or holds columns of a type that is not
                read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._name = str(path)
        self.faults = Faults(self._name, self._locate)
        try:
            with path.open("rb") as file:
                self._table = pq.ParquetFile(file).read()
            self._table.validate(full=True)
            names = self._table.column_names
        except (pa.ArrowException, UnicodeDecodeError) as problem:
            message = f"{path} is no readable Parquet file: {problem}"
            raise error("RRL412", message, hint="write it anew, or as CSV") from None
        read = [self._cells(name, at) for at, name in enumerate(names)]
        self.faults.stop()
        self.columns = [each for each in read if each is not None]

    def _cells(self, name: str, at: int) -> Cells | None:
        import pyarrow.types as kinds

        column = self._column(at)
        empty = column.is_null().to_numpy(zero_copy_only=False)
        kind = column.type
        if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
            return cells.of_text(name, at, [(each or "").strip() for each in column.to_pylist()])
        if kinds.is_integer(kind) or kinds.is_boolean(kind):
            nothing = False if kinds.is_boolean(kind) else 0
            values = column.fill_null(nothing).to_numpy(zero_copy_only=False)
            return cells.of_array(name, at, values, empty)
        if kinds.is_floating(kind) or kinds.is_timestamp(kind) or kinds.is_date(kind):
            return cells.of_array(name, at, column.to_numpy(zero_copy_only=False))
        if kinds.is_decimal(kind):
            return cells.of_array(name, at, column.cast("float64").to_numpy(zero_copy_only=False))
        if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
            vectors = self._vectors(name, at, column, empty)
            return None if vectors is None else cells.of_array(name, at, vectors)
        message = f"`{name}` holds values of type {kind}, which is not read"
        self.faults.add(message, Place(HEADER, at), WHAT_IS_READ)
        return None

    def _column(self, at: int) -> Any:
        """A column as one array, of plain values where it is a dictionary."""
        import pyarrow as pa

        column = self._table.column(at).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
        return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column

    def _vectors(self, name: str, at: int, column: Any, empty: NDArray[np.bool_]) -> Array | None:
        """The vectors of a column of lists, (n, d), NaN where missing."""
        import pyarrow.compute as pc
        import pyarrow.types as kinds

        kind = column.type.value_type
        if not (kinds.is_integer(kind) or kinds.is_floating(kind)):
            message = f"`{name}` holds lists of {kind}, which are not read"
            self.faults.add(message, Place(HEADER, at), WHAT_IS_READ)
            return None
        sizes = pc.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False)
        size = int(sizes[~empty][0]) if not empty.all() else 1
        strange = np.flatnonzero(~empty & ((sizes != size) | (sizes == 0)))
        for row in strange.tolist():
            message = f"`{name}` has {sizes[row]} values here, and {size} in its first vector"
            hint = "write a missing vector as null" if row == strange[0] else None
            self.faults.add(message, Place(row, at), hint)
        if len(strange):
            return None
        values = column.flatten().to_numpy(zero_copy_only=False)
        single = values.dtype == np.float32
        vectors = np.full((len(column), size), np.nan, np.float32 if single else np.float64)
        vectors[~empty] = values.reshape(-1, size)
        return vectors

    def _locate(self, place: Place) -> tuple[Source, Span | None]:
        if place.row == HEADER:
            return Source("", self._name), None
        row = self._table.slice(place.row, 1)
        columns = range(row.num_columns) if place.column is None else (place.column,)
        text = ",".join(_shown(row.column(at)[0]) for at in columns)[:_EXCERPT]
        source = Source(text, self._name, first_line=place.row + 1)
        return source, Span(0, len(text))


def _shown(value: Any) -> str:
    try:
        return str(value.as_py())
    except (ValueError, OverflowError):  # a time that Python's own cannot hold
        return str(value.value)
