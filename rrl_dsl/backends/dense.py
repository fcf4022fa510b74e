"""The dense backend: all pairs of rows x columns at once, in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Final, NamedTuple, cast

import torch
from torch import Tensor

from rrl_dsl.backends import tensors
from rrl_dsl.backends.columns import column_of
from rrl_dsl.backends.edge import edge_function
from rrl_dsl.backends.nodes import Nodes, in_order
from rrl_dsl.backends.processes import banded, banded_by_all
from rrl_dsl.backends.repeats import Repeats, Views, repeats_of
from rrl_dsl.graph.plan import Plan
from rrl_dsl.graph.stage import BatchRows, LookupTable

_CACHED_PAIRS: Final = 2**16
"""Pairs evaluated at once on a CPU, so that intermediate values stay in its cache."""
_BAND: Final = 1024
"""Rows of the universe for which a stage computes its values at once."""


class Inputs(NamedTuple):
    """The arguments of the edge function besides the columns of the plan."""

    scalars: Sequence[Tensor]
    lookups: Sequence[LookupTable]
    fused: bool


@dataclass(frozen=True)
class Prepared:
    """The columns of a plan for the rows and columns of a call. Evaluates any tile of pairs.

    Attributes:
        plan: The plan.
        rows: The columns of the plan for the rows, each (n, ...).
        cols: Those for the columns, each (m, ...); the same object if the columns are the rows.
        inputs: Scalars and lookups.
        views: The views and samples of the rows, if they are known and the columns are the rows.
    """

    plan: Plan
    rows: Sequence[Tensor]
    cols: Sequence[Tensor]
    inputs: Inputs
    views: Views | None = None

    @torch.no_grad()
    def weights(self, result: int, rows: slice = slice(None), cols: slice = slice(None)) -> Tensor:
        """The result of an instruction for all pairs of some rows and columns, (n, m)."""
        if rows == cols == slice(None) and (repeats := self.repeats(result)) is not None:
            edge = edge_function(self.plan, result)
            return repeats.weights(
                self.rows,
                lambda i, j: _evaluate(self.plan, result, i, j, self.inputs),
                lambda i, j: edge(i, j, self.inputs.scalars, self.inputs.lookups),
            )
        return _evaluate(
            self.plan,
            result,
            [column[rows] for column in self.rows],
            [column[cols] for column in self.cols],
            self.inputs,
        )

    @torch.no_grad()
    def weights_of_pairs(self, rows: slice, cols: slice) -> Tensor:
        """The weights of n rows, each with the column in its place, (n,)."""
        sides = (self.rows, rows), (self.cols, cols)
        i, j = ([column[part][:, None, None] for column in side] for side, part in sides)
        edge = edge_function(self.plan, self.plan.result)
        return cast(Tensor, edge(i, j, self.inputs.scalars, self.inputs.lookups)).flatten()

    def repeats(self, result: int) -> Repeats | None:
        """How the rows repeat for an instruction; None if that is unknown or does not pay off."""
        few = len(self.rows[0]) ** 2 <= _CACHED_PAIRS
        if few or self.views is None:
            return None
        return repeats_of(self.plan, result, self.rows, self.views)

    def restricted(self, rows: Tensor, cols: Tensor | slice = slice(None)) -> Prepared:
        """The columns for some rows and columns, int64 (r,) and (c,)."""
        of_rows = [column[rows] for column in self.rows]
        of_cols = [column[cols] for column in self.cols]
        return Prepared(self.plan, of_rows, of_cols, self.inputs)


@dataclass(frozen=True)
class Universe:
    """The rows and columns of a call, ordered by (sample, view), as in `BatchRows`.

    Attributes:
        nodes: The u rows and columns.
        spaces: Space -> their vectors (u, d).
        first: bool (u,), whether a row is the first of several equal ones.
        of_rows: int64 (n,), the position of each row; equal rows have that of the first.
        of_cols: int64 (m,), the position of each column.
    """

    nodes: Nodes
    spaces: Mapping[str, Tensor]
    first: Tensor
    of_rows: Tensor
    of_cols: Tensor

    def batch(
        self, weights: Callable[..., Tensor], inputs: Sequence[Tensor], *, shared: bool = False
    ) -> BatchRows:
        """The argument of a stage. If `shared`, all processes compute the stage together."""
        first = self.first
        is_column = torch.zeros_like(first).index_fill(0, self.of_cols, True)
        everything = torch.arange(len(first), device=first.device)
        computed = banded_by_all if shared else banded
        by_rows = partial(computed, rows=everything, height=_BAND)
        return BatchRows(self.nodes, self.spaces, first, is_column, by_rows, weights, inputs)


def universe(rows: Nodes, cols: Nodes, spaces: Mapping[str, tuple[Tensor, Tensor]]) -> Universe:
    """The universe of rows and columns. `spaces` has the vectors (n, d) and (m, d) of both."""
    alone = cols is rows
    nodes = rows if alone else rows.followed_by(cols)
    order, first = in_order(nodes.sample, nodes.view)
    nodes = nodes[order]
    here = torch.arange(len(order), device=order.device)
    leader = torch.where(first, here, 0).cummax(0).values
    place = torch.empty_like(order).scatter_(0, order, leader)
    vectors = {name: (q if alone else torch.cat([q, k]))[order] for name, (q, k) in spaces.items()}
    count = len(rows)
    return Universe(nodes, vectors, first, place[:count], place if alone else place[count:])


def scalars_of(
    plan: Plan, *, seed: int, epoch: int, step: int, device: torch.device
) -> list[Tensor]:
    """The plan's scalars for one call, each a tensor of shape () on the device."""
    return [_scalar(scalar.at(seed, epoch, step), scalar.dtype, device) for scalar in plan.scalars]


