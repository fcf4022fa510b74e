"""The reference backend: plain NumPy over pairs, slow and close to the language's definition.

It evaluates the graph itself, not its plan, so that it can hold the lowering to account. Every
other backend is tested against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from rrl_dsl.graph import draws
from rrl_dsl.graph.algebra import Applied, Call, Combined, Complement, Graph, Scaled, Source, walk
from rrl_dsl.graph.streams import streams_of

Weights = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Rows:
    """The rows of a batch as NumPy columns: int64 (n,) each."""

    sample: npt.NDArray[np.int64]
    view: npt.NDArray[np.int64]
    labels: Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Setting:
    """What an evaluation depends on beside the graph."""

    rows: Rows
    cols: Rows
    seed: int
    epoch: int
    step: int
    streams: Mapping[Call, int]
    dataset: Rows | None

    @property
    def same_row(self) -> Mask:
        """(n, m): whether i = j."""
        return _equal(self.rows.sample, self.cols.sample) & _equal(self.rows.view, self.cols.view)

    def key(self, call: Call) -> int:
        """The key of a stochastic call."""
        times = {"never": 0, "epoch": self.epoch, "step": self.step}
        time = times[str(call.arguments.get("redraw", "never"))]
        return draws.key(self.seed, self.streams[call], time)

    def pair_draws(self, call: Call) -> Words:
        """(n, m): the upper 31 bits of the hash of each pair."""
        per_row = call.arguments.get("unit", "sample") == "row"
        u, v = (
            row_hash(
                each.sample, each.view if per_row else np.zeros_like(each.view), self.key(call)
            )
            for each in (self.rows, self.cols)
        )
        return _unshifted(u[:, None] + v[None, :]) >> np.uint32(1)


def evaluate(
    graph: Graph,
    rows: Rows,
    cols: Rows | None = None,
    *,
    seed: int = 0,
    epoch: int = 0,
    step: int = 0,
    dataset: Rows | None = None,
) -> Weights:
    """The weights of all pairs, float64 (n, m).

    Args:
        graph: The finished recipe.
        rows: The rows.
        cols: The columns; the rows themselves where left out.
        seed: The recipe's seed.
        epoch: The epoch.
        step: The optimiser step.
        dataset: All samples, for calls that need the whole data set.
    """
    setting = Setting(rows, cols or rows, seed, epoch, step, streams_of(graph), dataset)
    results: dict[int, Weights] = {}
    for node in walk(graph):
        operands = [results[id(operand)] for operand in node.operands]
        results[id(node)] = _evaluate_node(node, operands, setting)
    return results[id(graph)]


def _evaluate_node(node: Graph, operands: list[Weights], setting: Setting) -> Weights:
    if isinstance(node, Source):
        edges = SOURCES[node.call.signature.name](node.call, setting)
        return edges.astype(np.float64)
    if isinstance(node, Applied):
        return TRANSFORMS[node.call.signature.name](node.call, operands[0], setting)
    if isinstance(node, Combined):
        result = operands[0]
        for operand in operands[1:]:
            result = _OPERATORS[node.operator](result, operand)
        return result
    if isinstance(node, Scaled):
        return node.factor * operands[0]
    assert isinstance(node, Complement)
    return np.where((operands[0] == 0) & ~setting.same_row, 1.0, 0.0)


_OPERATORS: Final[Mapping[str, Callable[[Weights, Weights], Weights]]] = {
    "|": np.maximum,
    "&": np.minimum,
    "+": np.add,
    "-": lambda a, b: np.where(b == 0, a, 0.0),
}


# sources: (call, setting) -> bool (n, m)


def _ssl(call: Call, setting: Setting) -> Mask:
    return _equal(setting.rows.sample, setting.cols.sample)


def _supervised(call: Call, setting: Setting) -> Mask:
    field = str(call.arguments["labels"])
    known = [
        (rows.labels[field] >= 0) & _labelled(call, rows, setting)
        for rows in (setting.rows, setting.cols)
    ]
    same = _equal(setting.rows.labels[field], setting.cols.labels[field])
    return same & known[0][:, None] & known[1][None, :]


def _labelled(call: Call, rows: Rows, setting: Setting) -> Mask:
    """Which rows are in the labelled subset."""
    if call.arguments["per_class"] is not None:
        return np.isin(rows.sample, sorted(_chosen(call, setting)))
    drawn = sample_draws(rows.sample, setting.key(call)).astype(np.int64)
    return drawn <= draws.threshold(cast(float, call.arguments["frac"]))


def _chosen(call: Call, setting: Setting) -> set[int]:
    assert setting.dataset is not None
    return chosen_samples(
        setting.dataset.sample,
        setting.dataset.labels[str(call.arguments["labels"])],
        cast(int, call.arguments["per_class"]),
        setting.key(call),
    )


def _random(call: Call, setting: Setting) -> Mask:
    limit = draws.threshold(cast(float, call.arguments["p"]))
    return (setting.pair_draws(call).astype(np.int64) <= limit) | setting.same_row


SOURCES: Final[Mapping[str, Callable[[Call, Setting], Mask]]] = {
    "ssl": _ssl,
    "supervised": _supervised,
    "random": _random,
    "none": lambda call, setting: np.zeros_like(setting.same_row),
    "all": lambda call, setting: np.ones_like(setting.same_row),
    "self": lambda call, setting: setting.same_row,
    "cross_view": lambda call, setting: ~_equal(setting.rows.view, setting.cols.view),
}


# transforms: (call, weights, setting) -> float64 (n, m)


def _corrupt(call: Call, weights: Weights, setting: Setting) -> Weights:
    arguments = call.arguments
    return _noise(call, weights, setting, _rate(arguments["tpr"]), _rate(arguments["fpr"]))


def _keep(call: Call, weights: Weights, setting: Setting) -> Weights:
    return _noise(call, weights, setting, _rate(call.arguments["p"]), -1)


def _noise(call: Call, weights: Weights, setting: Setting, stays: int, appears: int) -> Weights:
    drawn = setting.pair_draws(call).astype(np.int64)
    kept = np.where(drawn <= stays, weights, 0.0)
    added = np.where(drawn <= appears, 1.0, 0.0)
    return np.where(setting.same_row, weights, np.where(weights > 0, kept, added))


def _during(call: Call, weights: Weights, setting: Setting) -> Weights:
    start, end = call.arguments["start"], call.arguments["end"]
    active = cast(int, start) <= setting.epoch and (end is None or setting.epoch < cast(int, end))
    return weights if active else np.zeros_like(weights)


TRANSFORMS: Final[Mapping[str, Callable[[Call, Weights, Setting], Weights]]] = {
    "corrupt": _corrupt,
    "keep": _keep,
    "threshold": lambda call, weights, _: np.where(
        weights > cast(float, call.arguments["at"]), 1, 0
    ),
    "clip": lambda call, weights, _: np.minimum(weights, cast(float, call.arguments["max"])),
    "power": lambda call, weights, _: weights ** cast(float, call.arguments["p"]),
    "drop_self": lambda call, weights, setting: np.where(setting.same_row, 0.0, weights),
    "during": _during,
}


# draws


def sample_draws(sample: npt.NDArray[np.int64], key: int) -> Words:
    """(n,): the upper 31 bits of each sample's hash."""
    return row_hash(sample, np.zeros_like(sample), key) >> np.uint32(1)


