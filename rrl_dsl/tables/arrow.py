"""Tables of pyarrow: their rows, their columns as NumPy arrays, and the text of a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import NDArray

from rrl_dsl.language.span import Source, Span
from rrl_dsl.tables.faults import HEADER, Location
from rrl_dsl.tables.table import WHAT_IS_READ, Table, TableColumn

_ROWS: Final = 2**16
"""The rows that are Python objects at a time."""


class ArrowTable(Table):
    """A table of pyarrow; in messages its lines are its rows, counted from 1."""

    def __init__(
        self, table: Any, name: str, code: str, types: Sequence[Any] | None = None
    ) -> None:
        """Initializes the table.

        Args:
            table: The `pyarrow.Table`.
            name: The name of its file in messages.
            code: The code of its errors.
            types: The types of the columns as their file declares them.
        """
        super().__init__(code, name)
        self._table = table
        self.header = list(table.column_names)
        self.types = table.schema.types if types is None else types

    def rows(self, columns: Sequence[int]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Iterates over the rows below the header."""
        parts = self._table.select(columns).to_batches(max_chunksize=_ROWS)
        lists = ([column.to_pylist() for column in part.columns] for part in parts)
        return enumerate(chain.from_iterable(zip(*part, strict=True) for part in lists))

    def column(self, at: int) -> Any:
        """Returns a column by its index, as a `pyarrow.ChunkedArray`."""
        return self._table.column(at)

    def columns(self) -> list[TableColumn]:
        """Returns all columns."""
        return [self._column(name, at) for at, name in enumerate(self.header)]

    def _column(self, name: str, at: int) -> TableColumn:
        column = _flat(self._table.column(at))
        null = column.is_null().to_numpy(zero_copy_only=False)
        result = TableColumn(name, at, None, null, self.new_faults())
        if _is_list(column.type):
            read = _texts_of_sets(column) if _are_sets(column) else _vectors(result, column)
            return replace(result, values=read)
        values = _values(column)
        if values is None:
            message = f"`{name}` has values of type {self.types[at]}, which is not supported"
            result.faults.add(message, Location(HEADER, at), WHAT_IS_READ)
        return replace(result, values=values)

    def locate(self, location: Location) -> tuple[Source, Span | None]:
        """Returns a row as text, and the span of a cell in it."""
        if location.row == HEADER:
            return Source("", self._name), None
        row = self._table.slice(location.row, 1)
        cells = [_shown(column[0]) for column in row.columns]
        source = Source(",".join(cells), self._name, first_line=location.row + 1)
        if location.column is None:
            return source, Span(0, len(source.text))
        start = sum(len(cell) + 1 for cell in cells[: location.column])
        return source, Span(start, start + len(cells[location.column]))


def _flat(column: Any) -> Any:
    """A column as one `pyarrow.Array`, without a dictionary."""
    column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column.dictionary_decode() if kinds.is_dictionary(column.type) else column


def _is_list(kind: Any) -> bool:
    return bool(kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind))


def _values(column: Any) -> list[str] | NDArray[Any] | None:
    """The texts of a column, or its values as an array (n,); None if its type is not read."""
    kind = column.type
    text = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
    if text or kinds.is_null(kind):
        return [(value or "").strip() for value in column.to_pylist()]
    if kinds.is_integer(kind) or kinds.is_boolean(kind):
        column = column.fill_null(False if kinds.is_boolean(kind) else 0)
    elif kinds.is_decimal(kind):
        column = column.cast("float64")
    elif kinds.is_time(kind):
        column = column.cast(f"int{kind.bit_width}").cast("int64").cast(pa.duration(kind.unit))
    elif kinds.is_interval(kind) or not (kinds.is_floating(kind) or kinds.is_temporal(kind)):
        return None
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _are_sets(lists: Any) -> bool:
    """Whether lists contain classes: texts, or integers with a different length in some rows."""
    kind = lists.type.value_type
    kind = kind.value_type if kinds.is_dictionary(kind) else kind
    if kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind):
        return True
    if not kinds.is_integer(kind):
        return False
    sizes = pc.list_value_length(lists).drop_null().to_numpy(zero_copy_only=False)
    least = pc.min(lists.flatten()).as_py()
    return len(np.unique(sizes)) > 1 and (least is None or least >= 0)


def _texts_of_sets(lists: Any) -> list[str]:
    """The classes of each row, joined as in a text file."""
    rows = ([] if row is None else row for row in lists.to_pylist())
    return ["|".join(str(value).strip() for value in row if value is not None) for row in rows]


def _vectors(column: TableColumn, lists: Any) -> NDArray[Any] | None:
    """The vectors of a column of lists, (n, d), NaN where missing; None adds an error."""
    kind = lists.type.value_type
    if not (kinds.is_integer(kind) or kinds.is_floating(kind)):
        kind = kind.value_type if kinds.is_dictionary(kind) else kind
        message = f"`{column.name}` contains lists of {kind}, which are not supported"
        column.faults.add(message, Location(HEADER, column.at), WHAT_IS_READ)
        return None
    sizes = pc.list_value_length(lists).fill_null(-1).to_numpy(zero_copy_only=False)
    size = next((int(length) for length in sizes if length > 0), 1)
    strange = np.flatnonzero(~column.null & (sizes != size))
    for row in strange.tolist():
        message = (
            f"this vector of `{column.name}` has length {sizes[row]}, but the first has "
            f"length {size}"
        )
        column.faults.add(message, Location(row, column.at), "write a missing vector as null")
    if len(strange):
        return None
    values = lists.flatten().to_numpy(zero_copy_only=False)
    single = values.dtype == np.float32
    vectors = np.full((len(lists), size), np.nan, np.float32 if single else np.float64)
    vectors[~column.null] = values.reshape(-1, size)
    return vectors


def _shown(value: Any) -> str:
    if not value.is_valid:
        return "null"
    try:
        return str(value.as_py())
    except (ValueError, OverflowError):  # a time that Python cannot represent
        return str(value.value)
