"""Reads a file of pairs, `a,b[,weight]`, with the errors of its cells.

An id is the integer id of a sample, or the text whose hash it is, such as the path of an
image relative to its image folder, with `/`. If the first row has the names of the columns, they
may have any order; with texts that are not paths, it must. Any other column is an error, because it
might be meant as the weight.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from rrl_dsl.language.diagnostics import did_you_mean
from rrl_dsl.language.digest import stable_id
from rrl_dsl.language.files import PAIRS_BYTES
from rrl_dsl.tables.delimited import cells_in
from rrl_dsl.tables.faults import HEADER, Faults, Location
from rrl_dsl.tables.table import DELIMITERS, open_table

_COLUMNS: Final = ("a", "b", "weight")
_ANY_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_WHOLE: Final = re.compile(r"-?\d+", re.ASCII)
_NO_NAME: Final = re.compile(r"[+-]?[.\d]|.*[./\\]")
"""Matches a cell of the first row that is an id and not the name of a column."""
_LISTED: Final = 10
LARGEST_ID: Final = 2**63 - 1
"""The largest id."""
LARGEST_WEIGHT: Final = 3.4e38
"""The largest weight; float32 represents it."""
_SHAPES: Final = "columns must be `a`, `b` and optionally `weight`"
_ALIKE: Final = "a file must give a weight to every pair, or to none"
_IDS: Final = f"use an integer from 0 to {LARGEST_ID}, or a text such as `train/cat/1.png`"


class Pairs(NamedTuple):
    """The pairs of a file, in its order.

    Attributes:
        a: One id of each pair.
        b: The other id.
        weight: The weight of each pair; None if the file has no weights.
    """

    a: array[int]
    b: array[int]
    weight: array[float] | None


class LinkTable:
    """A file of pairs.

    Attributes:
        table: The table in the file.
        columns: The indices of its columns `a`, `b` and, if there is one, `weight`.
    """

    def __init__(self, path: Path, name: str) -> None:
        """Opens a file.

        Args:
            path: The file.
            name: The name of the file in messages.

        Raises:
            OSError: If the file cannot be opened.
            RRLError: RRL414 or RRL415 if it is not a file of pairs, RRL428 if it is too large.
        """
        self.table = open_table(
            path,
            name,
            code="RRL415",
            unreadable="RRL414",
            limit=PAIRS_BYTES,
            long_row_hint=_ALIKE,
        )
        header = self.table.header
        self._has_names = path.suffix.lower() not in DELIMITERS or _is_header(header)
        self.columns = self._named(header) if self._has_names else self._unnamed(header)
        self.table.faults.stop()
        for which, kind in zip(_COLUMNS, self._types(), strict=False):
            self._check_type(which, kind)
        self.table.faults.stop()

    def rows(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """Yields the index of a row, from 0, and its cells in the order of `columns`."""
        if not self._has_names:
            yield HEADER, self.table.header
        yield from self.table.rows(self.columns)

    def pairs(self) -> Pairs:
        """Reads all pairs.

        Raises:
            RRLError: RRL415 for each row that is not a pair.
        """
        a, b, weight = self._of_columns() if self.table.types else self._of_rows()
        self.table.faults.stop()
        return Pairs(a, b, weight if len(self.columns) == 3 else None)

    def _of_rows(self) -> tuple[array[int], array[int], array[float]]:
        a, b, weights = array("q"), array("q"), array("d")
        for row, cells in self.rows():
            ends = sample_id(cells[0]), sample_id(cells[1])
            weight = _weight(cells[2]) if len(cells) == 3 else 1.0
            if ends[0] is None or ends[1] is None or weight is None:
                self._note(cells, row)
                continue
            a.append(ends[0])
            b.append(ends[1])
            weights.append(weight)
        return a, b, weights

    def _of_columns(self) -> tuple[array[int], array[int], array[float]]:
        """The same of a Parquet file, where a loop over millions of rows takes a minute."""
        from rrl_dsl.tables.parquet import Parquet
        from rrl_dsl.tables.parquet_pairs import ids_of, weights_of

        assert isinstance(self.table, Parquet)
        cells = [self.table.column(at) for at in self.columns]
        (a, is_a), (b, is_b) = map(ids_of, cells[:2])
        known, weights = is_a & is_b, array("d")
        if len(cells) == 3:
            weight, is_weight = weights_of(cells[2])
            weights.frombytes(weight.tobytes())
            known &= is_weight
        for row in (~known).nonzero()[0].tolist():
            self._note([column[row].as_py() for column in cells], row)
        return array("q", a.tobytes()), array("q", b.tobytes()), weights

    def _note(self, cells: Sequence[object], row: int) -> None:
        """Adds an error for the first cell of a row that is not an id, or else for the weight."""
        ends = (at for at in range(2) if sample_id(cells[at]) is None)
        at = next(ends, 2)
        message, hint = _no_weight(cells[at]) if at == 2 else _no_id(cells[at])
        self.table.faults.add(message, Location(row, self.columns[at]), hint)

    def _named(self, header: Sequence[str]) -> Sequence[int]:
        return _columns_of(header, self.table.faults, self.table.delimiter_hint(header))

    def _unnamed(self, row: Sequence[str]) -> Sequence[int]:
        if len(row) not in (2, 3):
            hint = self.table.delimiter_hint(row) or "a pair must be `a,b` or `a,b,weight`"
            message = f"this row has {cells_in(row)}; a pair has 2 or 3"
            self.table.faults.add(message, Location(HEADER), hint)
        return range(len(row))

    def _types(self) -> list[Any]:
        return [self.table.types[column] for column in self.columns] if self.table.types else []

    def _check_type(self, which: str, kind: Any) -> None:
        import pyarrow.types as kinds

        kind = kind.value_type if kinds.is_dictionary(kind) else kind
        if which == "weight":
            fits = kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)
            wanted, hint = "weights must be numbers", 'with pandas: `.astype("float64")`'
        else:
            text = kinds.is_string(kind) or kinds.is_large_string(kind)
            fits = kinds.is_integer(kind) or text or kinds.is_string_view(kind)
            wanted, hint = "ids must be integers or texts", 'with pandas: `.astype("int64")`'
        if not fits:
            self.table.faults.add(f"`{which}` contains {kind}; {wanted}", Location(HEADER), hint)


def _is_header(row: Sequence[str]) -> bool:
    """Whether the first row has the names of the columns."""
    return "a" in row or "b" in row or not any(map(_NO_NAME.match, row))


def _columns_of(names: Sequence[str], faults: Faults, hint: str | None = None) -> list[int]:
    """The indices of `a`, `b` and `weight`; adds errors for missing and unexpected columns."""
    missing = [name for name in _COLUMNS[:2] if name not in names]
    if missing:
        listed = ", ".join(names[:_LISTED]) + ", …" * (len(names) > _LISTED)
        one = f"there is no column `{missing[0]}`"
        what = one if len(missing) == 1 else "there are no columns `a` and `b`"
        faults.add(what, Location(HEADER), hint or f"{_SHAPES}, not {listed or 'none'}")
        return []
    others = [name for name in _COLUMNS if name not in names]
    known: set[str] = set()
    for at, name in enumerate(names):
        if name in known:
            faults.add(f"two columns have the name `{name}`", Location(HEADER, at), _SHAPES)
        elif not name:
            fix = "pandas omits the index with `index=False`"
            faults.add(f"column {at + 1} has no name", Location(HEADER, at), fix)
        elif name not in _COLUMNS:
            meant = None if faults.full else did_you_mean(name, others)
            faults.add(f"unexpected column `{name}`", Location(HEADER, at), meant or _SHAPES)
        known.add(name)
    return [names.index(name) for name in _COLUMNS if name in names]


def sample_id(cell: object) -> int | None:
    """Returns the id that a cell contains, or None."""
    if isinstance(cell, bool) or not isinstance(cell, int | str):
        return None
    if isinstance(cell, int):
        return cell if 0 <= cell <= LARGEST_ID else None
    if cell.isascii() and cell.isdigit() and len(cell) <= 19:
        return number if (number := int(cell)) <= LARGEST_ID else None
    is_text = cell and not _ANY_NUMBER.fullmatch(cell) and ("\\" not in cell or "/" in cell)
    return stable_id(cell) if is_text else None


def _weight(cell: object) -> float | None:
    """The weight that a cell contains, or None."""
    if cell is None or (isinstance(cell, str) and not _ANY_NUMBER.fullmatch(cell)):
        return None
    value = float(cell)  # type: ignore[arg-type]  # the type of the column has been checked
    return value if 0 <= value <= LARGEST_WEIGHT else None


def _no_id(cell: object) -> tuple[str, str]:
    """The error of an id, and the fix."""
    text = "" if cell is None else str(cell)
    if not text:
        return "an id is missing", _IDS
    if _WHOLE.fullmatch(text):
        return f"the id `{text}` is {'negative' if text[0] == '-' else 'too large'}", _IDS
    if "\\" in text:
        return f"`{text}` is not a path", f"write `{text.replace(chr(92), '/')}`"
    whole = text.partition(".")[0]
    fix = f"write `{whole}`" if re.fullmatch(r"\d+\.0*", text, re.ASCII) else _IDS
    return f"the id `{text}` is not an integer", fix


def _no_weight(cell: object) -> tuple[str, str]:
    """The error of a weight, and the fix."""
    text = "" if cell is None else str(cell)
    hint = (
        "a weight must be a number of at least 0, such as `0.5`; a pair with weight 0 has no edge"
    )
    if not text:
        return "the weight is missing", hint
    if isinstance(cell, str) and not _ANY_NUMBER.fullmatch(text):
        decimal = re.fullmatch(r"\d*,\d+", text, re.ASCII)
        fix = f"write `{text.replace(',', '.')}`" if decimal else hint
        return f"the weight `{text}` is not a number", fix
    value = float(text)
    if math.isnan(value):
        return f"the weight `{text}` is not a number", hint
    if value < 0:
        return f"the weight `{text}` is negative", hint
    return f"the weight `{text}` is above 3.4e38", hint
