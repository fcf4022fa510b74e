"""Pairs that are related whatever the data set says."""

from rrl_dsl.graph.builtin import source
from rrl_dsl.graph.recording import Mask, Pair


@source(name="none", example="none()")
def nothing(pair: Pair) -> Mask:
    """Relates nothing.

    No edge at all, not even i = j.
    """
    return pair.never


@source(name="all", example="all()")
def everything(pair: Pair) -> Mask:
    """Relates everything.

    An edge for every pair, i = j too.
    """
    return pair.always


@source(name="self", example="self()")
def same_row(pair: Pair) -> Mask:
    """Relates a row to itself.

    An edge where i = j.
    """
    return pair.same_row


@source(example="cross_view()")
def cross_view(pair: Pair) -> Mask:
    """Relates rows of different views.

    An edge where the view numbers differ.
    """
    return ~pair.same_view
