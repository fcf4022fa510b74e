"""Draws: a counter-based hash of (seed, stream, epoch or step, sample ids, views).

The seed is that of the call, if it has one, or that of the recipe. Keys and thresholds are Python
integers. `mix` hashes rows and pairs, in torch or NumPy. Hashes are 32-bit words in int64, because
unsigned types of torch lack most arithmetic; `rrl_dsl.backends.tensors.pair_draw` computes the same
bits in int32.
"""

from __future__ import annotations

from typing import Any, Final

MASK: Final = 0xFFFFFFFF
UPPER: Final = 0x7FFFFFFF
FIRST: Final = 0x604BAA5D
SECOND: Final = 0x43D6CE97
OFFSET: Final = 0x1E3779B9
"""The constants of the hash. All are below 2^31, so int64 never overflows."""

Words = Any
"""A Python integer, or int64 tensors or arrays of any shape."""


def mix(x: Words) -> Words:
    """A bijective hash of 32 bits."""
    x = _unshifted(x)
    return x ^ x >> 15


def key(seed: int, stream: int, time: int) -> int:
    """The 32-bit key of a stream at a time.

    Args:
        seed: The seed of the recipe or the call, 64 bits.
        stream: The stream word of the call, 32 bits.
        time: 0, the epoch or the step, depending on when the call draws again.
    """
    k = mix(OFFSET + (seed & MASK))
    for word in (seed >> 32 & MASK, stream, time & MASK):
        k = mix(k + word + OFFSET)
    return int(k)


def threshold(probability: float) -> int:
    """The largest value of the upper 31 bits that is drawn; -1 for none. Exact for 0 and 1."""
    return round(probability * 2**31) - 1


def row_hash(sample: Words, view: Words, key: Words) -> Words:
    """The hash u of each row under a key.

    Args:
        sample: int64 (n,), the ids.
        view: int64 (n,), or None if all views of a sample share a draw.
        key: int64 (), below 2^32.

    Returns:
        int64 (n,), below 2^32.
    """
    a = mix((sample & MASK) ^ key)
    a = mix(a + (sample >> 32 & MASK) + key)
    return mix(a + key if view is None else a + (view & MASK) + key)


def pair_hash(u_i: Words, u_j: Words) -> Words:
    """The hash of pairs; int64, broadcast.

    The row hashes are added, not xored: with xor, all pairs of equal ids would share one value.
    """
    return _unshifted(u_i + u_j)


def pair_draw(u_i: Words, u_j: Words) -> Words:
    """The draw of pairs, the upper 31 bits of the hash; int64, broadcast."""
    return upper(pair_hash(u_i, u_j))


def upper(hashes: Words) -> Words:
    """The upper 31 bits of hashes: draws, which count up to a threshold."""
    return hashes >> 1 & UPPER


def _unshifted(x: Words) -> Words:
    x = x & MASK
    x = x ^ (x >> 16)
    x = x * FIRST & MASK
    x = x ^ (x >> 15)
    return x * SECOND & MASK
