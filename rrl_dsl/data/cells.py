"""A column as its file holds it, before it is known what it is."""

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
from rrl_dsl.tables.faults import Faults, Location
from rrl_dsl.tables.table import TableColumn

NUMBERS: Final = "iuf"
"""NumPy's kinds of numbers."""


@dataclass(frozen=True, eq=False)
class Cells:
    """A column as it was read.

    Attributes:
        name: What it is called.
        at: Which column of its file it is, from 0.
        values: n texts, or an array (n,) of truth values, numbers, datetime64 or timedelta64, or
            one of numbers (n, d).
        missing: bool (n,), what of it is missing.
        faults: What is wrong with it so far.
        words: How often each word marks a missing value.
    """

    name: str
    at: int
    values: Sequence[str] | Array
    missing: NDArray[np.bool_]
    faults: Faults
    words: Counter[str] = field(default_factory=Counter)

    @property
    def known(self) -> list[int]:
        """The rows that are not missing."""
        rows: list[int] = np.flatnonzero(~self.missing).tolist()
        return rows

    def note(
        self,
        rows: Sequence[int],
        what: Callable[[int], str],
        hint: str,
        faults: Faults | None = None,
    ) -> None:
        """Notes a fault of some rows, among those of the column by default."""
        for row in rows:
            (faults or self.faults).add(what(row), Location(row, self.at), hint)


def of_table_column(column: TableColumn, unknown: frozenset[str] = UNKNOWN) -> Cells:
    """A column of a table in a file."""
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
    """A column of text, in Unicode's normal form C; `unknown` are the words for a missing value."""
    values, marks = [normal(each) for each in values], _numbers(unknown)
    missing = np.array([_marks(each, unknown, marks) for each in values], dtype=bool)
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
    """A column of an array (n,) or (n, d).

    NaN and NaT are missing, numbers among `unknown`, and what `empty` says.
    """
    missing = np.zeros(len(values), dtype=bool) if empty is None else empty
    kind = values.dtype.kind
    if kind in "fmM":
        none = np.isnan(values) if kind == "f" else np.isnat(values)
        missing = missing | none.any(axis=tuple(range(1, none.ndim)))
    words: Counter[str] = Counter()
    if kind in NUMBERS and values.ndim == 1:
        marked = np.isin(values, [*_numbers(unknown)]) & ~missing
        words.update(f"{each:g}" for each in values[marked].tolist())
        missing = missing | marked
    return Cells(name, at, values, missing, faults, words)


def _marks(text: str, unknown: frozenset[str], marks: frozenset[float]) -> bool:
    """Whether a text is a word for a missing value, or the number of one: `-999.0` for `-999`."""
    if text.casefold() in unknown:
        return True
    return bool(marks) and written.is_number(text) and float(text) in marks


def _numbers(unknown: frozenset[str]) -> frozenset[float]:
    return frozenset(float(word) for word in unknown if written.is_number(word))


def unreadable(name: str, at: int, rows: int, faults: Faults) -> Cells:
    """A column of n rows that its file cannot give; `faults` say why."""
    return Cells(name, at, np.empty((rows, 0)), np.zeros(rows, dtype=bool), faults)
