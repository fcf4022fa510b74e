"""Graph -> weights, by the instructions of its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends import arrays, lookups
from rrl_dsl.backends.arrays import Weights
from rrl_dsl.backends.columns import column_of, place_of
from rrl_dsl.backends.edge import edge_function
from rrl_dsl.backends.lookups import Found
from rrl_dsl.backends.reference import stages
from rrl_dsl.backends.reference.rows import Rows
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.identity import in_order
from rrl_dsl.graph.lower import lower
from rrl_dsl.graph.plan import Active, Constant, Listed, Lookup, Plan, Scalar
from rrl_dsl.graph.streams import finished
from rrl_dsl.language.diagnostics import error

Find = Callable[[Lookup, Rows, int], Found]


def evaluate(
    graph: Graph,
    rows: Rows,
    cols: Rows | None = None,
    *,
    seed: int = 0,
    epoch: int = 0,
    step: int = 0,
    dataset: Rows | None = None,
    find: Find = lookups.find,
) -> Weights:
    """The weights of all pairs, float32 (n, m), rounded after every operation.

    Args:
        graph: The recipe; of a recipe with a contrast, its graph.
        rows: The rows.
        cols: The columns; the rows themselves where left out.
        seed: The recipe's seed.
        epoch: The epoch.
        step: The optimiser step.
        dataset: All samples, for calls that need the whole data set.
        find: What finds a lookup over the data set with a seed.

    Raises:
        RRLError: RRL401 or RRL417 where the rows lack a column, RRL403 where the data set is
            wanted and not known, RRL421 where it lacks a sample.
    """
    cols = rows if cols is None else cols
    universe, (of_rows, of_cols) = _universe(rows, cols)
    plan = lower(in_order(finished(graph)), binary=False)
    scalars = [_scalar(each, seed, epoch, step) for each in plan.scalars]
    found = [_found(each, dataset, seed, find, universe) for each in plan.lookups]
    of_pairs = _Pairs(plan, scalars, found)
    is_column = np.isin(np.arange(len(universe)), of_cols)
    columns: list[Any] = []
    with np.errstate(all="ignore"):
        for column in plan.columns:
            if column.stage is None:
                columns.append(column_of(arrays, column, universe, columns, scalars, found))
            else:
                batch = stages.Batch(universe, is_column, of_pairs.over(columns))
                columns.append(stages.column_of(column.stage, batch))
        return of_pairs.over(columns)(plan.result)[np.ix_(of_rows, of_cols)]


class _Pairs:
    """The results of instructions for all pairs of the universe."""

    def __init__(self, plan: Plan, scalars: Sequence[Any], found: Sequence[Found]) -> None:
        self.plan, self.scalars, self.found = plan, scalars, found

    def over(self, columns: Sequence[Any]) -> Callable[[int], npt.NDArray[Any]]:
        """By instruction, its result (u, u), from columns of the universe."""

        def result_of(instruction: int) -> npt.NDArray[Any]:
            edge = edge_function(self.plan, instruction, arrays=arrays)
            i, j = [each[:, None] for each in columns], [each[None, :] for each in columns]
            size = len(columns[0])
            return np.broadcast_to(edge(i, j, self.scalars, self.found), (size, size))

        return result_of


def _scalar(scalar: Scalar, seed: int, epoch: int, step: int) -> npt.NDArray[Any]:
    value = scalar.at(seed, epoch, step)
    match scalar:
        case Constant(exact=exact):
            return np.asarray(value, np.float64 if exact else np.float32)
        case Active():
            return np.asarray(value, np.bool_)
    return np.asarray(value, np.int64)


def _found(lookup: Lookup, dataset: Rows | None, seed: int, find: Find, universe: Rows) -> Found:
    if isinstance(lookup, Listed):
        return lookups.listed(lookup.links)
    if dataset is None:
        raise error("RRL403", "this recipe looks at the whole data set and knows none")
    found = find(lookup, dataset, seed)
    if lookup.covers_data_set:
        strange = universe.sample[place_of(arrays, found, universe.sample) < 0]
        if len(strange):
            raise error("RRL421", f"the data set has no sample {strange[0]}")
    return found


def _universe(rows: Rows, cols: Rows) -> tuple[Rows, list[npt.NDArray[np.int64]]]:
    """Every row and column once, by (sample, view), and where each of them stands there."""
    positions: dict[tuple[int, int], int] = {}
    both = [list(zip(r.sample.tolist(), r.view.tolist(), strict=True)) for r in (rows, cols)]
    for at, row in enumerate(both[0] + both[1]):
        positions.setdefault(row, at)
    order = sorted(positions)
    place = {row: at for at, row in enumerate(order)}
    chosen = np.array([positions[row] for row in order], dtype=np.int64)
    joined = Rows(
        np.concatenate([rows.sample, cols.sample]),
        np.concatenate([rows.view, cols.view]),
        _joined(rows.labels, cols.labels),
        _joined(rows.fields, cols.fields),
        _joined(rows.spaces, cols.spaces),
    )
    return joined[chosen], [np.array([place[row] for row in of], dtype=np.int64) for of in both]


def _joined(
    one: Mapping[str, npt.NDArray[Any]], other: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    return {name: np.concatenate([one[name], other[name]]) for name in one if name in other}
