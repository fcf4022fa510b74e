"""The host's half of the draws: keys and thresholds, as plain integers.

A draw is a counter-based hash of (seed, stream, epoch or step, sample ids, views). The seed is the
recipe's, or the call's own where it is given one. The
device's half hashes rows and pairs with the same `mix`; see `rrl_dsl/backends/hashing.py`.
"""

from __future__ import annotations

from typing import Final

MASK: Final = 0xFFFFFFFF
FIRST: Final = 0x604BAA5D
SECOND: Final = 0x43D6CE97
OFFSET: Final = 0x1E3779B9
"""The constants of the hash. All are below 2^31, so a 64-bit lane never overflows."""


def mix(x: int) -> int:
    """Scrambles 32 bits, one to one."""
    x &= MASK
    x ^= x >> 16
    x = x * FIRST & MASK
    x ^= x >> 15
    x = x * SECOND & MASK
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
    return k


def threshold(probability: float) -> int:
    """What the upper 31 bits of a hash may at most be, -1 for never: exact at 0 and at 1."""
    return round(probability * 2**31) - 1
