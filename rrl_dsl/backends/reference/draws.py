"""The draws in NumPy's unsigned 32-bit integers, whose overflow wraps as the hash wants."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rrl_dsl.graph import draws

Words = npt.NDArray[np.uint32]


def sample_draws(sample: npt.NDArray[np.int64], key: int) -> Words:
    """(n,): the upper 31 bits of each sample's hash."""
    return row_hash(sample, np.zeros_like(sample), key) >> np.uint32(1)


def row_hash(sample: npt.NDArray[np.int64], view: npt.NDArray[np.int64], key: int) -> Words:
    """(n,): the hash of each row under a key."""
    k = np.uint32(key)
    low, high = _low(sample), _low(sample >> 32)
    a = _mix(low ^ k)
    a = _mix(a + high + k)
    return _mix(a + _low(view) + k)


def unshifted(x: Words) -> Words:
    """The mixing of a word without its last shift."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(draws.FIRST)
    x = x ^ (x >> np.uint32(15))
    return x * np.uint32(draws.SECOND)


def _low(values: npt.NDArray[np.int64]) -> Words:
    return (values & draws.MASK).astype(np.uint32)


def _mix(x: Words) -> Words:
    x = unshifted(x)
    return x ^ (x >> np.uint32(15))
