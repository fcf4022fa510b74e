"""Files of annotated pairs: `a,b[,weight]` as CSV, TSV or Parquet.

An id is the whole number of a sample, or the path of an image below its image folder, written with
`/`. A first line that says `a` and `b` names the columns; without it they come in that order. Text
is read line by line with the standard library, so that checking a recipe loads nothing else.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NoReturn

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.language.digest import stable_id
from rrl_dsl.language.span import Source, Span

_DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
SUFFIXES: Final = (*_DELIMITERS, ".parquet")
"""How such files end."""
_SHAPES: Final = {2: "`a,b`", 3: "`a,b,weight`"}
_SHOWN: Final = 10
_EXCERPT: Final = 300
_LARGEST: Final = 2**63 - 1
_FLOAT32_MAX: Final = 3.4e38


@dataclass(frozen=True, eq=False)
class Links:
    """The pairs of a file.

    Attributes:
        written: The file as the recipe names it.
        path: Where it lies.
        digest: SHA-256 of its content.
        a: One id of each pair, int64.
        b: The other.
        line: The line of the file that each pair stands in, counted from 1.
        weight: The weight of each pair; None where the file gives none.
    """

    written: str
    path: Path
    digest: str
    a: array[int] = field(repr=False)
    b: array[int] = field(repr=False)
    line: array[int] = field(repr=False)
    weight: array[float] | None = field(repr=False)
    noun = "a file"

    def __str__(self) -> str:
        return self.written

    def lacking(self, place: int, sample: int) -> Diagnostic:
        """That the data set has no such sample, at a pair of the file."""
        line = int(self.line[place])
        source = Source(f"{self.a[place]},{self.b[place]}", str(self.path), first_line=line)
        message = f"the data set has no sample {sample}"
        hint = "an id is the place of a sample in its data set, or the path of an image"
        return Diagnostic("RRL416", message, Span(0, len(source.text)), source, hint)


def read(path: Path, written: str | None = None, name: str | None = None) -> Links:
    """The pairs of a file; an unchanged file is read once a process.

    Args:
        path: Where it lies.
        written: How the recipe names it; as `path` where left out.
        name: What messages call it; as `path` where left out.

    Raises:
        RRLError: RRL414 where it cannot be read, RRL415 for what is no pair, by line.
    """
    name = str(path) if name is None else name
    if path.suffix.lower() not in SUFFIXES:
        hint = "write `a,b` or `a,b,weight` into a file that ends in .csv, .tsv or .parquet"
        raise error("RRL414", f"`{name}` is no file of pairs by its name", hint=hint)
    try:
        state = path.stat()
        found = _read(path, name, state.st_mtime_ns, state.st_size)
    except (OSError, ValueError) as problem:  # ValueError: a path with a null character
        message = f"cannot read the pairs in `{name}`: {getattr(problem, 'strerror', problem)}"
        raise error("RRL414", message, hint="paths are relative to the recipe's folder") from None
    return Links(written or str(path), path, *found)


_Columns = tuple[str, "array[int]", "array[int]", "array[int]", "array[float] | None"]


@lru_cache(maxsize=8)
def _read(path: Path, name: str, changed: int, size: int) -> _Columns:
    import hashlib

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    pairs = _Pairs(path, name)
    if path.suffix.lower() == ".parquet":
        pairs.read_parquet()
    else:
        pairs.read_text(_DELIMITERS[path.suffix.lower()])
    if pairs.faults:
        raise RRLError(pairs.faults)
    return digest.hexdigest(), pairs.a, pairs.b, pairs.line, pairs.weight


class _Pairs:
    """The columns of a file while they grow, and what was no pair."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.a, self.b, self.line = array("q"), array("q"), array("q")
        self.weight: array[float] | None = None
        self.faults: list[Diagnostic] = []
        self.more = 0

    def read_text(self, delimiter: str) -> None:
        places: list[int] | None = None  # of a, b and, where there is one, the weight
        for line, row in self.rows(delimiter):
            if not any(cell.strip() for cell in row):
                continue
            if places is None:
                places, is_header = self.header(line, row, delimiter)
                if is_header:
                    continue
            text = delimiter.join(row)
            if len(row) <= max(places):
                self.fault(line, text, f"wants {_SHAPES[len(places)]}")
                continue
            self.add(line, text, [row[place].strip() for place in places])
        if places is None:
            self.fault(1, "", "has no pair in it")
        self.count_the_rest()

    def rows(self, delimiter: str) -> Iterator[tuple[int, list[str]]]:
        """Each row with the number of its line."""
        import csv

        with self.path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as problem:
                    self.fault(reader.line_num, "", f"is not readable: {problem}")
                    return
                except UnicodeDecodeError as problem:
                    self.fault(reader.line_num + 1, "", f"is not UTF-8 text: {problem.reason}")
                    return
                yield reader.line_num, row

    def header(self, line: int, row: Sequence[str], delimiter: str) -> tuple[list[int], bool]:
        """Where the columns stand, and whether this row says so."""
        names = [cell.strip().lower() for cell in row]
        if "a" in names and "b" in names:
            places = [names.index("a"), names.index("b")]
            if "weight" in names:
                places.append(names.index("weight"))
                self.weight = array("d")
            return places, True
        places = [0, 1] if len(row) < 3 else [0, 1, 2]
        if len(places) == 3:
            self.weight = array("d")
        return places, False

    def add(self, line: int, text: str, cells: Sequence[Any]) -> None:
        """Takes a pair in, or says what is wrong with it."""
        ids = [_sample_id(cell) for cell in cells[:2]]
        for cell, sample in zip(cells, ids, strict=False):
            if sample is None:
                what = f"has `{str(cell)[:40]}`, which is neither a whole number nor a path"
                self.fault(line, text, what)
                return
        if self.weight is not None:
            weight = _weight(cells[2])
            if weight is None:
                what = f"has the weight `{str(cells[2])[:40]}`, which is no number of at least 0"
                self.fault(line, text, what)
                return
            self.weight.append(weight)
        self.a.append(ids[0] or 0)
        self.b.append(ids[1] or 0)
        self.line.append(line)

    def read_parquet(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self.path)
        except pa.ArrowException as problem:
            self.fail(f"`{self.name}` is no readable Parquet file: {problem}")
        names = [name for name in ("a", "b", "weight") if name in table.column_names]
        if names[:2] != ["a", "b"]:
            found = ", ".join(table.column_names) or "none"
            self.fail(f"`{self.name}` has no columns `a` and `b`; its columns are {found}")
        if "weight" in names:
            self.weight = array("d")
        columns = [table[name].to_pylist() for name in names]
        for line, cells in enumerate(zip(*columns, strict=True), start=1):
            self.add(line, ",".join(map(str, cells)), cells)
        self.count_the_rest()

    def fail(self, message: str) -> NoReturn:
        raise error("RRL414", message, hint="write the columns `a`, `b` and perhaps `weight`")

    def fault(self, line: int, text: str, what: str) -> None:
        """Says what is wrong with a line; the first few are shown."""
        if len(self.faults) == _SHOWN:
            self.more += 1
            return
        source = Source(text[:_EXCERPT], self.name, first_line=line)
        span = Span(0, max(1, len(source.text)))
        self.faults.append(Diagnostic("RRL415", f"this line {what}", span, source))

    def count_the_rest(self) -> None:
        """Says how many faults are not shown."""
        if self.more:
            message = f"{self.more:,} more lines of this file are no pairs"
            self.faults.append(Diagnostic("RRL415", message, None, Source("", self.name)))


def _sample_id(cell: object) -> int | None:
    """The id that a cell names, or None."""
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell if 0 <= cell <= _LARGEST else None
    if not isinstance(cell, str):
        return None
    if cell.isascii() and cell.isdigit() and len(cell) <= 19:
        return number if (number := int(cell)) <= _LARGEST else None
    return stable_id(cell) if "/" in cell else None


def _weight(cell: object) -> float | None:
    try:
        value = float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) and 0 <= value <= _FLOAT32_MAX else None