@lru_cache(maxsize=4096)
def _scalar(value: float, dtype: str, device: torch.device) -> Tensor:
    """A scalar on a device, created there: a copy from the host would synchronize."""
    with torch.inference_mode(False):
        return torch.full((), value, dtype=getattr(torch, dtype), device=device)


@torch.no_grad()
def prepare(
    plan: Plan,
    rows: Nodes,
    cols: Nodes,
    spaces: Mapping[str, tuple[Tensor, Tensor]],
    inputs: Inputs,
    *,
    shared: bool = False,
) -> Prepared:
    """Computes the columns of a plan for the rows and columns of a call.

    If `shared`, all processes prepare the same rows and share the work of stages.

    Raises:
        RRLError: RRL401 or RRL417 if the rows lack a column that the recipe reads.
    """
    if plan.staged:
        whole = universe(rows, cols, spaces)
        columns = _columns(plan, whole.nodes, inputs, whole, shared)
        of_rows = [column[whole.of_rows] for column in columns]
        of_cols = of_rows if cols is rows else [column[whole.of_cols] for column in columns]
    else:
        of_rows = _columns(plan, rows, inputs, None)
        of_cols = of_rows if cols is rows else _columns(plan, cols, inputs, None)
    views = rows.views if cols is rows and not shared else None
    return Prepared(plan, of_rows, of_cols, inputs, views)


def _columns(
    plan: Plan, nodes: Nodes, inputs: Inputs, whole: Universe | None, shared: bool = False
) -> list[Tensor]:
    columns: list[Tensor] = []

    def weights(instruction: int, rows: Tensor | slice = slice(None)) -> Tensor:
        return _evaluate(plan, instruction, [value[rows] for value in columns], columns, inputs)

    for column in plan.columns:
        if column.stage is None:
            values = column_of(tensors, column, nodes, columns, inputs.scalars, inputs.lookups)
        else:
            assert whole is not None
            of_stage = [columns[index] for index in column.inputs]
            batch = whole.batch(weights, of_stage, shared=shared)
            values = column.stage.result(tensors, batch, 2 if column.kind == "list" else 1)
        columns.append(values)
    return columns


def _evaluate(
    plan: Plan, result: int, rows: Sequence[Tensor], cols: Sequence[Tensor], inputs: Inputs
) -> Tensor:
    edge = edge_function(plan, result, inputs.fused)
    n, m = len(rows[0]), len(cols[0])
    columns = [column.unsqueeze(0) for column in cols]

    def part(of_rows: slice) -> Tensor:
        across = [column[of_rows].unsqueeze(1) for column in rows]
        weights: Tensor = edge(across, columns, inputs.scalars, inputs.lookups)
        return weights

    if rows[0].device.type == "cpu" and not inputs.fused and n * m > _CACHED_PAIRS:
        height = max(1, _CACHED_PAIRS // m)
        first = part(slice(height))
        if first.ndim:
            weights = first.new_empty((n, m))  # too little memory fails here, before the work
            weights[:height] = first
            for start in range(height, n, height):
                weights[start : start + height] = part(slice(start, start + height))
            return weights
    weights = part(slice(None))
    if weights.shape != (n, m):  # a constant: the caller may write to the result
        weights = weights.expand(n, m).clone(memory_format=torch.contiguous_format)
    return weights
