"""Which stream each stochastic call draws from.

Streams are given once the recipe is finished, by (name, ordinal among the calls of that name,
visited depth first, left to right), or by the explicit seed. A call that is reached twice is
visited once. A call that has its stream already, because it came with an imported recipe, keeps it
and is not counted: an imported recipe draws as it does alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from rrl_dsl.graph.algebra import Called, Graph, calls_of, rebuilt
from rrl_dsl.graph.call import Call


def streams_of(graph: Graph, *, imports: bool = True) -> Mapping[Call, int]:
    """The 32-bit stream word of every call of a recipe.

    Args:
        graph: The recipe.
        imports: Whether calls keep the streams that they came with; otherwise they get those that
            the printed text gives, which has no imports.
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
    """The graph with every call's stream set, so that no later change moves a draw."""
    words = streams_of(graph)
    calls: dict[Call, Call] = {}

    def with_stream(node: Graph) -> Graph:
        if not isinstance(node, Called) or node.call.stream is not None:
            return node
        call = calls.setdefault(node.call, node.call.with_stream(words[node.call]))
        return replace(node, call=call)

    return rebuilt(graph, with_stream)


def adds_edges(graph: Graph) -> bool:
    """Whether a recipe's noise adds false edges."""
    return any(_rates(call) for call in calls_of(graph))


def without_false_edges(graph: Graph) -> Graph:
    """The same graph with every rate at which edges are added set to 0; draws stay the same."""
    calls: dict[Call, Call] = {}

    def quiet(node: Graph) -> Graph:
        if not isinstance(node, Called) or not _rates(node.call):
            return node
        none = dict.fromkeys(_rates(node.call), 0.0)
        silenced = replace(node.call, arguments={**node.call.arguments, **none})
        return replace(node, call=calls.setdefault(node.call, silenced))

    return rebuilt(finished(graph), quiet)


def _rates(call: Call) -> list[str]:
    """The arguments by which a call adds edges."""
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
