"""The arithmetic of weights in NumPy, as `rrl_dsl.graph.weights` has it for single numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rrl_dsl.graph.schedule import Schedule, at_epoch
from rrl_dsl.graph.weights import LARGEST, number

Weights = npt.NDArray[np.float32]


def rounded(values: npt.NDArray[Any]) -> Weights:
    """Results that are not negative, as float32; what outgrows it stays at its largest number."""
    return np.asarray(np.minimum(values, LARGEST), dtype=np.float32)


def total(a: Weights, b: Weights) -> Weights:
    """The sum of two weights."""
    return rounded(np.add(a, b, dtype=np.float64))


def scaled(weights: Weights, factor: float | Schedule, epoch: int) -> Weights:
    """Weights times a number."""
    return rounded(number(at_epoch(factor, epoch)) * weights.astype(np.float64))


def clipped(weights: Weights, most: float) -> Weights:
    """The smaller of the weight and a number."""
    return np.minimum(weights, np.float32(number(most)))


def raised(weights: Weights, exponent: float | Schedule, epoch: int) -> Weights:
    """Weights to a power, found in float64."""
    with np.errstate(over="ignore"):
        return rounded(weights.astype(np.float64) ** number(at_epoch(exponent, epoch)))


def above(weights: Weights, least: float) -> npt.NDArray[np.bool_]:
    """Where a weight is above a number."""
    return np.asarray(weights > np.float32(number(least)))
