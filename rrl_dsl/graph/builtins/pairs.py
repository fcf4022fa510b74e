"""Pairs of samples from a file."""

from dataclasses import dataclass
from typing import Any

from rrl_dsl.graph.builtin import NonNegative, PairsFile, source
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Weight
from rrl_dsl.graph.registry import Arguments
from rrl_dsl.graph.stage import Lookup, LookupTable, SampleColumns
from rrl_dsl.graph.types import Refusal
from rrl_dsl.graph.weights import LARGEST, LEAST
from rrl_dsl.language.diagnostics import Diagnostic


@dataclass(frozen=True)
class Listed(Lookup):
    """The pairs of a file."""

    links: Links
    bound = False
    covers_data_set = False

    @property
    def limit(self) -> float:
        """The weight of the heaviest pair."""
        return max(self.links.weight or (), default=1.0)

    def find(self, samples: SampleColumns, seed: int, wanted: Any = None) -> LookupTable:
        """The samples that the file names, and its pairs both ways round."""
        import numpy as np
        import scipy.sparse as sp

        ids, positions = np.unique(self._ends(), return_inverse=True)
        a, b = positions.reshape(2, -1)
        weights = np.ones(len(a)) if self.links.weight is None else np.array(self.links.weight)
        # a pair that is listed twice, or both ways round, has its larger weight; 0 removes the edge
        rows, cols = np.concatenate([a, b]), np.concatenate([b, a])
        values = np.concatenate([weights, weights])
        order = np.lexsort((-values, cols, rows))
        rows, cols, values = rows[order], cols[order], values[order]
        kept = np.ones(len(rows), dtype=bool)
        kept[1:] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])
        kept &= values > 0
        values = np.clip(values, LEAST, LARGEST)  # what is above 0 stays above 0
        size = (len(ids), len(ids))
        graph = sp.csr_array((values[kept], (rows[kept], cols[kept])), shape=size)
        return LookupTable.of_links(ids, graph)

    def lacking(self, ids: Any) -> Diagnostic | None:
        """RRL416 at the first pair with a sample that does not exist."""
        import numpy as np

        missing = ~np.isin(self._ends(), ids)
        pairs = np.flatnonzero(missing.any(axis=0))
        if not len(pairs):
            return None
        first = int(pairs[0])
        return self.links.lacking(first, int(missing[:, first].argmax()), more=len(pairs) - 1)

    def _ends(self) -> Any:
        """The ids of the pairs, int64 (2, p)."""
        import numpy as np

        return np.array([self.links.a, self.links.b], dtype=np.int64).reshape(2, -1)


def _weights_once(arguments: Arguments) -> Refusal | None:
    if arguments["weight"] is None or arguments["file"].weight is None:
        return None
    message = f"`weight` is only for files without weights, and `{arguments['file']}` has weights"
    return Refusal("RRL303", message, "remove `weight`", "weight", remove=("weight",))


@source(example='pairs("links.csv")', check=_weights_once)
def pairs(pair: Pair, file: PairsFile, weight: NonNegative | None = None) -> Weight:
    """Relates the pairs of samples in a file.

    Two samples have an edge if the file lists them, in either order. Use it for must-link pairs
    from annotators. The file is CSV, TSV or Parquet with one pair per row. Its columns are `a`, `b`
    and optionally `weight`, and no others; without a header they have this order. The path is
    relative to the folder of the recipe. An id is a sample id, or the path of an image below its
    image folder. If a pair occurs twice, the larger weight counts. The diagonal is 1.

    Args:
        file: The path of the file, in quotes.
        weight: The weight of all pairs, for a file without weights. Defaults to 1.
    """
    listed = Listed(file)
    if file.weight is not None:
        return pair.linked_weight(listed).where(~pair.same_row) + pair.same_row
    if weight in (None, 1.0):
        return pair.linked(listed) | pair.same_row
    return (weight or 0.0) * (pair.linked(listed) & ~pair.same_row) + pair.same_row
