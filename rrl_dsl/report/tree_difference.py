"""How the trees of two recipes differ: what stays, goes and comes, each where it stands.

A part that both recipes have stays, in whatever order a union, an intersection or a sum names it,
and also where the other recipe puts something around it. What is left is paired with its like.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.streams import streams_of
from rrl_dsl.report.tree import tree_of
from rrl_dsl.show.tree import Branch

Mark = Literal[" ", "-", "+"]

_COMMUTATIVE: Final = ("union", "intersection", "sum")
_LOOKED_AT: Final = 64  # of thousands of operands, only so many are compared with each other
_NUMBER: Final = re.compile(r"#(\d+)(?:, as above| )")


class Line(NamedTuple):
    """One node of the two trees.

    Attributes:
        mark: ` ` where both have it, `-` where only the first, `+` where only the second.
        depth: How many nodes stand above it.
        label: The node.
    """

    mark: Mark
    depth: int
    label: str

    def __str__(self) -> str:
        return f"{self.mark} {'  ' * self.depth}{self.label}"


def tree_difference(one: Graph, other: Graph) -> list[Line]:
    """The nodes of both trees; none where the recipes are equal."""
    if one == other:
        return []
    keys: dict[object, int] = {}
    return list(_changes(_node(tree_of(one), {}, keys), _node(tree_of(other), {}, keys), 0))


class OutOfSight(NamedTuple):
    """What two recipes differ in and no tree shows.

    Attributes:
        files: Files of pairs, as both recipes name them, whose content differs.
        draws: Calls that both make, and that draw otherwise.
    """

    files: tuple[str, ...]
    draws: tuple[str, ...]


def out_of_sight(one: Graph, other: Graph) -> OutOfSight:
    """What two recipes differ in beside their trees."""
    files, draws = zip(_beneath(one), _beneath(other), strict=True)
    return OutOfSight(_changed(*files), _changed(*draws))


_Beneath = defaultdict[str, set[object]]


def _beneath(graph: Graph) -> tuple[_Beneath, _Beneath]:
    """The contents of the files by their names, and the streams of the calls by their texts."""
    files, draws = _Beneath(set), _Beneath(set)
    for call, stream in streams_of(graph).items():
        for value in call.arguments.values():
            if isinstance(value, Links):
                files[str(value)].add(value.digest)
        if call.facts.draws:
            draws[str(call)].add(stream)
    return files, draws


def _changed(one: _Beneath, other: _Beneath) -> tuple[str, ...]:
    """Names with something else beneath; what is only more or less of it shows in the tree."""
    both = (name for name in one if name in other)
    return tuple(each for each in both if one[each] - other[each] and other[each] - one[each])


class _Node(NamedTuple):
    """A node of a tree.

    Attributes:
        label: What stands on its line.
        kind: The same without arguments.
        key: Equal for nodes that are equal with all below them.
        children: The nodes below it.
        kinds: How often each kind is at or below it.
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
    if not label:  # stands for a part above
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


def _changes_below(one: _Node, other: _Node, depth: int) -> Iterator[Line]:
    """What changes among the operands of one operator."""
    if not one.children or other.kind in _COMMUTATIVE:
        yield from _changes_among(one.children, other.children, depth)
    else:  # of a difference, what is taken away may stand in any order
        yield from _changes(one.children[0], other.children[0], depth)
        yield from _changes_among(one.children[1:], other.children[1:], depth)


def _changes_among(one: Sequence[_Node], other: Sequence[_Node], depth: int) -> Iterator[Line]:
    """What changes among operands that may stand in any order."""
    equal = Counter(child.key for child in one) & Counter(child.key for child in other)
    left, stays = list[_Node](), equal.copy()
    for child in one:
        if stays[child.key]:
            stays[child.key] -= 1
        else:
            left.append(child)
    partners = list[tuple[_Node | None, _Node]]()
    for child in other:
        partner = None
        if equal[child.key]:
            equal[child.key] -= 1
            partner = child
        elif found := _most_alike(child, left[:_LOOKED_AT]):
            partner = left.pop(found[0])
        partners.append((partner, child))
    for child in left:
        yield from _whole("-", child, depth)
    for partner, child in partners:
        if partner is None:
            yield from _whole("+", child, depth)
        else:
            yield from _changes(partner, child, depth)


def _most_alike(node: _Node, others: Sequence[_Node]) -> tuple[int, int] | None:
    """Which of some nodes has most in common with a node, and how much; None where none has."""
    common = [(node.kinds & other.kinds).total() for other in others]
    best = max(common, default=0)
    return (common.index(best), best) if best else None


def _around(
    mark: Literal["-", "+"], node: _Node, others: Sequence[_Node], place: int, depth: int
) -> Iterator[Line]:
    """A node that became one of several operands, or was one of them."""
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
