"""Pairs of samples at random."""

from rrl_dsl.graph.builtin import Probability, Scheduled, Seed, source
from rrl_dsl.graph.recording import Mask, Pair


@source(name="random", example="random(0.2)", given={"p": "0.1"})
def random_pairs(pair: Pair, p: Scheduled[Probability], seed: Seed | None = None) -> Mask:
    """Relates pairs of samples at random.

    An independent draw below p for every pair of samples; the diagonal is 1.

    Args:
        p: The chance of an edge.
        seed: Draws that follow from it alone, whatever the recipe's seed: the same in every run.
    """
    return pair.drawn(p) | pair.same_row
