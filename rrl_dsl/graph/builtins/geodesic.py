"""Samples that are close along the data."""

from rrl_dsl.graph.builtin import Count, NonNegative, VectorField, source
from rrl_dsl.graph.plan import Geodesic
from rrl_dsl.graph.recording import Mask, Pair


@source(example="geodesic(caption, k=2, within=1)", given={"k": "5", "within": "1.0"})
def geodesic(pair: Pair, field: VectorField, k: Count, within: NonNegative) -> Mask:
    """Relates samples that are close along the data.

    An edge where the shortest path over the data set's graph of k nearest neighbours, its steps as
    long as the Euclidean distance, is at most `within`: the relation of ISOMAP. A missing vector
    makes no edge.

    Args:
        field: A field of vectors.
        k: Neighbours of each sample.
        within: The longest path.
    """
    return pair.linked(Geodesic(field, k, within))
