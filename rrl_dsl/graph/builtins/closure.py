"""The connected components of a batch."""

from dataclasses import dataclass
from typing import Any

from rrl_dsl.graph.builtin import transform
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Weight
from rrl_dsl.graph.stage import BatchRows, Stage


@dataclass(frozen=True)
class Components(Stage):
    """The connected component of each row: the smallest position in it."""

    weighs: tuple[int]
    levels = 4

    def find(self, arrays: Any, batch: BatchRows) -> Any:
        """The components, in 2 log2(u) rounds.

        Each round every tree hooks onto the smallest neighboring root and is flattened. A tree
        with a neighbor hooks or is hooked onto within two rounds (Liu and Tarjan. Simple
        concurrent labeling algorithms for connected components. 2019).
        """
        edges = batch.by_rows(lambda tile: batch.weights(*self.weighs, tile) > 0)
        edges = (edges | edges.T) & batch.first  # a path may follow an edge in either direction
        size = len(edges)
        root = arrays.positions(edges)
        levels = max(size - 1, 0).bit_length()
        for _ in range(2 * levels):
            nearest = arrays.minimum(arrays.amin(arrays.where(edges, root, size), 1), root)
            parent = arrays.scatter_minimum(root, root, nearest)
            for _ in range(levels):
                parent = parent[parent]
            previous, root = root, parent[root]
            if arrays.surely_equal(previous, root):
                break
        return root


@transform(example='pairs("links.csv") | closure()')
def closure(weight: Weight, pair: Pair) -> Weight:
    """Relates all rows of a connected component.

    Two rows have an edge of weight 1 if a path of edges connects them in the batch. A path follows
    directed edges in both directions. The diagonal is 1.
    """
    return weight if pair.is_grouped(weight) else pair.grouped(Components((weight.at,)))
