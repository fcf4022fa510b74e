"""Which stream each stochastic call draws from.

Streams are given once the recipe is finished, by (name, ordinal among the calls of that name,
visited depth first, left to right), or by the explicit seed. A call that is reached twice is
visited once.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping

from rrl_dsl.graph.algebra import Call, Graph, call_of, walk


def streams_of(graph: Graph) -> Mapping[Call, int]:
    """The 32-bit stream word of every call of a recipe."""
    words: dict[Call, int] = {}
    ordinals: Counter[str] = Counter()
    for node in walk(graph):
        call = call_of(node)
        if call is None or call in words:
            continue
        name, seed = call.signature.name, call.arguments.get("seed")
        words[call] = stream_word(name, ordinals[name]) if seed is None else seed_word(seed)
        ordinals[name] += 1
    return words


def stream_word(name: str, ordinal: int) -> int:
    """The stream of the ordinal-th call of a name, counted from 0."""
    return _word([name, ordinal])


def seed_word(seed: object) -> int:
    """The stream of every call with this explicit seed."""
    return _word(["seed", seed])


def _word(key: list[object]) -> int:
    text = json.dumps(key, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
