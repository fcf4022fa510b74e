"""Columns of records, which map the names of columns to values, as JSON and Python have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from torch import Tensor

from rrl_dsl.data.cells import Cells, of_array, of_table_column, unreadable
from rrl_dsl.data.unknown import UNKNOWN
from rrl_dsl.language.span import Source
from rrl_dsl.tables.arrow import ArrowTable
from rrl_dsl.tables.faults import HEADER, Location
from rrl_dsl.tables.table import WHAT_IS_READ

_CODE: Final = "RRL412"


def cells_of(
    records: Sequence[Mapping[str, Any]],
    place: str,
    called: Sequence[str],
    unknown: frozenset[str] = UNKNOWN,
) -> list[Cells]:
    """Returns the columns of n records; a record without a value has a missing one.

    Args:
        records: The records. A value is what JSON has, or a scalar or an array (d,) of NumPy or
            torch.
        place: Where the records are, for messages.
        called: What each record is called in messages.
        unknown: The words for a missing value.
    """
    names = dict.fromkeys(name for record in records for name in record)
    return [
        _column(name, at, [plain(record.get(name)) for record in records], place, called, unknown)
        for at, name in enumerate(names)
    ]


class _Records(ArrowTable):
    """A column of records, whose places are what the records are called."""

    def __init__(self, table: pa.Table, place: str, called: Sequence[str]) -> None:
        super().__init__(table, place, _CODE)
        self._called = called

    def locate(self, location: Location) -> tuple[Source, None]:
        """Returns the name of a record."""
        known = location.row != HEADER
        return Source("", self._called[location.row] if known else self._name), None


def _column(
    name: str,
    at: int,
    values: list[Any],
    place: str,
    called: Sequence[str],
    unknown: frozenset[str],
) -> Cells:
    faults = _Records(pa.table({}), place, called).new_faults()
    try:
        if any(isinstance(value, np.ndarray) for value in values):
            missing = np.array([value is None for value in values])
            return of_array(name, at, _stacked(values), faults, unknown, empty=missing)
        table = pa.table({name: pa.array(values)})
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as reason:
        cause = str(reason).partition("\n")[0]
        faults.add(f"the values of `{name}` differ in type: {cause}", hint=WHAT_IS_READ)
        return unreadable(name, at, len(values), faults)
    [column] = _Records(table, place, called).columns()
    return of_table_column(column, unknown)


def plain(value: Any) -> Any:
    """Returns a value without torch; a scalar as Python has it."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and not value.ndim):
        return value.item()
    return value


def _stacked(values: Sequence[Any]) -> Any:
    """Arrays (d,) as one array (n, d), in which missing ones are 0.

    Raises:
        ValueError: If their shapes differ, or some values are not arrays.
    """
    known = [value for value in values if value is not None]
    empty = np.zeros_like(known[0])
    return np.stack([empty if value is None else np.asarray(value) for value in values])
