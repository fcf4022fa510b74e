"""The device's half of the draws: hashing rows and pairs of rows.

Hashes are 32-bit words in int64 lanes, since torch's unsigned types lack most arithmetic. The same
integers come out of `rrl_dsl.graph.draws.mix` and of the NumPy reference.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rrl_dsl.graph.draws import FIRST, MASK, SECOND


def mix(x: Tensor) -> Tensor:
    """Scrambles 32 bits, one to one; int64 in and out."""
    x = _unshifted(x)
    return x ^ (x >> 15)


def row_hash(sample: Tensor, view: Tensor | None, key: Tensor) -> Tensor:
    """The hash u of each row under a key.

    Args:
        sample: int64 (n,), the ids.
        view: int64 (n,), or None where all views of a sample share a draw.
        key: int64 (), below 2^32.

    Returns:
        int64 (n,), below 2^32.
    """
    a = mix((sample & MASK) ^ key)
    a = mix(a + (sample >> 32 & MASK) + key)
    return mix(a + key if view is None else a + (view & MASK) + key)


def pair_hash(u_i: Tensor, u_j: Tensor) -> Tensor:
    """The hash of pairs, of which the upper 31 bits decide; int64, broadcast.

    The row hashes are added, never xored: with xor every pair of equal ids would share one value.
    """
    return _unshifted(u_i + u_j)


def within(hashes: Tensor, limit: Tensor) -> Tensor:
    """Whether the upper 31 bits of a hash are at most a threshold; bool, broadcast."""
    return torch.le(hashes >> 1, limit)


def _unshifted(x: Tensor) -> Tensor:
    x = x & MASK
    x = x ^ (x >> 16)
    x = x * FIRST & MASK
    x = x ^ (x >> 15)
    return x * SECOND & MASK
