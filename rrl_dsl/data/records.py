"""Columns of records, which map the names of columns to values, as JSON and Python have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from torch import Tensor

from rrl_dsl.data.cells import Cells, of_array, of_table_column, unreadable
from rrl_dsl.data.unknown import UNKNOWN
from rrl_dsl.tables.arrow import ArrowTable
from rrl_dsl.tables.faults import Faults
from rrl_dsl.tables.table import WHAT_IS_READ

_CODE: Final = "RRL412"


def cells_of(
    records: Sequence[Mapping[str, Any]], place: str, unknown: frozenset[str] = UNKNOWN
) -> list[Cells]:
    """Returns the columns of n records; a record without a value has a missing one.

    Args:
        records: The records. A value is what JSON has, or a scalar or an array (d,) of NumPy or
            torch.
        place: Where the records are, for messages.
        unknown: The words for a missing value.
    """
    names = dict.fromkeys(name for record in records for name in record)
    return [
        _column(name, at, [plain(record.get(name)) for record in records], place, unknown)
        for at, name in enumerate(names)
    ]


def _column(name: str, at: int, values: list[Any], place: str, unknown: frozenset[str]) -> Cells:
    faults = Faults(_CODE, place)
    try:
        if any(isinstance(value, np.ndarray) for value in values):
            missing = np.array([value is None for value in values])
            return of_array(name, at, _stacked(values), faults, unknown, empty=missing)
        table = pa.table({name: pa.array(values)})
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as reason:
        cause = str(reason).partition("\n")[0]
        faults.add(f"the values of `{name}` differ in type: {cause}", hint=WHAT_IS_READ)
        return unreadable(name, at, len(values), faults)
    [column] = ArrowTable(table, place, _CODE).columns()
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
