"""The difference of the trees of two recipes: the nodes that are kept, removed and added.

A subtree that both recipes contain is kept, whatever the order of the operands of a union, an
intersection or a sum, and also if the other recipe wraps it in another node. The remaining nodes
are paired by similarity.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.links import External
from rrl_dsl.graph.streams import streams_of
from rrl_dsl.report.tree import tree_of
from rrl_dsl.show.tree import Branch

Mark = Literal[" ", "-", "+"]

_COMMUTATIVE: Final = ("union", "intersection", "sum")
_LOOKED_AT: Final = 64  # the number of operands to compare, of possibly thousands
_NUMBER: Final = re.compile(r"#(\d+)(?:, as above| )")


class Line(NamedTuple):
    """A node of the two trees.

    Attributes:
        mark: ` ` if both trees have the node, `-` if only the first has it, `+` if only the second.
        depth: The number of nodes above it.
        label: The text of the node.
    """

    mark: Mark
    depth: int
    label: str

    def __str__(self) -> str:
        return f"{self.mark} {'  ' * self.depth}{self.label}"


def tree_difference(one: Graph, other: Graph) -> list[Line]:
    """Returns the nodes of both trees; an empty list if the recipes are equal."""
    if one == other:
        return []
    keys: dict[object, int] = {}
    return list(_changes(_node(tree_of(one), {}, keys), _node(tree_of(other), {}, keys), 0))


class OutOfSight(NamedTuple):
    """Differences of two recipes that their trees do not show.

    Attributes:
        files: The names of files of pairs whose content differs.
        draws: The calls of both recipes that draw from different streams.
    """

    files: tuple[str, ...]
    draws: tuple[str, ...]


def out_of_sight(one: Graph, other: Graph) -> OutOfSight:
    """Returns the differences of two recipes that their trees do not show."""
    files, draws = zip(_beneath(one), _beneath(other), strict=True)
    return OutOfSight(_changed(*files), _changed(*draws))


_Beneath = defaultdict[str, set[object]]


def _beneath(graph: Graph) -> tuple[_Beneath, _Beneath]:
    """The digests of files by their names, and the streams of calls by their texts."""
    files, draws = _Beneath(set), _Beneath(set)
    for call, stream in streams_of(graph).items():
        for value in call.arguments.values():
            if isinstance(value, External):
                files[str(value)].add(value.digest)
        if call.facts.draws:
            draws[str(call)].add(stream)
    return files, draws


def _changed(one: _Beneath, other: _Beneath) -> tuple[str, ...]:
    """The names whose values differ; the trees show values that are only added or removed."""
    both = (name for name in one if name in other)
    return tuple(name for name in both if one[name] - other[name] and other[name] - one[name])


class _Node(NamedTuple):
    """A node of a tree.

    Attributes:
        label: The text of the node.
        kind: The text without arguments.
        key: A number that equal subtrees share.
        children: The nodes below it.
        kinds: The number of nodes of every kind in the subtree.
    """

    label: str
    kind: str
    key: int
    children: tuple[_Node, ...]
    kinds: Counter[str]


def _node(branch: Branch, numbered: dict[str, _Node], keys: dict[object, int]) -> _Node:
    children = tuple(_node(child, numbered, keys) for child in branch.children)
    number = _NUMBER.match(branch.label)
    label = branch.label if number is None else branch.label[number.end() :]
    kind = label.partition("(")[0]
    if not label:  # a reference to a subtree above
        assert number is not None
        return numbered[number[1]]._replace(label=branch.label, children=())
    kinds = sum((child.kinds for child in children), Counter({kind: 1}))
    below = [child.key for child in children]
    key = keys.setdefault((label, *(sorted(below) if label in _COMMUTATIVE else below)), len(keys))
    node = _Node(branch.label, kind, key, children, kinds)
    if number is not None:
        numbered[number[1]] = node
    return node


def _changes(one: _Node, other: _Node, depth: int) -> Iterator[Line]:
    if one.key == other.key:
        yield from _whole(" ", other, depth)
    elif (place := _child_with(one.key, other)) is not None:
        yield Line("+", depth, other.label)
        yield from _around("+", one, other.children, place, depth + 1)
    elif (place := _child_with(other.key, one)) is not None:
        yield Line("-", depth, one.label)
        yield from _around("-", other, one.children, place, depth + 1)
    elif one.kind == other.kind and bool(one.children) == bool(other.children):
        if one.label == other.label:
            yield Line(" ", depth, other.label)
        else:
            yield Line("-", depth, one.label)
            yield Line("+", depth, other.label)
        yield from _changes_below(one, other, depth + 1)
    else:
        within, without = _most_alike(one, other.children), _most_alike(other, one.children)
        if within is not None and (without is None or within[1] >= without[1]):
            yield Line("+", depth, other.label)
            yield from _around("+", one, other.children, within[0], depth + 1)
        elif without is not None:
            yield Line("-", depth, one.label)
            yield from _around("-", other, one.children, without[0], depth + 1)
        else:
            yield from _whole("-", one, depth)
            yield from _whole("+", other, depth)


def _child_with(key: int, node: _Node) -> int | None:
    """The index of the first operand of a node that is or contains a subtree."""
    return next((at for at, child in enumerate(node.children) if _contains(child, key)), None)


def _contains(node: _Node, key: int) -> bool:
    return node.key == key or any(_contains(child, key) for child in node.children)


def _changes_below(one: _Node, other: _Node, depth: int) -> Iterator[Line]:
    """The changes of the operands of an operator."""
    if not one.children or other.kind in _COMMUTATIVE:
        yield from _changes_among(one.children, other.children, depth)
    else:  # the operands that a difference subtracts may have any order
        yield from _changes(one.children[0], other.children[0], depth)
        yield from _changes_among(one.children[1:], other.children[1:], depth)


def _changes_among(one: Sequence[_Node], other: Sequence[_Node], depth: int) -> Iterator[Line]:
    """The changes of operands whose order does not matter."""
    equal = Counter(child.key for child in one) & Counter(child.key for child in other)
    removed, kept = list[_Node](), equal.copy()
    for child in one:
        if kept[child.key]:
            kept[child.key] -= 1
        else:
            removed.append(child)
    matches = list[tuple[_Node | None, _Node]]()
    for child in other:
        match = None
        if equal[child.key]:
            equal[child.key] -= 1
            match = child
        elif similar := _most_alike(child, removed[:_LOOKED_AT]):
            match = removed.pop(similar[0])
        matches.append((match, child))
    for child in removed:
        yield from _whole("-", child, depth)
    for match, child in matches:
        if match is None:
            yield from _whole("+", child, depth)
        else:
            yield from _changes(match, child, depth)


def _most_alike(node: _Node, others: Sequence[_Node]) -> tuple[int, int] | None:
    """The index of the node most similar to a node, and the similarity; None if all differ."""
    common = [(node.kinds & other.kinds).total() for other in others]
    best = max(common, default=0)
    return (common.index(best), best) if best else None


def _around(
    mark: Literal["-", "+"], node: _Node, others: Sequence[_Node], place: int, depth: int
) -> Iterator[Line]:
    """The changes of a node that became one of several operands, or was one of them."""
    for index, other in enumerate(others):
        if index != place:
            yield from _whole(mark, other, depth)
        elif mark == "+":
            yield from _changes(node, other, depth)
        else:
            yield from _changes(other, node, depth)


def _whole(mark: Mark, node: _Node, depth: int) -> Iterator[Line]:
    yield Line(mark, depth, node.label)
    for child in node.children:
        yield from _whole(mark, child, depth + 1)
