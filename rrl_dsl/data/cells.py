"""What a column is, by its values, whatever file it comes from.

| values | column |
|---|---|
| text, unless most of it writes numbers or dates | a label: its classes are the texts, sorted |
| whole numbers | a label, whose classes are the distinct numbers, -1 unknown; and a number |
| real numbers | a number, float64 |
| ISO-8601 dates and times | a number: seconds since 1970, UTC where no zone is given, float64 |
| truth values | a label of the classes `false` and `true` |
| several numbers a row | a vector: float32 where the file holds it so, else float64 |

Numbers, dates and times may be written as text. An empty cell and `nan` are missing: -1 in a label,
NaN in numbers, NaN throughout in a vector of which any part is missing. Of a time, what is finer
than a microsecond is left out. What is written as a number or a date and read as none, `1,5` or
`31.12.2021`, is an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.data.table import Array
from rrl_dsl.language.faults import HEADER, Faults, Place

_MISSING: Final = frozenset({"", "nan", "NaN"})
_MARKS: Final = frozenset({"na", "n/a", "null", "none", "-", "?", "."})
"""What people write for a missing number; it makes no column of numbers a label."""
_WHOLE: Final = re.compile(r"[+-]?\d+", re.ASCII)
_REAL: Final = re.compile(
    r"[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|inf(inity)?)", re.ASCII | re.IGNORECASE
)
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_FOREIGN: Final = re.compile(
    r"[+-]?\d+([.,]\d+)?%|[+-]?(\d+(\.\d{3})*)?,\d+"
    r"|(\d{1,2}([./-])\d{1,2}\5\d{4}|\d{4}([./-])\d{1,2}\6\d{1,2})([ T]\d{1,2}:\d\d(:\d\d)?)?",
    re.ASCII,
)
"""Numbers and dates that are written otherwise than they are read."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64: Final = np.iinfo(np.int64)
_MICROSECOND: Final = 1e6
_ONE_MICROSECOND: Final = datetime.resolution
_NAT: Final = _INT64.min
_NUMBERS: Final = "iuf"
"""NumPy's kinds of numbers."""
_LEAVE_EMPTY: Final = "leave the cell of a missing value empty"
WHAT_IS_READ: Final = "give each row a text, a number, a time or a vector of numbers"

_Kind = Literal["whole number", "number", "date", "text"]


@dataclass(frozen=True, eq=False)
class Cells:
    """A column as it was read.

    Attributes:
        name: What it is called.
        at: Which column of its file it is, from 0.
        values: n texts, or an array (n,) of truth values, numbers or datetime64, or one of numbers
            (n, d).
        missing: bool (n,), what of it is empty.
    """

    name: str
    at: int
    values: Sequence[str] | Array
    missing: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Column:
    """What a column is; one of whole numbers is both a label and a number.

    Attributes:
        label: int64 (n,), the class, -1 where unknown.
        class_names: The names of the classes.
        field: Numbers (n,), int64 or float64, or vectors (n, d), float32 or float64; NaN is
            missing.
    """

    label: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()
    field: Array | None = None


def of_text(name: str, at: int, values: Sequence[str]) -> Cells:
    """A column of text."""
    return Cells(name, at, values, np.array([each in _MISSING for each in values], dtype=bool))


def of_array(name: str, at: int, values: Array, empty: NDArray[np.bool_] | None = None) -> Cells:
    """A column of an array (n,) or (n, d); NaN and NaT are missing, and what `empty` says."""
    missing = np.zeros(len(values), dtype=bool) if empty is None else empty
    if values.dtype.kind in "fM":
        unknown = np.isnan(values) if values.dtype.kind == "f" else np.isnat(values)
        missing = missing | unknown.reshape(len(values), -1).any(axis=1)
    return Cells(name, at, values, missing)


def column(cells: Cells, faults: Faults) -> Column | None:
    """What a column is, by its values.

    Args:
        cells: The column.
        faults: Where to note values that fit no kind; the result is then None.
    """
    if cells.missing.all():
        hint = "fill it in, or take the column away"
        vectors = isinstance(cells.values, np.ndarray) and cells.values.ndim == 2
        what = (
            f"no vector of `{cells.name}` is whole" if vectors else f"`{cells.name}` has no value"
        )
        faults.add(what, Place(HEADER, cells.at), hint)
        return None
    if isinstance(cells.values, np.ndarray):
        return _from_array(cells, cells.values, faults)
    return _from_text(cells, cells.values, faults)


