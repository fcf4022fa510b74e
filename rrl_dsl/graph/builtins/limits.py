"""Graphs that are limited to some epochs, or to pairs of different rows."""

from rrl_dsl.graph.builtin import Index, transform
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Weight


@transform(example="ssl() | (supervised() | during(0, 10))")
def during(weight: Weight, pair: Pair, start: Index = 0, end: Index | None = None) -> Weight:
    """Limits a graph to some epochs.

    The graph is empty before the epoch `start`, and from the epoch `end` on.

    Args:
        start: The first epoch with edges.
        end: The first epoch without edges again. Defaults to no end.
    """
    return weight.where(pair.during(start, end))


@transform(example="supervised() | drop_self()")
def drop_self(weight: Weight, pair: Pair) -> Weight:
    """Removes the diagonal.

    The weight is 0 if i = j.
    """
    return weight.where(~pair.same_row)
