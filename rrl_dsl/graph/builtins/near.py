"""Samples whose numbers are close."""

from rrl_dsl.graph.builtin import NonNegative, NumberField, source
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Mask


@source(example="near(time, 5)", given={"within": "5"})
def near(pair: Pair, field: NumberField, within: NonNegative) -> Mask:
    """Relates samples whose numbers are close.

    Two samples have an edge if the values of the field differ by at most `within`. Use it for video
    frames that are close in time, or for images taken at the same place. Times are in seconds. A
    sample without a value has no edge.

    Args:
        field: A field of numbers.
        within: The largest difference.
    """
    return pair.near(field, within)
