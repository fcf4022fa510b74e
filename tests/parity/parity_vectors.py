"""Distances, similarities and affinities of vectors, in plain Python floats."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence


def cosine(x: Sequence[float], y: Sequence[float]) -> float:
    lengths = math.hypot(*x) * math.hypot(*y)
    similarity = math.fsum(a * b for a, b in zip(x, y, strict=True)) / lengths if lengths else 0.0
    return similarity if abs(similarity) > 1e-12 else 0.0


def squared_distance(x: Sequence[float], y: Sequence[float]) -> float:
    return math.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True))


def shares(far: Mapping[int, float], perplexity: float) -> dict[int, float]:
    """exp(-b d) over its sum, at the b whose perplexity is asked for, or in the limit."""
    nearest = min(far.values())
    ties = [b for b, d in far.items() if d == nearest]
    if len(ties) >= perplexity:
        return {b: 1 / len(ties) if b in ties else 0.0 for b in far}

    def at(precision: float) -> dict[int, float]:
        weights = {b: math.exp(-precision * (d - nearest)) for b, d in far.items()}
        total = math.fsum(weights.values())
        return {b: w / total for b, w in weights.items()}

    low, high = 0.0, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        entropy = -math.fsum(p * math.log(p) for p in at(middle).values() if p)
        low, high = (middle, high) if math.exp(entropy) > perplexity else (low, middle)
    return at(low)


def as_float32(x: float) -> float:
    largest = (2 - 2**-23) * 2.0**127
    return largest if x >= largest else struct.unpack("f", struct.pack("f", x))[0]


def distance(x: Sequence[float], y: Sequence[float], metric: str) -> float:
    """What neighbors are ranked by; equal vectors are equally far whatever the rounding."""
    if metric == "cosine":
        return round(-cosine(x, y), 9)
    return squared_distance(x, y)
