"""The kind of a column, decided by its values, whatever the file format.

| values | column |
|---|---|
| text, unless most of it represents something else | a label; its classes are the sorted texts |
| whole numbers, including `1.0` | a label, whose classes are the distinct numbers, and a number |
| real numbers | a number, float64 |
| dates and times | a number: seconds since 1970, in UTC by default, float64 |
| durations and times of day | a number: seconds, float64 |
| truth values | a label with the classes `false` and `true` |
| texts with `|` between several classes | a label with several classes per row |
| several truth values per row | a label with the classes of the columns that are true |
| several numbers per row | a vector: float32 if the file has float32, otherwise float64 |

Text may represent numbers, dates, durations and vectors, see `rrl_dsl.data.written`. The words for
missing values are in `rrl_dsl.data.unknown`. A missing value is -1 in a label and NaN in a number.
A vector with a missing component is NaN in all components.

Several numbers per row that are all 0 or 1 are a label as well, as several truth values are. Where
no row has more than one class, a label has one class per row.

A negative number is unknown as a label. In a column of texts, it is unknown if all other values are
texts, or if all negative numbers are equal. If one whole number has leading zeros, such as `007`,
the classes are the texts. Times are rounded down to microseconds. A number or a date in a format
that is not read, such as `1,5` or `31.12.2021`, is an error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.data import written
from rrl_dsl.data.cells import NUMBERS, Cells, unreadable
from rrl_dsl.data.columns import Array
from rrl_dsl.data.written import Kind
from rrl_dsl.tables.faults import HEADER, Faults, Location
from rrl_dsl.tables.table import WHAT_IS_READ

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64: Final = np.iinfo(np.int64)
_EXACT: Final = 2**53
"""Float64 represents all whole numbers up to this one."""
_MICROSECOND: Final = 1e6
_ONE_MICROSECOND: Final = datetime.resolution
_NAT: Final = _INT64.min
_WIDER: Final[dict[Kind, Kind]] = {"whole number": "number"}
_OTHERS: Final[tuple[Kind, ...]] = ("number", "date", "duration", "vector")
"""The kinds of text that are not labels."""
_NO_SECONDS: Final = ("Y", "M", "generic")
"""NumPy's units of durations that cannot be converted to seconds."""
SEPARATOR: Final = "|"
"""What separates the classes of one row."""
_SET: Final = 64
"""The most classes of a row that whole numbers of 0 and 1 are read as; more are a vector alone."""
_LEAVE_EMPTY: Final = "leave the cell of a missing value empty"


@dataclass(frozen=True, eq=False)
class Column:
    """A column as a label, a field, or both.

    Attributes:
        label: int64 (n,), the class, or (n, k), the classes in descending order; -1 is none. None
            if the column is not a label.
        class_names: The names of the classes.
        field: Numbers (n,), int64 or float64, or vectors (n, d), float32 or float64; NaN is
            missing. None if the column is not a field.
        negative: The number of values below -1, which are unknown as a label.
    """

    label: NDArray[np.int64] | None = None
    class_names: tuple[str, ...] = ()
    field: Array | None = None
    negative: int = 0


def column(cells: Cells) -> Column:
    """Decides the kind of a column by its values.

    Raises:
        RRLError: RRL412 if the values fit no kind, with the first ten errors.
    """
    cells.faults.stop()
    result = _read(cells)
    cells.faults.stop()
    assert result is not None
    return result


def _read(cells: Cells) -> Column | None:
    values = cells.values
    wide = isinstance(values, np.ndarray) and values.ndim == 2
    hot = isinstance(values, np.ndarray) and wide and values.dtype.kind == "b"
    if cells.missing.all() or (hot and not np.any(values)):
        name = f"`{cells.name}`"
        what = f"no vector of {name} is complete" if wide and not hot else f"{name} has no value"
        cells.faults.add(what, Location(HEADER, cells.at), "fill it in, or remove the column")
        return None
    if isinstance(values, np.ndarray):
        return _from_array(cells, values)
    return _from_text(cells, values)


