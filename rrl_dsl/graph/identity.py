"""The canonical form of a recipe and its SHA-256.

Two recipes with the same canonical form define the same graph over every dataset. The form omits
arguments that equal their defaults, includes streams, and identifies files by the hash of their
content. It flattens and sorts commutative chains, and lists equal nodes once. The order of a sum
changes how it is rounded, so weights are computed for the graph `in_order`: equal recipes have
equal weights, to the last bit.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from rrl_dsl.graph.algebra import Called, Combined, Complement, Composed, Contrasted, Graph, Scaled
from rrl_dsl.graph.links import External
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.streams import streams_of
from rrl_dsl.graph.traversal import walk
from rrl_dsl.graph.types import SEED

LANGUAGE_VERSION: Final = 1

_COMMUTATIVE = frozenset("|&+")
_MOST_TIMES: Final = 2**127  # the factor of repeated sums like `let b = a + a` stays finite

_Entry = tuple[dict[str, Any], list[str]]  # a node's content, and the digests of its operands


class _Digests(NamedTuple):
    """The nodes of a graph by their content.

    Attributes:
        of: id(node) -> digest of its content.
        chains: id(commutative node) -> the digests of its operands, with their counts.
        entries: Digest -> the content of a node.
    """

    of: dict[int, str]
    chains: dict[int, Counter[str]]
    entries: dict[str, _Entry]


def canonical(graph: Graph) -> str:
    """The canonical form as compact JSON; the last node is the graph of the recipe."""
    digests = _digests(graph)
    positions: dict[str, int] = {}
    table: list[dict[str, Any]] = []  # each distinct node once, operands before the node

    def position(digest: str) -> int:  # a graph has at most 64 levels
        if digest not in positions:
            content, operands = digests.entries[digest]
            of = {"of": list(map(position, operands))} if operands else {}
            positions[digest] = len(table)
            table.append(content | of)
        return positions[digest]

    position(digests.of[id(graph)])
    return _json({"language": LANGUAGE_VERSION, "nodes": table})


def in_order(graph: Graph) -> Graph:
    """The graph with equal nodes merged, and sums of three or more terms in canonical order.

    An operand that occurs n times in a sum occurs once in the result, times n.
    """
    digests = _digests(graph)
    first: dict[str, Graph] = {}  # digest -> the node
    made: dict[int, Graph] = {}
    for node in walk(graph):
        operands = tuple(made[id(operand)] for operand in node.operands)
        entry = node.with_operands(operands)
        if isinstance(node, Combined) and node.operator == "+":
            counted = digests.chains[id(node)]
            if counted.total() > 2:  # of two, the order makes no difference
                entry = _sum(counted, first)
        made[id(node)] = first.setdefault(digests.of[id(node)], entry)
    return made[id(graph)]


def _sum(counted: Counter[str], nodes: Mapping[str, Graph]) -> Graph:
    terms = []
    for digest in sorted(counted):
        times = float(min(counted[digest], _MOST_TIMES))
        terms.append(nodes[digest] if times == 1.0 else Scaled((nodes[digest],), times))
    return terms[0] if len(terms) == 1 else Combined(tuple(terms), "+")


def _digests(graph: Graph) -> _Digests:
    streams = streams_of(graph)
    digests, chains, entries = result = _Digests({}, {}, {})
    for node in walk(graph):
        entry = content(node, streams.get(node.call) if isinstance(node, Called) else None)
        operands = [digests[id(operand)] for operand in node.operands]
        if isinstance(node, Combined) and node.operator in _COMMUTATIVE:
            chains[id(node)] = counted = _chain(node, operands, chains)
            operands = sorted(counted)
            if len(operands) < counted.total():
                entry["times"] = [counted[operand] for operand in operands]
        if isinstance(node, Composed):
            operands = sorted(operands)
        digest = hashlib.sha256(_json({**entry, "of": operands}).encode()).hexdigest()
        digests[id(node)] = digest
        entries[digest] = entry, operands
    return result


def _chain(
    node: Combined, operands: Sequence[str], chains: Mapping[int, Counter[str]]
) -> Counter[str]:
    """The operands of a chain, without brackets: `a | (b | c)` has three."""
    counted: Counter[str] = Counter()
    for part, digest in zip(node.operands, operands, strict=True):
        nested = isinstance(part, Combined) and part.operator == node.operator
        counted.update(chains[id(part)] if nested else (digest,))
    return counted


def identity(graph: Graph) -> str:
    """SHA-256 of the canonical form, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(graph).encode()).hexdigest()


def content(node: Graph, stream: int | None) -> dict[str, Any]:
    """The content of a node without its operands, as plain data.

    Args:
        node: The node.
        stream: The stream of its call.
    """
    if isinstance(node, Called):
        signature = node.call.signature
        entry: dict[str, Any] = {"call": signature.name}
        if signature.version:
            entry["version"] = signature.version
        given = {
            parameter.name: _plain(value)
            for parameter in signature.parameters
            if (value := node.call.arguments[parameter.name]) != parameter.default
            and parameter.type is not SEED  # the stream depends on it
        }
        if given:
            entry["with"] = given
        if node.call.facts.draws:
            entry["stream"] = stream
        return entry
    if isinstance(node, Combined):
        return {"operator": node.operator}
    if isinstance(node, Scaled):
        return {"operator": "*", "by": _plain(node.factor)}
    if isinstance(node, Contrasted):
        return {"contrast": True}
    if isinstance(node, Composed):
        return {"operator": "@"}
    assert isinstance(node, Complement)
    return {"operator": "~"}


def _plain(value: object) -> object:
    """An argument as a JSON value."""
    if isinstance(value, Schedule):
        return {"schedule": value.kind, "ends": [value.start, value.end], "epochs": value.epochs}
    return {"sha256": value.digest} if isinstance(value, External) else value


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
