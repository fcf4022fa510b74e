"""Graphs that do not depend on the dataset."""

from rrl_dsl.graph.builtin import Probability, Scheduled, Seed, source
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Mask


@source(name="random", example="random(0.2)", given={"p": "0.1"})
def random_pairs(pair: Pair, p: Scheduled[Probability], seed: Seed | None = None) -> Mask:
    """Relates random pairs of samples.

    Each pair of samples has an edge with probability `p`, independently. The diagonal is 1.

    Args:
        p: The probability of an edge.
        seed: A seed for this call, in place of the recipe's: the same draws in every run.
    """
    return pair.drawn(p) | pair.same_row


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
