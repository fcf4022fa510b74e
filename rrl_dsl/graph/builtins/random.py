"""Random pairs of samples."""

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
