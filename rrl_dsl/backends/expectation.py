"""What to expect of a recipe's graph from the label counts of a data set, exactly, without a batch.

A pair of rows is of one of a few kinds: views of one sample or of two, the labels of each field
equal or not. Given its kind, a weight depends on draws alone, each a uniform number of which only
the interval between the recipe's probabilities matters. The expectation is a sum over kinds and
over the joint intervals; every array has one axis a draw, of length 1 where it does not depend
on it. Weights are those of the reference backend, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends.weights import (
    Weights,
    above,
    clipped,
    raised,
    rounded,
    scaled,
    total,
)
from rrl_dsl.graph.algebra import Applied, Combined, Complement, Contrasted, Graph, Scaled, Source
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.denoise import adds_edges, without_false_edges
from rrl_dsl.graph.identity import in_order
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.schedule import at_epoch
from rrl_dsl.graph.streams import finished
from rrl_dsl.graph.traverse import calls_of, walk

MAX_CELLS: Final = 2_000_000
_MAX_FIELDS: Final = 8
_RATES: Final = ("frac", "p", "tpr", "fpr")
"""The arguments that draws are held against."""


@dataclass(frozen=True)
class Expected:
    """What to expect of a row of a batch; a row's pair with itself counts nowhere.

    Attributes:
        degree: The sum of its weights.
        edges: How many edges it has.
        density: The share of its pairs that are edges.
        false: The share of edges that the recipe's noise adds; None where it adds none.
    """

    degree: float
    edges: float
    density: float
    false: float | None


@dataclass(frozen=True)
class _Kind:
    """Pairs of rows that are alike: how many a row has, and what holds of them."""

    count: float
    same_sample: bool
    same_view: bool
    equal: frozenset[str]  # the label fields that are known of both and equal


def is_expected(graph: Graph) -> bool:
    """Whether label counts and draws are all that a recipe's graph depends on.

    Raises:
        NotImplementedError: Where this file does not know a built-in.
    """
    requires = requires_of(graph)
    known = requires.numbers or requires.vectors or requires.spaces or requires.bound
    rules = [_rule_of(call) for call in calls_of(graph)]
    return not known and graph.scope == "pair" and None not in rules


def expected(
    graph: Graph,
    labels: Mapping[str, npt.NDArray[Any]],
    *,
    samples: int,
    views: int,
    epoch: int = 0,
) -> Expected | None:
    """What to expect of a batch of samples drawn from a data set.

    Args:
        graph: The recipe; `is_expected` must hold of it.
        labels: Each label field that it reads -> the label of every sample (N,), -1 where unknown.
        samples: Samples a batch, at most N.
        views: Views of each.
        epoch: The epoch, for schedules.

    Returns:
        The expectations, or None where the recipe has too many draws to go through all.
    """
    graph = finished(graph.operands[0] if isinstance(graph, Contrasted) else graph)
    clean = in_order(without_false_edges(graph)) if adds_edges(graph) else None
    graph = in_order(graph)
    fields = requires_of(graph).labels
    if len(fields) > _MAX_FIELDS:
        return None
    degree = edges = false = pairs = 0.0
    for kind in _kinds({name: labels[name] for name in fields}, samples, views):
        draws = _Draws(graph, kind, epoch)
        if draws.cells > MAX_CELLS:
            return None
        weights = draws.weights(graph)
        degree += kind.count * draws.mean(weights)
        edges += kind.count * draws.mean(weights > 0)
        pairs += kind.count
        if clean is not None:
            false += kind.count * draws.mean((weights > 0) & ~(draws.weights(clean) > 0))
    return Expected(
        degree=degree,
        edges=edges,
        density=edges / pairs if pairs else 0.0,
        false=None if clean is None else false / edges if edges else 0.0,
    )


def _kinds(labels: Mapping[str, npt.NDArray[Any]], samples: int, views: int) -> Iterator[_Kind]:
    """The kinds of pairs that a row of a batch is in, on average over the rows."""
    names = list(labels)
    known = np.stack([labels[name] >= 0 for name in names]) if names else np.ones((0, 1), bool)
    patterns, counts = np.unique(known, axis=1, return_counts=True)
    for pattern, count in zip(patterns.T, counts, strict=True):
        equal = frozenset(name for name, here in zip(names, pattern, strict=True) if here)
        share = count / known.shape[1]
        yield _Kind((views - 1) * share, same_sample=True, same_view=False, equal=equal)
    for equal, share in _agreements(labels).items():
        others = (samples - 1) * share
        yield _Kind(others, same_sample=False, same_view=True, equal=equal)
        yield _Kind(others * (views - 1), same_sample=False, same_view=False, equal=equal)


def _agreements(labels: Mapping[str, npt.NDArray[Any]]) -> dict[frozenset[str], float]:
    """For each set of fields, the share of pairs of two samples that agree on them and no other."""
    names = list(labels)
    subsets = [frozenset(c) for size in range(len(names) + 1) for c in combinations(names, size)]
    agree = {subset: _agreement([labels[name] for name in sorted(subset)]) for subset in subsets}
    exactly: dict[frozenset[str], float] = {}
    for subset in reversed(subsets):  # the largest first
        wider = (share for other, share in exactly.items() if other > subset)
        exactly[subset] = agree[subset] - sum(wider)
    return exactly


def _agreement(columns: list[npt.NDArray[Any]]) -> float:
    """The share of pairs of two samples that agree on every column, each known."""
    if not columns:
        return 1.0
    total = len(columns[0])
    rows = np.stack(columns)
    _, counts = np.unique(rows[:, (rows >= 0).all(axis=0)], axis=1, return_counts=True)
    return float((counts * (counts - 1.0)).sum() / max(total * (total - 1.0), 1.0))


class _Draws:
    """The draws of a recipe for one kind of pair, and the weights as functions of them."""

    def __init__(self, graph: Graph, kind: _Kind, epoch: int) -> None:
        self.kind = kind
        self.epoch = epoch
        limits: dict[object, set[float]] = {}
        for call in calls_of(graph):
            if call.draws:
                for draw in self._draws_of(call):
                    limits.setdefault(draw, set()).update(self._rates(call))
        self.axes = {draw: axis for axis, draw in enumerate(limits)}
        # of each draw, the upper ends of its intervals
        self.ends = [np.array(sorted({*rates, 1.0} - {0.0})) for rates in limits.values()]
        self.cells = int(np.prod([len(each) for each in self.ends], dtype=np.float64))

    def weights(self, graph: Graph) -> Weights:
        """The weight for each joint interval of the draws it depends on."""
        found: dict[int, Weights] = {}
        for node in walk(graph):
            found[id(node)] = self._weight(node, [found[id(each)] for each in node.operands])
        return found[id(graph)]

    def mean(self, values: npt.NDArray[Any]) -> float:
        """The expectation of a function of the draws."""
        result = values.astype(np.float64)
        for axis, ends in enumerate(self.ends):
            if result.ndim and result.shape[axis] > 1:
                lengths = np.diff(ends, prepend=0.0)
                result = np.tensordot(result, lengths, axes=(axis, 0))
                result = np.expand_dims(result, axis)
        return float(result.reshape(-1)[0])

    def everywhere(self, truth: bool) -> Weights:
        """Weight 1 or 0 whatever is drawn."""
        return np.full([1] * len(self.ends), np.float32(truth))

    def below(self, call: Call, parameter: str) -> Weights:
        """Weight 1 in the intervals of all draws of a call that lie below one of its rates."""
        rate = at_epoch(call.arguments[parameter], self.epoch)
        if not call.draws:
            return self.everywhere(rate > 0)
        result = self.everywhere(True)
        for draw in self._draws_of(call):
            axis = self.axes[draw]
            shape = [1] * len(self.ends)
            shape[axis] = -1
            result = result * (self.ends[axis] <= rate).reshape(shape).astype(np.float32)
        return result

    def _draws_of(self, call: Call) -> list[object]:
        """What a call draws for a pair: one number for the pair, or one for each sample."""
        times = {"epoch": self.epoch, "step": "step"}
        time = times.get(call.arguments.get("redraw", "never"), 0)
        if call.signature.name != "supervised":
            return [("pair", call.stream, time, call.arguments.get("unit", "sample"))]
        ends = ("i",) if self.kind.same_sample else ("i", "j")
        return [("sample", call.stream, end) for end in ends]

    def _rates(self, call: Call) -> list[float]:
        given = (call.arguments[name] for name in _RATES if name in call.arguments)
        return [float(at_epoch(rate, self.epoch)) for rate in given]

    def _weight(self, node: Graph, parts: list[Weights]) -> Weights:
        if isinstance(node, Source | Applied):
            rule = _rule_of(node.call)
            assert rule is not None  # or nothing is expected of the graph
            return rule(node.call, *parts, self)
        if isinstance(node, Combined):
            result = parts[0]
            for part in parts[1:]:
                match node.operator:
                    case "|":
                        result = np.maximum(result, part)
                    case "&":
                        result = np.minimum(result, part)
                    case "+":
                        result = total(result, part)
                    case "-":
                        result = np.where(part == 0, result, np.float32(0))
            return result
        if isinstance(node, Scaled):
            return scaled(parts[0], node.factor, self.epoch)
        assert isinstance(node, Complement)
        return rounded(parts[0] == 0)


# sources: (call, draws) -> weights of a pair of two rows


def _supervised(call: Call, draws: _Draws) -> Weights:
    equal = call.arguments["labels"] in draws.kind.equal
    return draws.everywhere(equal) * draws.below(call, "frac")


# transforms: (call, weights, draws) -> weights


def _corrupt(call: Call, weights: Weights, draws: _Draws) -> Weights:
    return np.where(weights > 0, weights * draws.below(call, "tpr"), draws.below(call, "fpr"))


def _during(call: Call, weights: Weights, draws: _Draws) -> Weights:
    start, end = call.arguments["start"], call.arguments["end"]
    active = start <= draws.epoch and (end is None or draws.epoch < end)
    return weights if active else np.zeros_like(weights)


SOURCES: Final[Mapping[str, Callable[[Call, _Draws], Weights] | None]] = {
    "ssl": lambda call, draws: draws.everywhere(draws.kind.same_sample),
    "supervised": _supervised,
    "pairs": None,
    "near": None,
    "similarity": None,
    "geodesic": None,
    "knn": None,
    "random": lambda call, draws: draws.below(call, "p"),
    "none": lambda call, draws: draws.everywhere(False),
    "all": lambda call, draws: draws.everywhere(True),
    "self": lambda call, draws: draws.everywhere(False),  # the pair is of two rows
    "cross_view": lambda call, draws: draws.everywhere(not draws.kind.same_view),
}
"""What each source is to a pair of two rows; None where that takes more than labels and draws."""

TRANSFORMS: Final[Mapping[str, Callable[[Call, Weights, _Draws], Weights] | None]] = {
    "corrupt": _corrupt,
    "keep": lambda call, weights, draws: weights * draws.below(call, "p"),
    "threshold": lambda call, weights, _: rounded(above(weights, call.arguments["at"])),
    "clip": lambda call, weights, _: clipped(weights, call.arguments["max"]),
    "power": lambda call, weights, draws: raised(weights, call.arguments["p"], draws.epoch),
    "topk": None,
    "closure": None,
    "during": _during,
    "drop_self": lambda call, weights, draws: weights,  # the pair is of two rows
}
"""What each transform does to its weight; None where that takes the whole batch."""


def _rule_of(call: Call) -> Callable[..., Weights] | None:
    name = call.signature.name
    rules: Mapping[str, Callable[..., Weights] | None] = {**SOURCES, **TRANSFORMS}
    if name not in rules:
        message = f"nothing is expected of `{name}`: add it to rrl_dsl/backends/expectation.py"
        raise NotImplementedError(message)
    return rules[name]
