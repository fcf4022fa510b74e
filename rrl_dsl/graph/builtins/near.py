"""Samples whose numbers are close."""

from rrl_dsl.graph.builtin import NonNegative, NumberField, source
from rrl_dsl.graph.recording import Mask, Pair


@source(example="near(time, 5)", given={"within": "5"})
def near(pair: Pair, field: NumberField, within: NonNegative) -> Mask:
    """Relates samples whose numbers are close.

    An edge where the field's values differ by at most `within`: frames close in time, images taken
    at one place. Times are seconds. A missing value makes no edge.

    Args:
        field: A field of numbers.
        within: The largest difference.
    """
    return pair.near(field, within)
