"""The streams of the stochastic calls of a recipe.

The stream of a call depends on its name and its ordinal among the calls of this name in the
finished recipe, depth first and left to right, or on its explicit seed. A call that is reached
twice is counted once. A call of an imported recipe keeps its stream and is not counted, so an
imported recipe draws the same edges as alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.traversal import calls_of, with_calls


def streams_of(graph: Graph, *, imports: bool = True) -> Mapping[Call, int]:
    """The 32-bit stream word of every call of a recipe.

    Args:
        graph: The recipe.
        imports: Whether calls of imported recipes keep their streams. Otherwise they get the
            streams that they have in the printed text, which has no imports.
    """
    words: dict[Call, int] = {}
    ordinals: Counter[str] = Counter()
    for call in calls_of(graph):
        if call in words:
            continue
        if imports and call.stream is not None:
            words[call] = call.stream
            continue
        name, seed = call.signature.name, call.seed
        words[call] = stream_word(name, ordinals[name]) if seed is None else seed_word(seed)
        ordinals[name] += 1
    return words


def finished(graph: Graph) -> Graph:
    """The graph with the streams of all calls set, so that rewriting does not change a draw."""
    words = streams_of(graph)
    return with_calls(
        graph, lambda call: call.with_stream(words[call]) if call.stream is None else call
    )


def adds_edges(graph: Graph) -> bool:
    """Whether the recipe adds false edges as noise."""
    return any(_rates(call) for call in calls_of(graph))


def without_false_edges(graph: Graph) -> Graph:
    """The same graph with every rate of added edges set to 0. Other draws do not change."""

    def quiet(call: Call) -> Call:
        none = dict.fromkeys(_rates(call), 0.0)
        return replace(call, arguments={**call.arguments, **none}) if none else call

    return with_calls(finished(graph), quiet)


def _rates(call: Call) -> list[str]:
    """The arguments that are rates of added edges, and not 0."""
    return [
        parameter.name
        for parameter in call.signature.parameters
        if parameter.adds_edges and call.arguments[parameter.name] != 0.0
    ]


def stream_word(name: str, ordinal: int) -> int:
    """The stream of the ordinal-th call of a name, counted from 0."""
    return _word([name, ordinal])


def seed_word(seed: object) -> int:
    """The stream of every call with this explicit seed."""
    return _word(["seed", seed])


def _word(key: list[object]) -> int:
    import hashlib  # only what draws or is identified needs these
    import json

    text = json.dumps(key, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
