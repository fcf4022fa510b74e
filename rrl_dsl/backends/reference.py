"""Evaluation in NumPy, for pictures and figures, without torch.

It evaluates the graph as written, without rewriting, so that tests can check rewriting with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends import arrays
from rrl_dsl.backends.arrays import Ids, Vectors, Weights
from rrl_dsl.backends.columns import column_of
from rrl_dsl.backends.edge import edge_function
from rrl_dsl.backends.sample_graph import sample_columns
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.identity import in_order
from rrl_dsl.graph.planner import compile_plan
from rrl_dsl.graph.stage import BatchRows
from rrl_dsl.graph.streams import finished
from rrl_dsl.language.diagnostics import error


@dataclass(frozen=True)
class Rows:
    """The rows of a batch, or one row for each sample of a dataset.

    Attributes:
        sample: int64 (n,).
        view: int64 (n,).
        labels: Label field -> int64 (n,), or (n, k) for sets of labels; -1 where unknown.
        fields: Other fields -> numbers (n,) or vectors (n, d), NaN where missing.
        spaces: Space of the model -> float64 (n, d).
    """

    sample: Ids
    view: Ids
    labels: Mapping[str, Ids] = field(default_factory=dict)
    fields: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    spaces: Mapping[str, Vectors] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sample)

    def __getitem__(self, chosen: npt.NDArray[Any]) -> Rows:
        """Some of the rows, in the order asked for."""
        return Rows(
            self.sample[chosen],
            self.view[chosen],
            {name: column[chosen] for name, column in self.labels.items()},
            {name: column[chosen] for name, column in self.fields.items()},
            {name: column[chosen] for name, column in self.spaces.items()},
        )

    def label(self, name: str) -> Ids:
        """A label field.

        Raises:
            RRLError: RRL401 if the rows do not carry it.
        """
        if name not in self.labels:
            raise error("RRL401", f"the rows have no label field `{name}`")
        return self.labels[name]

    def number(self, name: str) -> npt.NDArray[Any]:
        """A number field, NaN where missing.

        Raises:
            RRLError: RRL401 if the rows do not carry it, RRL417 if it is a vector or a label.
        """
        if name in self.labels and name not in self.fields:
            raise error("RRL417", f"`{name}` is a label, but the recipe needs numbers or vectors")
        if name not in self.fields:
            raise error("RRL401", f"the rows have no field `{name}`")
        if self.fields[name].ndim != 1:
            raise error("RRL417", f"`{name}` is a field of vectors, but the recipe needs numbers")
        column = self.fields[name]
        return column if column.dtype.kind == "f" else column.astype(np.int64)

    def vector(self, name: str) -> Vectors:
        """A vector field, float64 (n, d).

        Raises:
            RRLError: RRL401 if the rows do not carry it, RRL417 if it is a label.
        """
        if name in self.fields and self.fields[name].ndim == 2:
            return self.fields[name].astype(np.float64)
        return self.number(name).astype(np.float64)[:, None]


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
        tables.append(lookup.table(samples, seed, wanted))
        lookup.check_covered(tables[-1], arrays, universe.sample)
    everything = np.arange(len(universe))
    first, is_column = np.ones(len(universe), bool), np.isin(everything, of_cols)
    columns: list[Any] = []

    def whole(values: Callable[[Ids], Any]) -> Any:  # in one band
        return values(everything)

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
                batch = BatchRows(universe, spaces, first, is_column, whole, weights, inputs)
                dimensions = 2 if column.kind == "list" else 1
                result = column.stage.result(arrays, batch, dimensions)
                columns.append(np.asarray(result, np.int64))
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
