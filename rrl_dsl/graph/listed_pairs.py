"""Files of annotated pairs, `a,b[,weight]` as CSV, TSV or Parquet.

Text is read with the standard library, so that checking a recipe does not import other packages.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rrl_dsl.graph.links import LinkedSamples, Links, Symmetric
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
        weight: The weight of each pair; None if the file has no weights.
    """

    written: str
    a: array[int] = field(repr=False)
    b: array[int] = field(repr=False)
    weight: array[float] | None = field(repr=False)
    noun = "a file"

    def linked(self, symmetric: Symmetric | None) -> LinkedSamples:
        """The samples in the file, and its pairs in both directions."""
        import numpy as np
        import scipy.sparse as sp

        known, positions = np.unique(self._ends(), return_inverse=True)
        a, b = positions.reshape(2, -1)
        # one number for each pair and direction, so that one sort finds pairs that are listed twice
        size = len(known)
        keys = np.concatenate([a * size + b, b * size + a])
        weights = np.ones(len(a)) if self.weight is None else np.array(self.weight)
        keys, values = _heaviest(keys, np.tile(weights, 2))
        rows, cols = np.divmod(keys, max(size, 1))
        graph = sp.csr_array((values, (rows, cols)), shape=(size, size))
        return LinkedSamples(known, graph.indptr, graph.indices, graph.data)

    def unknown(self, known: NDArray[np.int64]) -> Diagnostic | None:
        """RRL416 at the first pair with an unknown sample."""
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
        """The error for a sample that the dataset lacks.

        Args:
            pair: The position of the pair in the file.
            end: 0 for the id `a` of the pair, 1 for `b`.
            more: The number of later pairs with unknown samples.
        """
        written, source, span = self._as_written(pair, end)
        what = f"sample {written}" if written.isdecimal() else f"sample `{written}`"
        message = f"the dataset has no {what}"
        if more:
            pairs = "1 more pair names" if more == 1 else f"{more:,} more pairs name"
            message = f"{message}; {pairs} unknown samples"
        hint = "an id is a value of the column `sample`, or else the index or path of a sample"
        return Diagnostic("RRL416", message, span, source, hint)

    def _as_written(self, pair: int, end: int) -> tuple[str, Source, Span | None]:
        """An id as written in the file, and its span; its number if the file has changed."""
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


def read_pairs(path: Path, written: str, name: str) -> ListedPairs:
    """The pairs of a file.

    Args:
        path: The path of the file.
        written: The file as written in the recipe.
        name: The file as written in messages.

    Raises:
        OSError: If it cannot be read.
        RRLError: RRL414 if it is not a file of pairs, RRL415 for each line that is not a pair.
    """
    import hashlib

    from rrl_dsl.tables.pairs import LinkTable

    with open_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    a, b, weight = LinkTable(path, name).pairs()
    emptiness = None
    if not a:
        emptiness = f"`{name}` lists no pairs"
    elif weight is not None and not any(weight):
        emptiness = f"`{name}` lists no pair with a weight above 0"
    return ListedPairs(
        written,
        name,
        digest,
        path,
        a,
        b,
        weight,
        summary=f"pairs: {len(a):,}",
        weighted=weight is not None,
        heaviest=max(weight or (), default=1.0),
        emptiness=emptiness,
    )


def _heaviest(
    keys: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The distinct keys in ascending order, and their largest values; 0 removes a key."""
    import numpy as np

    order = np.argsort(keys)
    keys, starts = np.unique(keys[order], return_index=True)
    heaviest = np.maximum.reduceat(values[order], starts)
    kept = heaviest > 0
    # a weight above 0 stays above 0 in float32
    return keys[kept], np.clip(heaviest[kept], LEAST, LARGEST)
