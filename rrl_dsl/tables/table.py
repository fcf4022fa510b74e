"""Reads a table from a file: its header, its rows, its columns.

`open_table` reads a CSV, TSV or Parquet file. It opens regular files only and limits their size in
memory. CSV and TSV files are read without NumPy, because `check` reads the files of `pairs`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rrl_dsl.language.span import Source, Span
from rrl_dsl.tables.faults import Faults, Location

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
"""The delimiter of a text file, by suffix."""
SUFFIXES: Final = (*DELIMITERS, ".parquet")
"""The suffixes of the files that `open_table` reads."""
WHAT_IS_READ: Final = "each row must have a text, a number, a time or a vector of numbers"


@dataclass(frozen=True, eq=False)
class TableColumn:
    """A column of a table of n rows.

    Attributes:
        name: Its name in the header.
        at: Its index, from 0.
        values: n texts; or an array (n,) of truth values, numbers, datetime64 or timedelta64; or an
            array (n, d) of numbers. None if its type is not read: `faults` has the error.
        null: bool (n,), which values are missing in the file. Missing texts are empty.
        faults: The errors of this column.
    """

    name: str
    at: int
    values: list[str] | NDArray[Any] | None
    null: NDArray[np.bool_]
    faults: Faults


class Table(ABC):
    """A table in a file.

    Attributes:
        header: The names of the columns; in a text file always the first row.
        types: The `pyarrow.DataType` of each column in the file; empty for a text file.
        faults: The errors of the table so far.
    """

    header: list[str]
    types: Sequence[Any] = ()

    def __init__(self, code: str, name: str) -> None:
        """Initializes an empty table.

        Args:
            code: The code of its errors.
            name: The name of the file in messages.
        """
        self._code = code
        self._name = name
        self.faults = self.new_faults()

    def new_faults(self) -> Faults:
        """Returns an empty collection of errors that point into this table."""
        return Faults(self._code, self._name, self.locate)

    @abstractmethod
    def rows(self, columns: Sequence[int]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Iterates over the rows below the header; a table can be read once.

        Args:
            columns: The indices of the columns to return.

        Yields:
            The index of a row, from 0, and its cells in the order of `columns`. Rows whose length
            differs from that of the header are noted in `faults` and skipped.
        """

    @abstractmethod
    def columns(self) -> list[TableColumn]:
        """Returns all columns; a table can be read once.

        Raises:
            RRLError: If rows differ in length or cannot be read.
        """

    @abstractmethod
    def locate(self, location: Location) -> tuple[Source, Span | None]:
        """Returns the text of a row that has been read, and the span of the location in it."""

    def delimiter_hint(self, row: Sequence[str]) -> str | None:
        """Returns a hint if the row seems to use the delimiter of another format."""
        del row
        return None


def open_table(
    path: Path,
    name: str,
    *,
    code: str,
    unreadable: str,
    limit: int,
    long_row_hint: str | None = None,
) -> Table:
    """Opens a table; the suffix of the file decides the format.

    Args:
        path: The file; its suffix is one of `SUFFIXES`, regardless of case.
        name: The name of the file in messages.
        code: The code of errors in its content.
        unreadable: The code of the error if it is not a valid Parquet file.
        limit: The maximum size in bytes, uncompressed. The user can raise it.
        long_row_hint: The fix for a row that is longer than the header; by default, to quote cells
            that contain the delimiter.

    Raises:
        OSError: If the file cannot be opened or is not a regular file.
        RRLError: `code` if a text file is not UTF-8 or has no header, `unreadable` if a Parquet
            file is not valid, RRL428 if the file exceeds the limit.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        from rrl_dsl.tables.parquet import Parquet

        return Parquet(path, name, code, unreadable, limit)
    from rrl_dsl.tables.delimited import DelimitedText

    return DelimitedText(path, name, code, limit, DELIMITERS[suffix], long_row_hint)
