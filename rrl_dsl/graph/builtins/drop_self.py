"""Graphs without their diagonal."""

from rrl_dsl.graph.builtin import transform
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Weight


@transform(example="supervised() | drop_self()")
def drop_self(weight: Weight, pair: Pair) -> Weight:
    """Removes the diagonal.

    The weight is 0 if i = j.
    """
    return weight.where(~pair.same_row)