def vector_of(name: str, components: Sequence[Cells]) -> Cells:
    """Joins columns of numbers into a column of vectors.

    Args:
        name: The name of the new column.
        components: The d columns. The errors of the first become those of the new column.
    """
    first = components[0]
    read = [_component(cells, first.faults) for cells in components]
    known = [values for values in read if values is not None]
    if len(known) < len(read):
        return unreadable(name, first.at, len(first.values), first.faults)
    missing = np.any([cells.missing for cells in components], axis=0)
    dtype = np.float32 if all(map(_is_single, known)) else np.float64
    values = np.stack([array.astype(dtype) for array in known], axis=1)
    return Cells(name, first.at, values, missing, first.faults)


def _component(cells: Cells, faults: Faults) -> Array | None:
    """The numbers of a column that is a component of vectors."""
    values = cells.values
    if isinstance(values, np.ndarray):
        if values.ndim == 1 and values.dtype.kind in NUMBERS:
            return values if _finite(cells, values, faults) else None
        message = f"`{cells.name}` is part of a vector, but its values are not numbers"
        faults.add(message, Location(HEADER, cells.at))
        return None
    strange = [row for row in cells.known if not written.is_number(values[row])]
    what = f"in `{cells.name}`, which is part of a vector, is not a number"
    hint = f"{_LEAVE_EMPTY}, or rename the column"
    cells.note(strange, lambda row: f"`{values[row]}` {what}", hint, faults)
    if strange:
        return None
    numbers = _converted(cells, values, float)
    return numbers if _finite(cells, numbers, faults) else None


def _from_array(cells: Cells, values: Array) -> Column | None:
    kind = values.dtype.kind
    if values.ndim == 2 and values.shape[1] and kind == "b":
        return _hot(values)
    if values.ndim == 2 and values.shape[1] and kind in NUMBERS:
        return _vectors(cells, values)
    if values.ndim == 1 and kind == "f":
        return _numbers(cells, values)
    if values.ndim == 1 and kind in NUMBERS:
        return _whole_numbers(cells, values)
    if values.ndim == 1 and kind == "M":
        return _dates(cells, values)
    if values.ndim == 1 and kind == "m" and np.datetime_data(values.dtype)[0] not in _NO_SECONDS:
        return _numbers(cells, values / np.timedelta64(1, "s"), label=False)
    if values.ndim == 1 and kind == "b":
        return _label(["true" if value else "false" for value in values], cells.missing)
    message = f"`{cells.name}` contains {values.dtype} {values.shape}, which is not supported"
    hint = "store bytes as text: `astype(str)`" if kind == "S" else WHAT_IS_READ
    cells.faults.add(message, Location(HEADER, cells.at), hint)
    return None


def _from_text(cells: Cells, values: Sequence[str]) -> Column | None:
    """A column of texts: what most of them represent, or else a label."""
    known = cells.known
    if any(SEPARATOR in values[row] for row in known):
        return _sets(values, cells.missing)
    kinds = {row: written.kind_of(values[row]) for row in known}
    if set(kinds.values()) == {"whole number"}:
        return _whole_text(cells, values)
    negative = [row for row in known if written.is_negative(values[row])]
    marks = {values[row] for row in negative}
    others = {kind for row, kind in kinds.items() if values[row] not in marks}
    if marks and (others == {"text"} or ("text" in others and len(marks) == 1)):
        return _without(cells, values, negative)
    count = Counter(_WIDER.get(kind, kind) for kind in kinds.values())
    most = max(_OTHERS, key=count.__getitem__)
    if count["text"] and 2 * count[most] <= len(known):
        return None if _foreign(cells, values) else _label(values, cells.missing)
    strange = [row for row in known if _WIDER.get(kinds[row], kinds[row]) != most]
    share = f"{count[most]:,} of its {len(known):,} values are"
    what = f"in `{cells.name}` is not a {most}, although {share}"
    hint = f"{_LEAVE_EMPTY}; write classes as words, such as `n1`"
    cells.note(strange, lambda row: f"`{values[row]}` {what}", hint)
    if strange:
        return None
    match most:
        case "date":
            return _dates(cells, _times(cells, values))
        case "duration":
            return _numbers(cells, _converted(cells, values, written.seconds), label=False)
        case "vector":
            return _text_vectors(cells, values)
        case _:
            return _numbers(cells, _converted(cells, values, float))