def vector_of(name: str, parts: Sequence[Cells], faults: Faults) -> Cells | None:
    """The vectors whose parts are columns of numbers.

    Args:
        name: What the vectors are called.
        parts: The d columns.
        faults: Where to note cells that are no numbers; the result is then None.
    """
    read = [_part(each, faults) for each in parts]
    known = [values for values in read if values is not None]
    if len(known) < len(read):
        return None
    missing = np.any([each.missing for each in parts], axis=0)
    single = all(map(_is_single, known))
    values = np.stack([each.astype(np.float32 if single else np.float64) for each in known], axis=1)
    return Cells(name, parts[0].at, values, missing)


def _part(cells: Cells, faults: Faults) -> Array | None:
    """A column of numbers that is a part of a vector."""
    values = cells.values
    if isinstance(values, np.ndarray):
        if values.ndim == 1 and values.dtype.kind in _NUMBERS:
            return values if _finite(cells, values, faults) else None
        message = f"`{cells.name}` is a part of a vector, and its values are no numbers"
        faults.add(message, Place(HEADER, cells.at))
        return None
    strange = [row for row in _known(cells) if not _REAL.fullmatch(values[row])]
    what = f"in `{cells.name}`, which is a part of a vector, is no number"
    hint = f"{_LEAVE_EMPTY}, or call the column otherwise"
    _note(cells, strange, lambda row: f"`{values[row]}` {what}", hint, faults)
    if strange:
        return None
    numbers = _floats(values)
    return numbers if _finite(cells, numbers, faults) else None


def _from_array(cells: Cells, values: Array, faults: Faults) -> Column | None:
    kind = values.dtype.kind
    if values.ndim == 2 and values.shape[1] and kind in _NUMBERS:
        return _vectors(cells, values, faults)
    if values.ndim == 1 and kind == "f":
        return _numbers(cells, values, faults)
    if values.ndim == 1 and kind in _NUMBERS:
        return _whole_numbers(cells, values, faults)
    if values.ndim == 1 and kind == "M":
        return _seconds(cells, values, faults)
    if values.ndim == 1 and kind == "b":
        return _label(["true" if each else "false" for each in values], cells.missing)
    message = f"`{cells.name}` holds {values.dtype} {values.shape}, which is not read"
    hint = "store bytes as text: `astype(str)`" if kind == "S" else WHAT_IS_READ
    faults.add(message, Place(HEADER, cells.at), hint)
    return None


def _from_text(cells: Cells, values: Sequence[str], faults: Faults) -> Column | None:
    """Text as the numbers or times that it writes, else as a label."""
    known = _known(cells)
    kinds = {row: _kind(values[row]) for row in known}
    count = Counter(kinds.values())
    numbers = count["whole number"] + count["number"]
    if count["whole number"] == len(known):
        return _whole_text(cells, values, faults)
    if numbers == len(known):
        return _numbers(cells, _floats(values), faults)
    if count["date"] == len(known):
        return _seconds(cells, _times(values), faults)
    said = sum(values[row].lower() not in _MARKS for row in known)
    if 2 * max(numbers, count["date"]) <= said and count["text"]:
        return None if _foreign(cells, values, faults) else _label(values, cells.missing)
    wanted = ("date",) if count["date"] > numbers else ("whole number", "number")
    strange = [row for row in known if kinds[row] not in wanted]
    share = f"{len(known) - len(strange):,} of its {len(known):,} values are"
    what = f"in `{cells.name}` is no {wanted[-1]}, though {share}"
    hint = f"{_LEAVE_EMPTY}; write classes as words, such as `n1`"
    _note(cells, strange, lambda row: f"`{values[row]}` {what}", hint, faults)
    return None


def _foreign(cells: Cells, values: Sequence[str], faults: Faults) -> bool:
    """Notes the numbers and dates that are written otherwise, where most of a column is."""
    known = _known(cells)
    strange = [row for row in known if _FOREIGN.fullmatch(values[row])]
    if 2 * len(strange) <= len(known):
        return False
    what = f"in `{cells.name}` is not read as a number or a date"
    hint = "write numbers as `1.5`, dates as `2021-12-31`, and classes as words, such as `n1`"
    _note(cells, strange, lambda row: f"`{values[row]}` {what}", hint, faults)
    return True


def _note(
    cells: Cells, rows: Sequence[int], what: Callable[[int], str], hint: str, faults: Faults
) -> None:
    """Notes a fault of some rows."""
    for row in rows:
        faults.add(what(row), Place(row, cells.at), hint)


def _known(cells: Cells) -> list[int]:
    rows: list[int] = np.flatnonzero(~cells.missing).tolist()
    return rows


