"""Transforms that only look at the weight."""

from rrl_dsl.graph.builtin import NonNegative, Positive, Scheduled, transform
from rrl_dsl.graph.recording import Mask, Weight


@transform(example="similarity(caption) | threshold(0.9)", given={"at": "0.5"})
def threshold(weight: Weight, at: NonNegative) -> Mask:
    """Makes a graph binary.

    The weight becomes 1 if it is above `at`, and 0 otherwise.

    Args:
        at: The weight that an edge must exceed.
    """
    return weight > at


@transform(example="similarity(caption) | clip(0.5)")
def clip(
    weight: Weight,
    max: NonNegative = 1.0,  # noqa: A002  (the name of the argument in recipes)
) -> Weight:
    """Limits the weights.

    A weight above `max` becomes `max`.

    Args:
        max: The largest weight.
    """
    return weight.at_most(max)


@transform(example="similarity(caption) | power(4)", given={"p": "2"})
def power(weight: Weight, p: Scheduled[Positive]) -> Weight:
    """Raises the weights to a power.

    The weight w becomes w^p. Absent pairs stay absent.

    Args:
        p: The exponent.
    """
    return weight**p
