"""Draws: a counter-based hash of (seed, stream, epoch or step, sample ids, views).

The seed is the recipe's, or the call's own where it is given one. Keys and thresholds are plain
integers of the host; rows and pairs are hashed with the same `mix`, of tensors or NumPy arrays.
Their hashes are 32-bit words in int64 lanes, since torch's unsigned types lack most arithmetic;
`rrl_dsl.backends.tensors.pair_hash` has the same bits in int32 lanes.
"""

from __future__ import annotations

from typing import Any, Final

MASK: Final = 0xFFFFFFFF
UPPER: Final = 0x7FFFFFFF
FIRST: Final = 0x604BAA5D
SECOND: Final = 0x43D6CE97
OFFSET: Final = 0x1E3779B9
"""The constants of the hash. All are below 2^31, so a 64-bit lane never overflows."""

Words = Any
"""A Python integer, or int64 tensors or arrays of any shape."""


def mix(x: Words) -> Words:
    """Scrambles 32 bits, one to one."""
    x = _unshifted(x)
    return x ^ x >> 15


def key(seed: int, stream: int, time: int) -> int:
    """The 32-bit key of a stream at a time.

    Args:
        seed: The recipe's seed or the call's own, 64 bits.
        stream: The call's stream word, 32 bits.
        time: 0, the epoch or the step, as the call redraws.
    """
    k = mix(OFFSET + (seed & MASK))
    for word in (seed >> 32 & MASK, stream, time & MASK):
        k = mix(k + word + OFFSET)
    return int(k)


def threshold(probability: float) -> int:
    """What the upper 31 bits of a hash may at most be, -1 for never: exact at 0 and at 1."""
    return round(probability * 2**31) - 1


def row_hash(sample: Words, view: Words, key: Words) -> Words:
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


def pair_hash(u_i: Words, u_j: Words) -> Words:
    """The hash of pairs, of which the upper 31 bits decide; int64, broadcast.

    The row hashes are added, never xored: with xor every pair of equal ids would share one value.
    """
    return _unshifted(u_i + u_j)


def within(hashes: Words, limit: Words) -> Any:
    """Whether the upper 31 bits of a hash are at most a threshold; bool, broadcast.

    The hash may be a 32-bit word in an int64 lane, or the same bits as an int32.
    """
    return hashes >> 1 & UPPER <= limit


def _unshifted(x: Words) -> Words:
    x = x & MASK
    x = x ^ (x >> 16)
    x = x * FIRST & MASK
    x = x ^ (x >> 15)
    return x * SECOND & MASK
