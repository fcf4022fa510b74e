"""The draws in plain Python integers, a part of the oracle.

Written from the language's page on draws alone, as slowly and literally as it reads.
"""

from __future__ import annotations

import hashlib
import json

C = 0x1E3779B9
WORD = 2**32


def without_last_shift(x: int) -> int:
    x %= WORD
    x ^= x >> 16
    x = x * 0x604BAA5D % WORD
    x ^= x >> 15
    return x * 0x43D6CE97 % WORD


def mix(x: int) -> int:
    x = without_last_shift(x)
    return x ^ (x >> 15)


def key(seed: int, stream: int, time: int) -> int:
    k = mix(C + seed % WORD)
    for word in (seed // WORD, stream, time):
        k = mix(k + word + C)
    return k


def row_hash(sample: int, view: int, k: int) -> int:
    a = mix((sample % WORD) ^ k)
    a = mix(a + sample // WORD + k)
    return mix(a + view + k)


def pair_hash(u: int, v: int) -> int:
    return without_last_shift(u + v)


def passes(h: int, p: float) -> bool:
    return (h >> 1) <= round(p * 2**31) - 1


def stream_word(*content: object) -> int:
    """The first four bytes, little end first, of the SHA-256 of the content as compact JSON."""
    text = json.dumps(list(content), separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
