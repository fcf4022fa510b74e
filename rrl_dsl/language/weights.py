"""What a weight is: a float32, at most the largest there is, and rounded after every operation.

All code that computes weights, or bounds of weights, uses these functions, so a weight has the same
bits wherever it is computed.
"""

from __future__ import annotations

import struct
from typing import Final

LARGEST: Final = float.fromhex("0x1.fffffep+127")
LEAST: Final = 2.0**-126
"""The least weight of full precision."""
ORTHOGONAL: Final = 1e-12
"""A cosine up to this, which rounding makes of 0, is 0."""


def rounded(value: float) -> float:
    """The weight that a result, which is not negative, is rounded to."""
    if value >= LARGEST:
        return LARGEST
    return float(struct.unpack("f", struct.pack("f", value))[0])


def number(value: float) -> float:
    """A number of a recipe as weights are computed with it: what is above 0 stays above 0."""
    return max(rounded(value), LEAST) if value > 0 else 0.0


def raised(weight: float, exponent: float) -> float:
    """A weight to a power."""
    try:
        return rounded(weight**exponent)
    except OverflowError:
        return LARGEST


def shortest(value: float) -> float:
    """The number of the fewest digits that becomes a weight."""
    candidates = (float(f"{value:.{digits}g}") for digits in range(1, 18))
    return next(number for number in candidates if rounded(number) == value)
