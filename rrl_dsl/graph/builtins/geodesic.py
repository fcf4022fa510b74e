"""Samples that are close along the data."""

from rrl_dsl.graph.builtin import Count, NonNegative, VectorField, source
from rrl_dsl.graph.plan import Geodesic
from rrl_dsl.graph.recording import Mask, Pair


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
