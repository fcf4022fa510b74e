"""Samples that are close along the data."""

from dataclasses import dataclass
from typing import Any

from rrl_dsl.graph.builtin import Count, NonNegative, VectorField, source
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Mask
from rrl_dsl.graph.stage import Lookup, LookupTable, SampleColumns


@dataclass(frozen=True)
class Geodesic(Lookup):
    """The samples whose shortest path over the k-nearest graph is at most `within`."""

    field: VectorField
    k: int
    within: float
    subset = 4000

    def find(self, samples: SampleColumns, seed: int, wanted: Any = None) -> LookupTable:
        """The paths over all samples; where few are wanted, over these and some others."""
        import numpy as np
        import scipy.sparse as sp

        from rrl_dsl.graph.builtins.geodesic_paths import joined_by_paths
        from rrl_dsl.graph.builtins.neighbor_search import kept

        ids, vectors = samples.ids, samples.vector(self.field)
        if wanted is not None and len(ids) > self.subset:
            positions = np.flatnonzero(np.isin(ids, wanted))
            order = np.random.default_rng(0).permutation(len(ids))
            others = order[~np.isin(order, positions)][: max(self.subset - len(positions), 0)]
            part = np.sort(np.concatenate([positions, others]))
            ids, vectors = ids[part], vectors[part]
        starts, entries = kept(joined_by_paths, vectors, self.k, self.within)
        shape = (len(ids), len(ids))
        graph = sp.csr_array((np.ones(len(entries)), entries, starts), shape=shape)
        return LookupTable.of_links(ids, graph)


@source(example="geodesic(caption, k=2, within=1)", given={"k": "5", "within": "1.0"})
def geodesic(pair: Pair, field: VectorField, k: Count, within: NonNegative) -> Mask:
    """Relates samples that are close along the data.

    Two samples have an edge if the shortest path between them in the k-nearest-neighbor graph of
    the dataset has at most the length `within`. The length of a step is the Euclidean distance.
    ISOMAP uses this relation. A sample without a vector has no edge.

    Args:
        field: A field of vectors.
        k: The number of neighbors of each sample.
        within: The length of the longest path.
    """
    return pair.linked(Geodesic(field, k, within))
