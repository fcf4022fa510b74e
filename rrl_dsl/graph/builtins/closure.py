"""The connected components of a batch."""

from rrl_dsl.graph.builtin import transform
from rrl_dsl.graph.plan import Components
from rrl_dsl.graph.recording import Pair, Weight


@transform(example='pairs("links.csv") | closure()')
def closure(weight: Weight, pair: Pair) -> Weight:
    """Relates all rows of a connected component.

    Two rows have an edge of weight 1 if a path of edges connects them in the batch. A path follows
    directed edges in both directions. The diagonal is 1.
    """
    return weight if pair.is_grouped(weight) else pair.grouped(Components(weight.at))