def chosen_samples(
    sample: npt.NDArray[np.int64], label: npt.NDArray[np.int64], per_class: int, key: int
) -> set[int]:
    """The samples of each known class with the smallest draws; ties go to the smaller id."""
    ids, first = np.unique(sample, return_index=True)
    classes = label[first]
    drawn = sample_draws(ids, key)
    chosen: set[int] = set()
    for each in np.unique(classes[classes >= 0]):
        members = np.flatnonzero(classes == each)
        order = np.lexsort((ids[members], drawn[members]))
        chosen.update(ids[members[order[:per_class]]].tolist())
    return chosen


def row_hash(sample: npt.NDArray[np.int64], view: npt.NDArray[np.int64], key: int) -> Words:
    """(n,): the hash of each row under a key."""
    k = np.uint32(key)
    low, high = _low(sample), _low(sample >> 32)
    a = _mix(low ^ k)
    a = _mix(a + high + k)
    return _mix(a + _low(view) + k)


def _low(values: npt.NDArray[np.int64]) -> Words:
    return (values & draws.MASK).astype(np.uint32)


def _mix(x: Words) -> Words:
    x = _unshifted(x)
    return x ^ (x >> np.uint32(15))


def _unshifted(x: Words) -> Words:
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(draws.FIRST)
    x = x ^ (x >> np.uint32(15))
    return x * np.uint32(draws.SECOND)


def _rate(value: Any) -> int:
    return draws.threshold(float(value))


def _equal(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> Mask:
    return np.equal(a[:, None], b[None, :])
