"""Tables of Parquet as columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.data import cells
from rrl_dsl.data.cells import WHAT_IS_READ, Cells
from rrl_dsl.data.table import Array
from rrl_dsl.data.unknown import UNKNOWN
from rrl_dsl.language.faults import HEADER, Faults, Place
from rrl_dsl.language.files import TABLE_BYTES
from rrl_dsl.language.parquet import Parquet


class ParquetTable(Parquet):
    """A Parquet file whose columns are those of a data set."""

    def __init__(self, path: Path, unknown: frozenset[str] = UNKNOWN) -> None:
        """Reads a file.

        Args:
            path: The file; OSError where it cannot be read.
            unknown: The words for a missing value.

        Raises:
            RRLError: RRL412 where it is no Parquet file, RRL428 where it is too large.
        """
        super().__init__("RRL412", path, str(path), TABLE_BYTES, unreadable="RRL412")
        self._unknown = unknown
        self.columns = [self._cells(name, at) for at, name in enumerate(self.table.column_names)]

    def column_faults(self) -> Faults:
        """No faults yet, for one column: they refuse that column alone."""
        return Faults("RRL412", self._name, self.locate)

    def _cells(self, name: str, at: int) -> Cells:
        import pyarrow as pa
        import pyarrow.types as kinds

        column = self._column(at)
        empty = column.is_null().to_numpy(zero_copy_only=False)
        kind = column.type
        text = kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
        faults, unknown = self.column_faults(), self._unknown

        def of_array(values: Array) -> Cells:
            return cells.of_array(name, at, values, faults, unknown, empty=empty)

        if text or kinds.is_null(kind):
            texts = [(each or "").strip() for each in column.to_pylist()]
            return cells.of_text(name, at, texts, faults, unknown)
        if kinds.is_integer(kind) or kinds.is_boolean(kind):
            nothing = False if kinds.is_boolean(kind) else 0
            return of_array(column.fill_null(nothing).to_numpy(zero_copy_only=False))
        if kinds.is_floating(kind) or (kinds.is_temporal(kind) and not kinds.is_interval(kind)):
            if kinds.is_time(kind):
                column = column.cast(f"int{kind.bit_width}").cast("int64")
                column = column.cast(pa.duration(kind.unit))
            return of_array(column.to_numpy(zero_copy_only=False))
        if kinds.is_decimal(kind):
            return of_array(column.cast("float64").to_numpy(zero_copy_only=False))
        if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
            vectors = _vectors(name, at, column, empty, faults)
            if vectors is not None:
                return of_array(vectors)
        else:
            message = f"`{name}` holds values of type {self.types[at]}, which is not read"
            faults.add(message, Place(HEADER, at), WHAT_IS_READ)
        return cells.unreadable(name, at, len(column), faults)

    def _column(self, at: int) -> Any:
        """A column as one array, of plain values where it is a dictionary."""
        import pyarrow as pa

        column = self.table.column(at).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks else pa.array([], column.type)
        return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _vectors(
    name: str, at: int, column: Any, empty: NDArray[np.bool_], faults: Faults
) -> Array | None:
    """The vectors of a column of lists, (n, d), NaN where missing."""
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    kind = column.type.value_type
    if not (kinds.is_integer(kind) or kinds.is_floating(kind)):
        kind = kind.value_type if kinds.is_dictionary(kind) else kind
        message = f"`{name}` holds lists of {kind}, which are not read"
        faults.add(message, Place(HEADER, at), WHAT_IS_READ)
        return None
    sizes = pc.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False)
    size = next((int(each) for each in sizes if each > 0), 1)
    strange = np.flatnonzero(~empty & (sizes != size))
    for row in strange.tolist():
        message = f"this vector of `{name}` has length {sizes[row]}, and the first {size}"
        faults.add(message, Place(row, at), "write a missing vector as null")
    if len(strange):
        return None
    values = column.flatten().to_numpy(zero_copy_only=False)
    single = values.dtype == np.float32
    vectors = np.full((len(column), size), np.nan, np.float32 if single else np.float64)
    vectors[~empty] = values.reshape(-1, size)
    return vectors
