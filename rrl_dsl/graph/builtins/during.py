"""Graphs of some epochs."""

from rrl_dsl.graph.builtin import Index, transform
from rrl_dsl.graph.recording import Pair, Weight


@transform(example="ssl() | (supervised() | during(0, 10))")
def during(weight: Weight, pair: Pair, start: Index = 0, end: Index | None = None) -> Weight:
    """Limits a graph to some epochs.

    Empty outside the epochs from `start` up to, not including, `end`.

    Args:
        start: The first epoch.
        end: The epoch after the last; none: to the end.
    """
    return weight.where(pair.during(start, end))
