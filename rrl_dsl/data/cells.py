"""A column as read from a file, before its kind is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.data import written
from rrl_dsl.data.columns import Array
from rrl_dsl.data.unknown import UNKNOWN
from rrl_dsl.language.digest import normal
from rrl_dsl.language.files import is_utf8
from rrl_dsl.tables.faults import Faults, Location
from rrl_dsl.tables.table import TableColumn

NOT_UNICODE: Final = "a lone surrogate is no character: decode the bytes with their encoding"
NUMBERS: Final = "iuf"
"""The NumPy dtype kinds of numbers."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a column.

    Attributes:
        name: The name of the column.
        at: The index of the column in its file, from 0.
        values: n texts; or an array (n,) of truth values, numbers, datetime64 or timedelta64; or an
            array (n, d) of numbers.
        missing: bool (n,), which values are missing.
        faults: The errors of the column so far.
        words: The number of missing values by the word that marks them.
    """

    name: str
    at: int
    values: Sequence[str] | Array
    missing: NDArray[np.bool_]
    faults: Faults
    words: Counter[str] = field(default_factory=Counter)

    @property
    def known(self) -> list[int]:
        """The indices of the rows that are not missing."""
        rows: list[int] = np.flatnonzero(~self.missing).tolist()
        return rows

    def note(
        self,
        rows: Sequence[int],
        what: Callable[[int], str],
        hint: str,
        faults: Faults | None = None,
    ) -> None:
        """Adds an error for every given row, by default to the errors of the column."""
        for row in rows:
            (faults or self.faults).add(what(row), Location(row, self.at), hint)


def of_table_column(column: TableColumn, unknown: frozenset[str] = UNKNOWN) -> Cells:
    """Returns the cells of a column of a table."""
    name, at, faults = column.name, column.at, column.faults
    if column.values is None:
        return unreadable(name, at, len(column.null), faults)
    if isinstance(column.values, list):
        return of_text(name, at, column.values, faults, unknown)
    return of_array(name, at, column.values, faults, unknown, empty=column.null)


def of_text(
    name: str,
    at: int,
    values: Sequence[str],
    faults: Faults,
    unknown: frozenset[str] = UNKNOWN,
) -> Cells:
    """Returns a column of texts in Unicode's normal form C.

    Args:
        name: The name of the column.
        at: The index of the column.
        values: The texts.
        faults: The errors of the column.
        unknown: The words for a missing value.
    """
    strange = [row for row, text in enumerate(values) if not is_utf8(text)]
    if strange:
        for row in strange:
            faults.add(f"a text in `{name}` is not Unicode", Location(row, at), NOT_UNICODE)
        return unreadable(name, at, len(values), faults)
    values, marks = [normal(text) for text in values], _numbers(unknown)
    missing = np.array([_marks(text, unknown, marks) for text in values], dtype=bool)
    words = Counter(values[row] for row in np.flatnonzero(missing).tolist() if values[row])
    return Cells(name, at, values, missing, faults, words)


def of_array(
    name: str,
    at: int,
    values: Array,
    faults: Faults,
    unknown: frozenset[str] = UNKNOWN,
    *,
    empty: NDArray[np.bool_] | None = None,
) -> Cells:
    """Returns a column of an array (n,) or (n, d).

    Args:
        name: The name of the column.
        at: The index of the column.
        values: The array; NaN and NaT are missing.
        faults: The errors of the column.
        unknown: The words for a missing value; a number in them is missing too.
        empty: bool (n,), which further values are missing.
    """
    missing = np.zeros(len(values), dtype=bool) if empty is None else empty
    kind = values.dtype.kind
    if kind in "fmM":
        none = np.isnan(values) if kind == "f" else np.isnat(values)
        missing = missing | none.any(axis=tuple(range(1, none.ndim)))
    words: Counter[str] = Counter()
    if kind in NUMBERS and values.ndim == 1:
        marked = np.isin(values, [*_numbers(unknown)]) & ~missing
        words.update(f"{value:g}" for value in values[marked].tolist())
        missing = missing | marked
    return Cells(name, at, values, missing, faults, words)


def _marks(text: str, unknown: frozenset[str], marks: frozenset[float]) -> bool:
    """Whether a text is a word for a missing value or equals one as a number: `-999.0`."""
    if text.casefold() in unknown:
        return True
    return bool(marks) and written.is_number(text) and float(text) in marks


def _numbers(unknown: frozenset[str]) -> frozenset[float]:
    return frozenset(float(word) for word in unknown if written.is_number(word))


def unreadable(name: str, at: int, rows: int, faults: Faults) -> Cells:
    """Returns a column of n rows without values; `faults` has the reasons."""
    return Cells(name, at, np.empty((rows, 0)), np.zeros(rows, dtype=bool), faults)