def _without(cells: Cells, values: Sequence[str], mark: Sequence[int]) -> Column | None:
    """A column of texts in which the negative numbers in the rows `mark` mean an unknown class."""
    missing = cells.missing.copy()
    missing[mark] = True
    result = _from_text(replace(cells, missing=missing), values)
    return result and replace(result, negative=sum(float(values[row]) < -1 for row in mark))


def _foreign(cells: Cells, values: Sequence[str]) -> bool:
    """Adds an error for numbers and dates in other formats, if most of a column has them."""
    known = cells.known
    strange = [row for row in known if written.is_foreign(values[row])]
    if 2 * len(strange) <= len(known):
        return False
    what = f"in `{cells.name}` is not a number or a date"
    hint = "write numbers as `1.5`, dates as `2021-12-31`, and classes as words, such as `n1`"
    cells.note(strange, lambda row: f"`{values[row]}` {what}", hint)
    return True


def _converted(cells: Cells, values: Sequence[str], read: Callable[[str], float | None]) -> Array:
    """The numbers that texts represent, float64 (n,), NaN if missing."""
    numbers = np.full(len(values), np.nan)
    for row in cells.known:
        numbers[row] = read(values[row])
    return numbers


def _whole_text(cells: Cells, values: Sequence[str]) -> Column | None:
    # Python refuses to convert thousands of digits
    read = {row: int(values[row].lstrip("+-0")[:20] or "0") for row in cells.known}
    numbers = np.zeros(len(values), dtype=np.int64)
    large = []
    for row, size in read.items():
        value = -size if values[row].startswith("-") else size
        if _INT64.min <= value <= _INT64.max:
            numbers[row] = value
        else:
            large.append(row)
    _note_too_large(cells, large)
    if large:
        return None
    column = _whole_numbers(cells, numbers)
    if column is None or not any(written.is_code(values[row]) for row in read):
        return column
    codes = _label(values, cells.missing | (numbers < 0))
    return replace(column, label=codes.label, class_names=codes.class_names)


def _note_too_large(cells: Cells, rows: Sequence[int]) -> None:
    what = f"in `{cells.name}` does not fit into 64 bits"
    hint = "for a label, put a letter before it; for a number, add a decimal point"
    cells.note(rows, lambda row: f"`{cells.values[row]}` {what}", hint)


def _times(cells: Cells, values: Sequence[str]) -> Array:
    """The times that texts represent, datetime64 (n,)."""
    since = np.full(len(values), _NAT, dtype=np.int64)
    for row in cells.known:
        time = written.date(values[row])
        assert time is not None
        since[row] = (time - _EPOCH) // _ONE_MICROSECOND
    return since.view("datetime64[us]")


def _text_vectors(cells: Cells, values: Sequence[str]) -> Column | None:
    """The vectors that texts represent, which must have the same length."""
    read = {row: written.vector(values[row]) or [] for row in cells.known}
    size = next((len(vector) for vector in read.values() if vector), 1)
    strange = [row for row, vector in read.items() if len(vector) != size]
    for row in strange:
        message = (
            f"this vector of `{cells.name}` has length {len(read[row])}, but the first has "
            f"length {size}"
        )
        cells.faults.add(message, Location(row, cells.at), _LEAVE_EMPTY)
    if strange:
        return None
    vectors = np.full((len(values), size), np.nan)
    for row, vector in read.items():
        vectors[row] = vector
    return _read(replace(cells, values=vectors, missing=np.isnan(vectors).any(axis=1)))


def _label(values: Sequence[str], missing: NDArray[np.bool_]) -> Column:
    pairs = zip(values, missing.tolist(), strict=True)
    known = [None if is_missing else text for text, is_missing in pairs]
    names = tuple(sorted({text for text in known if text is not None}))
    number: dict[str | None, int] = {name: index for index, name in enumerate(names)}
    number[None] = -1
    return Column(np.array([number[text] for text in known], dtype=np.int64), names)


