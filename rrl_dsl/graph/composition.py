"""The composition of two graphs over a dataset: sparse, and in max-min arithmetic.

The weight of a pair is the maximum over all paths of the smaller weight of the path. It is not
rounded, is consistent with `|` and `&`, and is 0 or 1 if all weights are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.stage import Lookup, LookupTable, SampleColumns
from rrl_dsl.language.diagnostics import Diagnostic, error

if TYPE_CHECKING:
    import numpy as np
    import scipy.sparse as sp
    from numpy.typing import NDArray

MOST_PATHS: Final = 2**28
"""The most paths of a composition, which bounds its time."""
_BAND_PATHS: Final = 2**22


@dataclass(frozen=True)
class Composition(Lookup):
    """The composition of two graphs.

    Attributes:
        left: A graph whose calls have their streams.
        right: The other.
        inner: The lookups of both graphs.
        limit: A bound that no weight exceeds.
    """

    left: Graph
    right: Graph
    inner: tuple[Lookup, ...]
    limit: float

    def find(self, samples: SampleColumns, seed: int, wanted: Any = None) -> LookupTable:
        """The weights between all samples.

        Raises:
            RRLError: RRL431 if there are too many paths.
        """
        left, right = samples.graph(self.left, seed), samples.graph(self.right, seed)
        return LookupTable.of_links(samples.ids, composed(left, right))

    def lacking(self, ids: NDArray[np.int64]) -> Diagnostic | None:
        """The error of the first of the inner lookups that has one."""
        return next(filter(None, (lookup.lacking(ids) for lookup in self.inner)), None)


def composed(left: sp.csr_array, right: sp.csr_array) -> sp.csr_array:
    """The largest weight of a path in either direction, float32 (n, n).

    `left` and `right` are the weights of the first and the second edges of paths, (n, n).

    Raises:
        RRLError: RRL431 if there are too many paths.
    """
    import numpy as np

    counts = np.diff(right.indptr).astype(np.int64)
    paths = int(counts[left.indices].sum())
    if paths > MOST_PATHS:
        message = (
            f"the composition of {left.nnz:,} and {right.nnz:,} edges over {len(counts):,} samples "
            f"has {paths:,} paths, and the limit is {MOST_PATHS:,}"
        )
        hint = "compose graphs with fewer edges, such as labels with more classes"
        raise error("RRL431", message, hint=hint)
    there = _max_min(left, right)
    return there.maximum(there.T.tocsr())


def _max_min(left: sp.csr_array, right: sp.csr_array) -> sp.csr_array:
    """One direction, computed in bands of rows with about the same number of paths."""
    import numpy as np
    import scipy.sparse as sp

    samples = left.shape[0]
    sizes = np.diff(right.indptr).astype(np.int64)[left.indices]
    paths = np.diff(np.append(0, np.cumsum(sizes))[left.indptr])
    rows = np.repeat(np.arange(samples, dtype=np.int64), np.diff(left.indptr))
    keys, weights = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    for band in bands_of(paths, _BAND_PATHS):
        edges = slice(left.indptr[band.start], left.indptr[band.stop])
        size = sizes[edges]
        before = np.cumsum(size) - size
        at = np.arange(size.sum()) + np.repeat(right.indptr[left.indices[edges]] - before, size)
        key = np.repeat(rows[edges] * samples, size) + right.indices[at]
        weight = np.minimum(np.repeat(left.data[edges], size), right.data[at])
        order = np.argsort(key, kind="stable")
        key, weight = key[order], weight[order]
        first = np.flatnonzero(np.append(key[:1] >= 0, key[1:] != key[:-1]))
        keys.append(key[first])
        weights.append(np.maximum.reduceat(weight, first) if len(first) else weight)
    key = np.concatenate(keys)
    places = (key // max(samples, 1), key % max(samples, 1))
    return sp.csr_array((np.concatenate(weights), places), shape=(samples, samples))


def bands_of(counts: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Bands of rows with at most `most` items each, or of one row with more; `counts` by row."""
    import numpy as np

    until = np.append(0, np.cumsum(counts))
    start = 0
    while start < len(counts):
        stop = int(np.searchsorted(until, until[start] + most, "right")) - 1
        yield slice(start, max(stop, start + 1))
        start = max(stop, start + 1)
