"""Functions of the weight alone."""

from rrl_dsl.graph.builtin import NonNegative, Positive, Scheduled, transform
from rrl_dsl.graph.recording import Mask, Weight


@transform(example="similarity(caption) | threshold(0.9)", given={"at": "0.5"})
def threshold(weight: Weight, at: NonNegative) -> Mask:
    """Makes a graph binary.

    Weight 1 where the weight is above `at`, else 0.

    Args:
        at: The weight to exceed.
    """
    return weight > at


@transform(example="similarity(caption) | clip(0.5)")
def clip(
    weight: Weight,
    max: NonNegative = 1.0,  # noqa: A002  (the name of the argument in recipes)
) -> Weight:
    """Limits the weights.

    The smaller of the weight and `max`.

    Args:
        max: The greatest weight left.
    """
    return weight.at_most(max)


@transform(example="similarity(caption) | power(4)", given={"p": "2"})
def power(weight: Weight, p: Scheduled[Positive]) -> Weight:
    """Raises the weights to a power.

    The weight to the power p; absent pairs stay absent.

    Args:
        p: The exponent.
    """
    return weight**p
