"""Exact expectations of the graph of a recipe, computed from label counts without a batch.

There are only a few kinds of pairs of rows: views of the same sample or of two samples, with equal
or different labels. For a given kind, a weight depends only on uniform draws, and only on the
intervals between the probabilities of the recipe that they fall into. The expectation is a sum over
kinds and joint intervals. Every array has an axis per draw, of length 1 if it does not depend on
the draw. The instructions of a plan compute the weights, as in the other backends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends import arrays
from rrl_dsl.graph.algebra import Contrasted, Graph
from rrl_dsl.graph.identity import in_order
from rrl_dsl.graph.operations import OPERATIONS
from rrl_dsl.graph.plan import Constant, Instruction, Key, Plan, Scalar, Threshold
from rrl_dsl.graph.planner import compile_plan
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.schedule import at_epoch
from rrl_dsl.graph.streams import adds_edges, finished, without_false_edges

MAX_CELLS: Final = 2_000_000
_MAX_FIELDS: Final = 8
_COLUMNS: Final = frozenset(
    {"sample", "view", "label", "zero", "sample_hash", "row_hash", "drawn_label"}
)
"""The kinds of columns that depend only on labels and draws."""

Array = npt.NDArray[Any]
Draw = tuple[object, ...]


@dataclass(frozen=True)
class Expected:
    """Expectations for a row of a batch, without its pair with itself.

    Attributes:
        degree: The sum of its weights.
        edges_per_row: The number of its edges.
        density: The fraction of its pairs that are edges.
        false: The fraction of edges that noise adds; None if the recipe adds no noise.
    """

    degree: float
    edges_per_row: float
    density: float
    false: float | None


@dataclass(frozen=True)
class _Kind:
    """A kind of pairs of rows: the number of such pairs per row, and their properties."""

    count: float
    same_sample: bool
    same_view: bool
    equal: frozenset[str]  # the labels that are known and equal


def is_expected(graph: Graph) -> bool:
    """Whether the graph of a recipe depends only on labels and draws."""
    plan = compile_plan(finished(graph), binary=False)
    known = all(column.kind in _COLUMNS for column in plan.columns)
    return known and not plan.lookups and not any(x.op == "jaccard" for x in plan.instructions)


def expected(
    graph: Graph,
    labels: Mapping[str, npt.NDArray[Any]],
    *,
    samples: int,
    views: int,
    epoch: int = 0,
) -> Expected | None:
    """Returns the expectations for a random batch of samples of a dataset.

    Args:
        graph: The recipe, for which `is_expected` must be true.
        labels: Label name -> the label of every sample, (N,); -1 is unknown.
        samples: The number of samples per batch, at most N.
        views: The number of views per sample.
        epoch: The epoch, for schedules.

    Returns:
        The expectations; None if the recipe has too many draws or labels, or reads a field with
        several labels per sample.
    """
    graph = finished(graph.operands[0] if isinstance(graph, Contrasted) else graph)
    plans = [compile_plan(in_order(graph), binary=False)]
    if adds_edges(graph):
        plans.append(compile_plan(in_order(without_false_edges(graph)), binary=False))
    fields = requires_of(graph).labels
    if len(fields) > _MAX_FIELDS or any(labels[name].ndim > 1 for name in fields):
        return None
    degree = edges = false = pairs = 0.0
    for kind in _kinds({name: labels[name] for name in fields}, samples, views):
        draws = _Draws(plans, kind, epoch)
        if draws.cells > MAX_CELLS:
            return None
        weights, *clean = (draws.weights(plan) for plan in plans)
        degree += kind.count * draws.mean(weights)
        edges += kind.count * draws.mean(weights > 0)
        pairs += kind.count
        if clean:
            false += kind.count * draws.mean((weights > 0) & ~(clean[0] > 0))
    return Expected(
        degree=degree,
        edges_per_row=edges,
        density=edges / pairs if pairs else 0.0,
        false=None if len(plans) == 1 else false / edges if edges else 0.0,
    )


def _kinds(labels: Mapping[str, npt.NDArray[Any]], samples: int, views: int) -> Iterator[_Kind]:
    """The kinds of pairs of a row of a batch, averaged over the rows."""
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
    """Set of labels -> fraction of pairs of samples whose equal labels are exactly these."""
    names = list(labels)
    subsets = [frozenset(c) for size in range(len(names) + 1) for c in combinations(names, size)]
    agree = {subset: _agreement([labels[name] for name in sorted(subset)]) for subset in subsets}
    exactly: dict[frozenset[str], float] = {}
    for subset in reversed(subsets):  # the largest first
        wider = (share for other, share in exactly.items() if other > subset)
        exactly[subset] = agree[subset] - sum(wider)
    return exactly


def _agreement(columns: list[npt.NDArray[Any]]) -> float:
    """The fraction of pairs of samples with known and equal values in all columns."""
    if not columns:
        return 1.0
    total = len(columns[0])
    rows = np.stack(columns)
    _, counts = np.unique(rows[:, (rows >= 0).all(axis=0)], axis=1, return_counts=True)
    return float((counts * (counts - 1.0)).sum() / max(total * (total - 1.0), 1.0))


class _Draws:
    """The draws of plans for a kind of pairs, and the weights as functions of the draws."""

    def __init__(self, plans: Sequence[Plan], kind: _Kind, epoch: int) -> None:
        self.kind = kind
        self.epoch = epoch
        limits: dict[Draw, set[float]] = {}
        for plan in plans:
            for draw, rates in self._compared(plan):
                limits.setdefault(draw, set()).update(rates)
        self.axes = {draw: axis for axis, draw in enumerate(limits)}
        # the upper ends of the intervals of every draw
        self.ends = [np.array(sorted({*rates, 1.0} - {0.0})) for rates in limits.values()]
        self.cells = int(np.prod([len(ends) for ends in self.ends], dtype=np.float64))

    def weights(self, plan: Plan) -> Array:
        """Returns the weight for every joint interval of the draws."""
        results: dict[int, Array] = {}
        with np.errstate(all="ignore"):
            for at in plan.needed(plan.result):
                results[at] = self._result(plan, plan.instructions[at], results)
        return results[plan.result]

    def mean(self, values: Array) -> float:
        """Returns the expectation of a function of the draws."""
        result = values.astype(np.float64)
        for axis, ends in enumerate(self.ends):
            if result.ndim and result.shape[axis] > 1:
                lengths = np.diff(ends, prepend=0.0)
                result = np.tensordot(result, lengths, axes=(axis, 0))
                result = np.expand_dims(result, axis)
        return float(result.reshape(-1)[0])

    def _compared(self, plan: Plan) -> Iterator[tuple[Draw, list[float]]]:
        """Every draw with the probabilities that it is compared with."""
        for instruction in plan.instructions:
            if instruction.op == "within":
                draw, *limits = (plan.instructions[at] for at in instruction.values)
                scalars = limits[0].scalars if limits else instruction.scalars
                yield self._draws(plan, draw.columns[0])[0], self._rates(plan, scalars)
        for at, column in enumerate(plan.columns):
            if column.kind == "drawn_label":
                for draw_of_sample in self._draws(plan, at):
                    yield draw_of_sample, self._rates(plan, column.scalars)

    def _rates(self, plan: Plan, scalars: Sequence[int]) -> list[float]:
        return [float(self._scalar(plan.scalars[index])) for index in scalars]

    def _draws(self, plan: Plan, at: int) -> list[Draw]:
        """The draws of a column for a pair: one for the pair, or one for every sample."""
        column = plan.columns[at]
        if column.kind == "drawn_label":
            (pair,) = self._draws(plan, column.inputs[1])
            ends = ("i",) if self.kind.same_sample else ("i", "j")
            return [(*pair, end) for end in ends]
        key = plan.scalars[column.scalars[0]]
        assert isinstance(key, Key)
        time = {"never": 0, "epoch": self.epoch, "step": "step"}[key.redraw]
        return [(key.stream, time, column.kind)]

    def _scalar(self, scalar: Scalar) -> float:
        if isinstance(scalar, Threshold):
            return at_epoch(scalar.probability, self.epoch)
        return scalar.at(0, self.epoch, 0)

    def _result(self, plan: Plan, instruction: Instruction, results: Mapping[int, Array]) -> Array:
        if instruction.op in ("same", "share"):
            return self._same(plan, instruction.columns[0])
        if instruction.op == "draw":
            (draw,) = self._draws(plan, instruction.columns[0])
            return self._along(self.axes[draw])
        values = [results[at] for at in instruction.values]
        scalars = [self._constant(plan.scalars[index]) for index in instruction.scalars]
        if instruction.op == "within":  # the upper end of its interval represents a draw
            end, limit = (*values, *scalars)
            return np.asarray(end <= limit)
        return np.asarray(OPERATIONS[instruction.op].run(arrays, *values, *scalars))

    def _constant(self, scalar: Scalar) -> Array:
        value = self._scalar(scalar)
        dtype = np.float32 if isinstance(scalar, Constant) else None  # the type of weights
        return np.full([1] * len(self.ends), value, dtype)

    def _same(self, plan: Plan, at: int) -> Array:
        """Whether both rows have the same value in a column."""
        column = plan.columns[at]
        if column.kind == "drawn_label":
            result = self._same(plan, column.inputs[0])
            rate = self._rates(plan, column.scalars)[0]
            for draw in self._draws(plan, at):
                result = result & (self._along(self.axes[draw]) <= rate)
            return result
        known = {
            "sample": self.kind.same_sample,
            "view": self.kind.same_view,
            "label": column.field in self.kind.equal,
            "zero": True,
        }
        return np.full([1] * len(self.ends), known[column.kind])

    def _along(self, axis: int) -> Array:
        """The upper ends of the intervals of a draw, along its axis."""
        shape = [1] * len(self.ends)
        shape[axis] = -1
        return self.ends[axis].reshape(shape)