def _kind(cell: str) -> _Kind:
    if _WHOLE.fullmatch(cell):
        return "whole number"
    if _REAL.fullmatch(cell):
        return "number"
    return "text" if _time(cell) is None else "date"


def _time(cell: str) -> datetime | None:
    """The time that a cell writes, if it does."""
    if not _TIME.fullmatch(cell):
        return None
    try:
        time = datetime.fromisoformat(cell)
    except ValueError:  # the 31st of February
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _floats(values: Sequence[str]) -> Array:
    return np.array([float(each) if each not in _MISSING else np.nan for each in values])


def _whole_text(cells: Cells, values: Sequence[str], faults: Faults) -> Column | None:
    # Python refuses to read thousands of digits
    read = {row: int(values[row].lstrip("+-0")[:20] or "0") for row in _known(cells)}
    found = np.zeros(len(values), dtype=np.int64)
    large = []
    for row, size in read.items():
        value = -size if values[row].startswith("-") else size
        if _INT64.min <= value <= _INT64.max:
            found[row] = value
        else:
            large.append(row)
    _note_too_large(cells, large, faults)
    return None if large else _whole_numbers(cells, found, faults)


def _note_too_large(cells: Cells, rows: Sequence[int], faults: Faults) -> None:
    what = f"in `{cells.name}` does not fit 64 bits"
    hint = "write it with a letter before it, for a label, or with a decimal point, for a number"
    _note(cells, rows, lambda row: f"`{cells.values[row]}` {what}", hint, faults)


def _times(values: Sequence[str]) -> Array:
    """Times as datetime64."""
    read = (_time(each) for each in values)
    since = [_NAT if time is None else (time - _EPOCH) // _ONE_MICROSECOND for time in read]
    return np.array(since, dtype=np.int64).view("datetime64[us]")


def _label(values: Sequence[str], missing: NDArray[np.bool_]) -> Column:
    known = [None if gone else each for each, gone in zip(values, missing.tolist(), strict=True)]
    names = tuple(sorted({each for each in known if each is not None}))
    number: dict[str | None, int] = {name: place for place, name in enumerate(names)}
    number[None] = -1
    return Column(np.array([number[each] for each in known], dtype=np.int64), names)


def _whole_numbers(cells: Cells, values: Array, faults: Faults) -> Column | None:
    large = np.flatnonzero((values > _INT64.max) & ~cells.missing).tolist()
    _note_too_large(cells, large, faults)
    if large:
        return None
    raw = values.astype(np.int64)
    known = ~cells.missing & (raw != -1)
    label = np.full(len(raw), -1, dtype=np.int64)
    classes, label[known] = np.unique(raw[known], return_inverse=True)
    field = np.where(cells.missing, np.nan, raw) if cells.missing.any() else raw
    return Column(label, tuple(map(str, classes.tolist())), field)


def _numbers(cells: Cells, values: Array, faults: Faults) -> Column | None:
    field = np.where(cells.missing, np.nan, _doubles(values))
    return Column(field=field) if _finite(cells, field, faults) else None


def _doubles(values: Array) -> Array:
    """The numbers as float64; beyond its range they are infinite, which is noted as such."""
    with np.errstate(over="ignore"):
        return values.astype(np.float64)


def _vectors(cells: Cells, values: Array, faults: Faults) -> Column | None:
    field = values.astype(np.float32) if _is_single(values) else _doubles(values)
    field[cells.missing] = np.nan
    return Column(field=field) if _finite(cells, field, faults) else None


def _is_single(values: Array) -> bool:
    """Whether an array holds float32, in whatever order of bytes."""
    return values.dtype.type is np.float32


def _finite(cells: Cells, field: Array, faults: Faults) -> bool:
    infinite = np.flatnonzero(np.isinf(field).reshape(len(field), -1).any(axis=1)).tolist()
    what = f"`{cells.name}` has an infinite value"
    _note(cells, infinite, lambda row: what, _LEAVE_EMPTY, faults)
    return not infinite


def _seconds(cells: Cells, values: Array, faults: Faults) -> Column | None:
    year = values.astype("datetime64[Y]").astype(np.int64) + 1970
    strange = np.flatnonzero(~cells.missing & ((year < 1) | (year > 9999))).tolist()
    what = f"in `{cells.name}` is not from 1 to 9999"
    _note(cells, strange, lambda row: f"the year {year[row]} {what}", _LEAVE_EMPTY, faults)
    if strange:
        return None
    seconds = values.astype("datetime64[us]").astype(np.int64) / _MICROSECOND
    return Column(field=np.where(cells.missing, np.nan, seconds))
