"""Graph -> weights, in NumPy, from the instructions of its plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends import arrays
from rrl_dsl.backends.arrays import Ids, Weights
from rrl_dsl.backends.columns import column_of
from rrl_dsl.backends.edge import edge_function
from rrl_dsl.backends.reference.rows import Rows
from rrl_dsl.backends.sample_graph import sample_columns
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.identity import in_order
from rrl_dsl.graph.planner import compile_plan
from rrl_dsl.graph.stage import BatchRows
from rrl_dsl.graph.streams import finished
from rrl_dsl.language.diagnostics import error


def evaluate(
    graph: Graph,
    rows: Rows,
    cols: Rows | None = None,
    *,
    seed: int = 0,
    epoch: int = 0,
    step: int = 0,
    dataset: Rows | None = None,
    few: bool = False,
) -> Weights:
    """The weights of all pairs, float32 (n, m), rounded after every operation.

    Args:
        graph: The recipe, without its contrast.
        rows: The rows.
        cols: The columns; defaults to the rows themselves.
        seed: The recipe's seed.
        epoch: The epoch.
        step: The optimizer step.
        dataset: All samples, for calls that need the whole dataset.
        few: Whether lookups may read only a part of the dataset, see `Lookup.subset`.

    Raises:
        RRLError: RRL401 or RRL417 if the rows lack a column, RRL403 if the recipe needs the dataset
            and it is not given, RRL421 if the dataset lacks a sample.
    """
    cols = rows if cols is None else cols
    universe, of_rows, of_cols = _universe(rows, cols)
    plan = compile_plan(in_order(finished(graph)), binary=False)
    scalars = [np.asarray(scalar.at(seed, epoch, step), scalar.dtype) for scalar in plan.scalars]
    samples = sample_columns(universe if dataset is None else dataset)
    wanted = universe.sample if few else None
    tables = []
    for lookup in plan.lookups:
        if lookup.bound and dataset is None:
            raise error(
                "RRL403", "this recipe depends on the whole dataset and is not bound to one"
            )
        tables.append(lookup.find(samples, seed, wanted))
        lookup.check_covered(tables[-1], arrays, universe.sample)
    everything = np.arange(len(universe))
    by_rows = lambda values: values(everything)  # noqa: E731
    first, is_column = np.ones(len(universe), bool), np.isin(everything, of_cols)
    columns: list[Any] = []

    def weights(instruction: int, of: Any = slice(None)) -> npt.NDArray[Any]:
        """The result of an instruction for some rows of the universe and all of its columns."""
        edge = edge_function(plan, instruction, arrays=arrays)
        i, j = [column[of, None] for column in columns], [column[None] for column in columns]
        shape = (len(columns[0][of]), len(columns[0]))
        return np.broadcast_to(edge(i, j, scalars, tables), shape)

    with np.errstate(all="ignore"):
        for column in plan.columns:
            if column.stage is None:
                columns.append(column_of(arrays, column, universe, columns, scalars, tables))
            else:
                spaces, inputs = universe.spaces, [columns[index] for index in column.inputs]
                batch = BatchRows(universe, spaces, first, is_column, by_rows, weights, inputs)
                columns.append(np.asarray(column.stage.find(arrays, batch), np.int64))
        return weights(plan.result)[np.ix_(of_rows, of_cols)]


def _universe(rows: Rows, cols: Rows) -> tuple[Rows, Ids, Ids]:
    """The distinct rows and columns, ordered by (sample, view), and the positions of both."""
    joined = Rows(
        np.concatenate([rows.sample, cols.sample]),
        np.concatenate([rows.view, cols.view]),
        _joined(rows.labels, cols.labels),
        _joined(rows.fields, cols.fields),
        _joined(rows.spaces, cols.spaces),
    )
    pairs = np.stack([joined.sample, joined.view], axis=1)
    _, first, place = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    place = place.reshape(-1)  # NumPy 2.0 returns (n, 1)
    return joined[first], place[: len(rows)], place[len(rows) :]


def _joined(
    one: Mapping[str, npt.NDArray[Any]], other: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[Any]]:
    return {name: np.concatenate([one[name], other[name]]) for name in one if name in other}
