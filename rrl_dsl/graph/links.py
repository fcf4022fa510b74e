"""Files of annotated pairs, `a,b[,weight]` as CSV, TSV or Parquet: what they list.

Text is read with the standard library, so that checking a recipe loads nothing else.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.language.files import open_file
from rrl_dsl.language.machine import needing_memory
from rrl_dsl.language.span import Source, Span
from rrl_dsl.tables.faults import Location
from rrl_dsl.tables.table import SUFFIXES


@dataclass(frozen=True, eq=False)
class Links:
    """The pairs of a file.

    Attributes:
        written: The file as the recipe names it.
        path: Where it lies.
        name: What messages call it.
        digest: SHA-256 of its content.
        a: One id of each pair, int64.
        b: The other.
        weight: The weight of each pair; None where the file gives none.
    """

    written: str
    path: Path
    name: str
    digest: str
    a: array[int] = field(repr=False)
    b: array[int] = field(repr=False)
    weight: array[float] | None = field(repr=False)
    noun = "a file"

    def __str__(self) -> str:
        return self.written

    def lacking(self, pair: int, end: int, more: int = 0) -> Diagnostic:
        """That the dataset lacks a sample.

        Args:
            pair: The place of the pair that names it, in the order of the file.
            end: 0 for its `a`, 1 for its `b`.
            more: How many pairs after it name others that are lacking.
        """
        written, source, span = self._as_written(pair, end)
        what = f"sample {written}" if written.isdecimal() else f"image `{written}`"
        message = f"the dataset has no {what}"
        if more:
            pairs = "1 more pair names" if more == 1 else f"{more:,} more pairs name"
            message = f"{message}; {pairs} unknown samples"
        hint = "an id is the index of a sample in its dataset, or the path of an image"
        return Diagnostic("RRL416", message, span, source, hint)

    def _as_written(self, pair: int, end: int) -> tuple[str, Source, Span | None]:
        """An id as the file writes it, and its span; its number where the file has changed."""
        from rrl_dsl.tables.pairs import LinkTable, sample_id

        sample = (self.a, self.b)[end][pair]
        try:
            links = LinkTable(self.path, self.name)
            row, cells = next(islice(links.rows(), pair, None))
            if sample_id(cells[end]) == sample:
                return str(cells[end]), *links.table.locate(Location(row, links.columns[end]))
        except (OSError, RRLError, StopIteration):
            pass
        return str(sample), Source("", self.name), None


def read(path: Path, written: str | None = None, name: str | None = None) -> Links:
    """The pairs of a file; an unchanged file is read once a process.

    Args:
        path: Where it lies.
        written: How the recipe names it; as `path` where left out.
        name: What messages call it; as `path` where left out.

    Raises:
        RRLError: RRL414 where it cannot be read, RRL415 for each line that is not a pair,
            RRL515 where there is too little memory.
    """
    name = str(path) if name is None else name
    if path.suffix.lower() not in SUFFIXES:
        hint = "write `a,b` or `a,b,weight` to a file with the suffix .csv, .tsv or .parquet"
        raise error("RRL414", f"`{name}` does not have the suffix of a file of pairs", hint=hint)
    try:
        path = path.absolute()
        state = path.stat()
        stamp = (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        with needing_memory(f"the pairs in `{name}`", "list fewer pairs"):
            found = _read(path, name, stamp)
    except (OSError, ValueError) as problem:  # ValueError: a path with a null character
        reason = getattr(problem, "strerror", None) or str(problem).partition("\n")[0]
        message = f"cannot read the pairs in `{name}`: {reason}"
        missing = isinstance(problem, FileNotFoundError)
        advice = "paths are relative to the folder of the recipe" if missing else None
        raise error("RRL414", message, hint=advice) from None
    return Links(written or name, path, name, *found)


class _Content(NamedTuple):
    digest: str
    a: array[int]
    b: array[int]
    weight: array[float] | None


@lru_cache(maxsize=64)
def _read(path: Path, name: str, stamp: tuple[int, ...]) -> _Content:
    """What a file holds; `stamp` changes with it."""
    import hashlib

    from rrl_dsl.tables.pairs import LinkTable, note, sample_id, weight_of

    with open_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    links = LinkTable(path, name)
    a, b, weights = array("q"), array("q"), array("d")
    for row, cells in links.rows():
        ends = sample_id(cells[0]), sample_id(cells[1])
        weight = weight_of(cells[2]) if len(cells) == 3 else 1.0
        if ends[0] is None or ends[1] is None or weight is None:
            note(cells, row, links)
            continue
        a.append(ends[0])
        b.append(ends[1])
        weights.append(weight)
    links.table.faults.stop()
    return _Content(digest, a, b, weights if len(links.columns) == 3 else None)
