"""The connected components of a batch."""

from rrl_dsl.graph.builtin import transform
from rrl_dsl.graph.plan import Components
from rrl_dsl.graph.recording import Pair, Weight


@transform(example='pairs("links.csv") | closure()')
def closure(weight: Weight, pair: Pair) -> Weight:
    """Joins what is connected.

    An edge of weight 1 between any two rows of a batch that a path of edges joins, whichever way
    they lead; the diagonal is 1.
    """
    return weight if pair.is_grouped(weight) else pair.grouped(Components(weight.at))