def _sets(values: Sequence[str], missing: NDArray[np.bool_]) -> Column:
    """Texts with several classes each."""
    parts = [
        set() if is_missing else {part.strip() for part in text.split(SEPARATOR)} - {""}
        for text, is_missing in zip(values, missing.tolist(), strict=True)
    ]
    names = sorted(set().union(*parts))
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    number = {name: index for index, name in enumerate(names)}
    return _of_sets([[number[name] for name in labels] for labels in parts], names)


def _hot(values: NDArray[np.bool_]) -> Column:
    """A column of truth values for each class."""
    sets = [np.flatnonzero(row).tolist() for row in values]
    return _of_sets(sets, [str(number) for number in range(values.shape[1])])


def _of_sets(sets: Sequence[Sequence[int]], names: Sequence[str]) -> Column:
    widest = max(map(len, sets), default=0)
    label = np.full((len(sets), max(widest, 1)), -1, dtype=np.int64)
    for row, classes in enumerate(sets):
        label[row, : len(classes)] = sorted(classes, reverse=True)
    return Column(label if widest > 1 else label[:, 0], tuple(names))


def _whole_numbers(cells: Cells, values: Array) -> Column | None:
    large = np.flatnonzero((values > _INT64.max) & ~cells.missing).tolist()
    _note_too_large(cells, large)
    if large:
        return None
    raw = values.astype(np.int64)
    field = np.where(cells.missing, np.nan, raw) if cells.missing.any() else raw
    return _classes(raw, cells.missing, field)


def _classes(raw: NDArray[np.int64], missing: NDArray[np.bool_], field: Array) -> Column:
    """Whole numbers as a label and a field."""
    known = ~missing & (raw >= 0)
    label = np.full(len(raw), -1, dtype=np.int64)
    classes, label[known] = np.unique(raw[known], return_inverse=True)
    negative = int((~missing & (raw < -1)).sum())
    return Column(label, tuple(map(str, classes.tolist())), field, negative)


def _numbers(cells: Cells, values: Array, *, label: bool = True) -> Column | None:
    """Numbers as a field, and as a label too if all of them are whole and `label` is true."""
    field = np.where(cells.missing, np.nan, _doubles(values))
    if not _finite(cells, field, cells.faults):
        return None
    known = field[~cells.missing]
    if label and bool(((known == np.floor(known)) & (np.abs(known) <= _EXACT)).all()):
        return _classes(np.where(cells.missing, -1, field).astype(np.int64), cells.missing, field)
    return Column(field=field)


def _doubles(values: Array) -> Array:
    """The numbers as float64; those beyond its range become infinite, which is an error later."""
    with np.errstate(over="ignore"):
        return values.astype(np.float64)


def _vectors(cells: Cells, values: Array) -> Column | None:
    field = values.astype(np.float32) if _is_single(values) else _doubles(values)
    field[cells.missing] = np.nan
    if not _finite(cells, field, cells.faults):
        return None
    if values.dtype.kind in "iu" and _is_hot(values):
        return replace(_hot(values.astype(bool)), field=field)
    return Column(field=field)


def _is_hot(values: Array) -> bool:
    """Whether numbers may say which classes a row has."""
    return bool((values <= 1).all() and (values >= 0).all() and values.sum(axis=1).max() <= _SET)


def _is_single(values: Array) -> bool:
    """Whether an array has the type float32, in any byte order."""
    return values.dtype.type is np.float32


def _finite(cells: Cells, field: Array, faults: Faults) -> bool:
    infinite = np.flatnonzero(np.isinf(field).reshape(len(field), -1).any(axis=1)).tolist()
    what = f"`{cells.name}` has an infinite value"
    cells.note(infinite, lambda row: what, _LEAVE_EMPTY, faults)
    return not infinite


def _dates(cells: Cells, values: Array) -> Column | None:
    year = values.astype("datetime64[Y]").astype(np.int64) + 1970
    strange = np.flatnonzero(~cells.missing & ((year < 1) | (year > 9999))).tolist()
    what = f"in `{cells.name}` is not from 1 to 9999"
    cells.note(strange, lambda row: f"the year {year[row]} {what}", _LEAVE_EMPTY)
    if strange:
        return None
    seconds = values.astype("datetime64[us]").astype(np.int64) / _MICROSECOND
    return Column(field=np.where(cells.missing, np.nan, seconds))
