"""The canonical form of a recipe and its SHA-256.

Two recipes with the same canonical form define the same graph over every data set: arguments equal
to their defaults are left out, streams are included, commutative operands are ordered, and equal
nodes stand once and are referred to by position.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from rrl_dsl.graph.algebra import Call, Combined, Complement, Graph, Scaled, call_of, walk
from rrl_dsl.graph.streams import streams_of

LANGUAGE_VERSION: Final = 1

_COMMUTATIVE = frozenset("|&+")


def canonical(graph: Graph) -> str:
    """The canonical form as compact JSON; the last node is the recipe's graph."""
    streams = streams_of(graph)
    digests: dict[int, str] = {}  # id(node) -> digest of its content, for ordering
    for node in walk(graph):
        content = _content(node, streams)
        content["of"] = _ordered(node, [digests[id(operand)] for operand in node.operands])
        digests[id(node)] = hashlib.sha256(_json(content).encode()).hexdigest()
    return _json({"language": LANGUAGE_VERSION, "nodes": _table(graph, digests, streams)})


def identity(graph: Graph) -> str:
    """SHA-256 of the canonical form, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(graph).encode()).hexdigest()


def _table(
    graph: Graph, digests: Mapping[int, str], streams: Mapping[Call, int]
) -> list[dict[str, Any]]:
    """Each distinct node once, operands first, in the order in which a digest is first needed."""
    by_digest = {digests[id(node)]: node for node in walk(graph)}
    positions: dict[str, int] = {}
    table: list[dict[str, Any]] = []
    stack = [(digests[id(graph)], False)]
    while stack:
        digest, expanded = stack.pop()
        if digest in positions:
            continue
        node = by_digest[digest]
        operands = _ordered(node, [digests[id(operand)] for operand in node.operands])
        if expanded:
            content = _content(node, streams)
            if operands:
                content["of"] = [positions[operand] for operand in operands]
            positions[digest] = len(table)
            table.append(content)
        else:
            stack.append((digest, True))
            stack += [(operand, False) for operand in reversed(operands)]
    return table


def _content(node: Graph, streams: Mapping[Call, int]) -> dict[str, Any]:
    call = call_of(node)
    if call is not None:
        content: dict[str, Any] = {"call": call.signature.name}
        given = {
            parameter.name: value
            for parameter in call.signature.parameters
            if (value := call.arguments[parameter.name]) != parameter.default
            and parameter.name != "seed"  # the stream stands for it
        }
        if given:
            content["with"] = given
        if call.draws:
            content["stream"] = streams[call]
        return content
    if isinstance(node, Combined):
        return {"operator": node.operator}
    if isinstance(node, Scaled):
        return {"operator": "*", "by": node.factor}
    assert isinstance(node, Complement)
    return {"operator": "~"}


def _ordered(node: Graph, operands: list[str]) -> list[str]:
    commutative = isinstance(node, Combined) and node.operator in _COMMUTATIVE
    return sorted(operands) if commutative else operands


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
