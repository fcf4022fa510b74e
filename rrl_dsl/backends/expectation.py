"""What to expect of a recipe's graph from the label counts of a data set, exactly, without a batch.

A pair of rows is of one of a few kinds: views of one sample or of two, the labels of each field
equal or not. Given its kind, a weight depends on draws alone, each a uniform number of which only
the interval between the recipe's probabilities matters. The expectation is a sum over kinds and
over the joint intervals; every array has one axis a draw, of length 1 where it does not depend
on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rrl_dsl.graph.algebra import Applied, Combined, Complement, Contrasted, Graph, Scaled, Source
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.denoise import adds_edges, without_false_edges
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.schedule import at_epoch
from rrl_dsl.graph.streams import finished
from rrl_dsl.graph.traverse import calls_of, walk

Values = npt.NDArray[np.float64]

MAX_CELLS: Final = 2_000_000
_MAX_FIELDS: Final = 8
_RATES: Final = {
    "supervised": ("frac",),
    "random": ("p",),
    "keep": ("p",),
    "corrupt": ("tpr", "fpr"),
}


@dataclass(frozen=True)
class Expected:
    """What to expect of a row of a batch; a row's pair with itself counts nowhere.

    Attributes:
        degree: The sum of its weights.
        edges: How many edges it has.
        density: The share of its pairs that are edges.
        beyond: How many of its edges lead to other samples.
        false: The share of edges that the recipe's noise adds; None where it adds none.
    """

    degree: float
    edges: float
    density: float
    beyond: float
    false: float | None


@dataclass(frozen=True)
class _Kind:
    """Pairs of rows that are alike: how many a row has, and what holds of them."""

    count: float
    same_sample: bool
    same_view: bool
    equal: frozenset[str]  # the label fields that are known of both and equal


def is_expected(graph: Graph) -> bool:
    """Whether label counts and draws are all that a recipe's graph depends on."""
    requires = requires_of(graph)
    known = requires.numbers or requires.vectors or requires.spaces or requires.bound
    names = {call.signature.name for call in calls_of(graph)}
    return not known and graph.scope == "pair" and "pairs" not in names


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
    clean = without_false_edges(graph) if adds_edges(graph) else None
    fields = requires_of(graph).labels
    if len(fields) > _MAX_FIELDS:
        return None
    degree = edges = beyond = false = total = 0.0
    for kind in _kinds({name: labels[name] for name in fields}, samples, views):
        draws = _Draws(graph, kind, epoch)
        if draws.cells > MAX_CELLS:
            return None
        weights = draws.weights(graph)
        share = draws.mean(weights > 0)
        degree += kind.count * draws.mean(weights)
        edges += kind.count * share
        total += kind.count
        beyond += 0.0 if kind.same_sample else kind.count * share
        if clean is not None:
            false += kind.count * draws.mean((weights > 0) & ~(draws.weights(clean) > 0))
    return Expected(
        degree=degree,
        edges=edges,
        density=edges / total if total else 0.0,
        beyond=beyond,
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

    def weights(self, graph: Graph) -> Values:
        """The weight for each joint interval of the draws it depends on."""
        found: dict[int, Values] = {}
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

    def _draws_of(self, call: Call) -> list[object]:
        """What a call draws for a pair: one number for the pair, or one for each sample."""
        times = {"epoch": self.epoch, "step": "step"}
        time = times.get(call.arguments.get("redraw", "never"), 0)
        if call.signature.name != "supervised":
            return [("pair", call.stream, time, call.arguments.get("unit", "sample"))]
        ends = ("i",) if self.kind.same_sample else ("i", "j")
        return [("sample", call.stream, end) for end in ends]

    def _rates(self, call: Call) -> list[float]:
        names = _RATES[call.signature.name]
        return [float(at_epoch(call.arguments[name], self.epoch)) for name in names]

    def _below(self, draw: object, rate: float) -> Values:
        """1 in the intervals of a draw that lie below a rate, along its axis."""
        shape = [1] * len(self.ends)
        axis = self.axes[draw]
        shape[axis] = -1
        return np.asarray(self.ends[axis] <= rate, dtype=np.float64).reshape(shape)

    def _weight(self, node: Graph, parts: list[Values]) -> Values:
        if isinstance(node, Source):
            return self._source(node.call)
        if isinstance(node, Applied):
            return self._transformed(node.call, parts[0])
        if isinstance(node, Combined):
            result = parts[0]
            for part in parts[1:]:
                match node.operator:
                    case "|":
                        result = np.maximum(result, part)
                    case "&":
                        result = np.minimum(result, part)
                    case "+":
                        result = result + part
                    case "-":
                        result = np.where(part == 0, result, 0.0)
            return result
        if isinstance(node, Scaled):
            return np.asarray(at_epoch(node.factor, self.epoch) * parts[0])
        assert isinstance(node, Complement)
        return np.asarray(parts[0] == 0, dtype=np.float64)

    def _source(self, call: Call) -> Values:
        one = np.ones([1] * len(self.ends))
        match call.signature.name:
            case "ssl":
                return one * self.kind.same_sample
            case "supervised":
                known = one * (call.arguments["labels"] in self.kind.equal)
                for draw in self._draws_of(call) if call.draws else ():
                    known = known * self._below(draw, self._rates(call)[0])
                return known
            case "random":
                return self._below(self._draws_of(call)[0], self._rates(call)[0])
            case "all":
                return one
            case "cross_view":
                return one * (not self.kind.same_view)
        return 0.0 * one  # `none`, and `self`: the pair is of two rows

    def _transformed(self, call: Call, weight: Values) -> Values:
        arguments = call.arguments
        match call.signature.name:
            case "corrupt" | "keep":
                if not call.draws:
                    return weight
                draw, *_ = self._draws_of(call)
                stays, *adds = self._rates(call)
                added = self._below(draw, adds[0]) if adds else np.zeros_like(weight)
                return np.where(weight > 0, weight * self._below(draw, stays), added)
            case "threshold":
                return np.asarray(weight > arguments["at"], dtype=np.float64)
            case "clip":
                return np.minimum(weight, arguments["max"])
            case "power":
                return np.asarray(weight ** at_epoch(arguments["p"], self.epoch))
            case "during":
                start, end = arguments["start"], arguments["end"]
                active = start <= self.epoch and (end is None or self.epoch < end)
                return weight if active else np.zeros_like(weight)
        return weight  # `drop_self`: the pair is of two rows
