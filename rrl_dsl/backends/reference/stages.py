"""Which rows are nearest, which edges heaviest, which rows connected: in plain NumPy.

Lists are (u, k) places in the universe, -1 where there are fewer. Rows stand by (sample, view), so
a stable sort gives ties to the smaller one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends import arrays
from rrl_dsl.backends.arrays import Array, Ids, Mask
from rrl_dsl.backends.reference.rows import Rows
from rrl_dsl.graph.plan import Components, Heaviest, Nearest, Stage


class Batch(NamedTuple):
    """The u rows and columns of a call, each once.

    Attributes:
        rows: The rows.
        is_column: bool (u,), which of them are columns.
        weights: By instruction, its result for all pairs, (u, u).
    """

    rows: Rows
    is_column: Mask
    weights: Callable[[int], Array]

    @property
    def spaces(self) -> Mapping[str, Array]:
        """The rows' embeddings, (u, d), by space."""
        return self.rows.spaces


def column_of(stage: Stage, batch: Batch) -> Ids:
    """What a stage finds for each row."""
    match stage:
        case Nearest():
            return _nearest(stage, batch)
        case Heaviest():
            return np.array([_heaviest(row, stage.k) for row in batch.weights(stage.inner)])
        case Components():
            return _components(batch.weights(stage.inner) > 0)
    return np.asarray(stage.find(arrays, batch), dtype=np.int64)


def _heaviest(weights: Array, k: int) -> Ids:
    order = np.argsort(-weights.astype(np.float32), kind="stable")[:k]
    return np.where(weights[order] > 0, order, -1)


def _components(edges: Mask) -> Ids:
    """The smallest place in the component of each row."""
    # a path may go an edge either way
    reached = edges | edges.T | np.eye(len(edges), dtype=bool)
    while True:
        further = (reached.astype(np.float64) @ reached.astype(np.float64)) > 0
        if np.array_equal(further, reached):
            return np.asarray(reached.argmax(axis=1) if len(reached) else np.zeros(0, np.int64))
        reached = further


def _nearest(stage: Nearest, batch: Batch) -> Ids:
    """The k nearest that each row asks for; neither it nor the row it asks for is among them."""
    x = batch.rows.spaces[stage.space].astype(np.float64)
    there = np.asarray(np.isfinite(x).all(axis=1))
    offered = there & batch.is_column if stage.columns_alone else there
    asked = _next_view(batch.rows) if stage.of_other_view else np.arange(len(x))
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    lists = np.full((len(x), min(stage.k, max(len(x), 1))), -1, dtype=np.int64)
    for row, query in enumerate(asked):
        if query < 0 or not there[query]:
            continue
        others = np.flatnonzero(offered & ~np.isin(np.arange(len(x)), [query, row]))
        if stage.metric == "cosine":
            distance = 2.0 - (unit[others] * unit[query]).sum(axis=1)
        else:
            distance = np.sqrt(np.square(x[others] - x[query]).sum(axis=1))
        # equal vectors must have equal distances, whatever the order of a sum: 40 bits count
        mantissa, exponent = np.frexp(distance)
        distance = np.ldexp(np.round(mantissa * 2.0**40), exponent)
        near = others[np.argsort(distance, kind="stable")[: stage.k]]
        lists[row, : len(near)] = near
    return lists


def _next_view(rows: Rows) -> npt.NDArray[np.int64]:
    """(u,): the next view of the same sample, the first after the last; -1 for none."""
    sample, view = rows.sample, rows.view
    found = np.full(len(sample), -1)
    for row in range(len(sample)):
        views = np.flatnonzero(sample == sample[row])
        later = views[view[views] > view[row]]
        if len(views) > 1:
            found[row] = later[0] if len(later) else views[0]
    return found
