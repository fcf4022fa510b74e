"""Graphs that do not depend on the dataset."""

from rrl_dsl.graph.builtin import source
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Mask


@source(name="none", example="none()")
def nothing(pair: Pair) -> Mask:
    """Relates nothing.

    No pair has an edge, not even i = j.
    """
    return pair.never


@source(name="all", example="all()")
def everything(pair: Pair) -> Mask:
    """Relates everything.

    Every pair has an edge, including i = j.
    """
    return pair.always


@source(name="self", example="self()")
def same_row(pair: Pair) -> Mask:
    """Relates a row to itself.

    Two rows have an edge if i = j.
    """
    return pair.same_row


@source(example="cross_view()")
def cross_view(pair: Pair) -> Mask:
    """Relates rows of different views.

    Two rows have an edge if their view numbers differ.
    """
    return ~pair.same_view
