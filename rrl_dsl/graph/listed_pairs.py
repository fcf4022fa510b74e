"""Files of annotated pairs, `a,b[,weight]` as CSV, TSV or Parquet: what they list.

Text is read with the standard library, so that checking a recipe loads nothing else.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rrl_dsl.graph.external import LinkedSamples, Links, Symmetric
from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.files import open_file
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.weights import LARGEST, LEAST
from rrl_dsl.tables.faults import Location

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ListedPairs(Links):
    """The pairs of a file.

    Attributes:
        a: One id of each pair, int64.
        b: The other.
        weight: The weight of each pair; None where the file gives none.
    """

    written: str
    a: array[int] = field(repr=False)
    b: array[int] = field(repr=False)
    weight: array[float] | None = field(repr=False)
    noun = "a file"

    @property
    def weighted(self) -> bool:
        """Whether the file gives weights."""
        return self.weight is not None

    @property
    def heaviest(self) -> float:
        """The weight of the heaviest pair."""
        return max(self.weight or (), default=1.0)

    @property
    def summary(self) -> str:
        """The number of pairs."""
        return f"pairs: {len(self.a):,}"

    def linked(self, symmetric: Symmetric | None) -> LinkedSamples:
        """The samples that the file names, and its pairs both ways round."""
        import numpy as np
        import scipy.sparse as sp

        known, positions = np.unique(self._ends(), return_inverse=True)
        a, b = positions.reshape(2, -1)
        weights = np.ones(len(a)) if self.weight is None else np.array(self.weight)
        # a pair that is listed twice, or both ways round, has its larger weight; 0 removes the edge
        rows, cols = np.concatenate([a, b]), np.concatenate([b, a])
        values = np.concatenate([weights, weights])
        order = np.lexsort((-values, cols, rows))
        rows, cols, values = rows[order], cols[order], values[order]
        kept = np.ones(len(rows), dtype=bool)
        kept[1:] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])
        kept &= values > 0
        values = np.clip(values, LEAST, LARGEST)  # what is above 0 stays above 0
        graph = sp.csr_array(
            (values[kept], (rows[kept], cols[kept])), shape=(len(known), len(known))
        )
        return LinkedSamples(known, graph.indptr, graph.indices, graph.data)

    def unknown(self, known: NDArray[np.int64]) -> Diagnostic | None:
        """RRL416 at the first pair with a sample that does not exist."""
        import numpy as np

        missing = ~np.isin(self._ends(), known)
        pairs = np.flatnonzero(missing.any(axis=0))
        if not len(pairs):
            return None
        first = int(pairs[0])
        return self.lacking(first, int(missing[:, first].argmax()), more=len(pairs) - 1)

    def _ends(self) -> NDArray[np.int64]:
        """The ids of the pairs, int64 (2, p)."""
        import numpy as np

        return np.array([self.a, self.b], dtype=np.int64).reshape(2, -1)

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
            links = LinkTable(Path(self.name) if self.path is None else self.path, self.name)
            row, cells = next(islice(links.rows(), pair, None))
            if sample_id(cells[end]) == sample:
                return str(cells[end]), *links.table.locate(Location(row, links.columns[end]))
        except (OSError, RRLError, StopIteration):
            pass
        return str(sample), Source("", self.name), None


def read_pairs(path: Path, written: str, name: str, stamp: tuple[int, ...]) -> ListedPairs:
    """The pairs of a file.

    Args:
        path: Where it lies.
        written: How the recipe names it.
        name: What messages call it.
        stamp: What changes with the file.

    Raises:
        OSError: If it cannot be read.
        RRLError: RRL414 if it is not a file of pairs, RRL415 for each line that is not a pair.
    """
    digest, a, b, weight = _read(path, name, stamp)
    return ListedPairs(written, name, digest, path, a, b, weight)


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
