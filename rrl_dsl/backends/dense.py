"""The dense backend: all pairs of rows x columns at once, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, cast

import torch
from torch import Tensor

from rrl_dsl.backends import hashing, inner, ranking
from rrl_dsl.backends.edge import edge_function
from rrl_dsl.backends.lookups import Found, place_of
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.universe import Universe, universe
from rrl_dsl.graph.plan import (
    Active,
    Column,
    Components,
    Constant,
    Heaviest,
    Nearest,
    Plan,
    Scalar,
)


class Inputs(NamedTuple):
    """What a call gives the edge function beside its rows."""

    scalars: Sequence[Tensor]
    lookups: Sequence[Found]
    fused: bool


@dataclass(frozen=True)
class Prepared:
    """The columns of a call's rows and columns, from which any tile of pairs is evaluated."""

    plan: Plan
    rows: Sequence[Tensor]
    cols: Sequence[Tensor]
    inputs: Inputs

    @torch.no_grad()
    def weights(self, result: int, rows: slice = slice(None), cols: slice = slice(None)) -> Tensor:
        """The result of an instruction for all pairs of some rows and columns, (n, m)."""
        return _evaluate(
            self.plan,
            result,
            [column[rows] for column in self.rows],
            [column[cols] for column in self.cols],
            self.inputs,
        )

    def restricted(self, rows: Tensor, cols: Tensor) -> Prepared:
        """The same for some rows and columns, int64 (r,) and (c,)."""
        of_rows = [column[rows] for column in self.rows]
        return Prepared(self.plan, of_rows, [column[cols] for column in self.cols], self.inputs)


def scalars_of(
    plan: Plan, *, seed: int, epoch: int, step: int, device: torch.device
) -> list[Tensor]:
    """The plan's scalars for one call, each a tensor of shape () on the device."""
    return [
        _scalar(scalar.at(seed, epoch, step), _dtype(scalar), device) for scalar in plan.scalars
    ]


def _dtype(scalar: Scalar) -> torch.dtype:
    match scalar:
        case Constant(exact=exact):
            return torch.float64 if exact else torch.float32
        case Active():
            return torch.bool
    return torch.int64


@lru_cache(maxsize=4096)
def _scalar(value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A scalar on a device; filled there, since copying one from the host would wait."""
    with torch.inference_mode(False):
        return torch.full((), value, dtype=dtype, device=device)


@torch.no_grad()
def prepare(
    plan: Plan,
    rows: Nodes,
    cols: Nodes,
    spaces: Mapping[str, tuple[Tensor, Tensor]],
    inputs: Inputs,
) -> Prepared:
    """Computes what each row and column of a call needs once.

    Args:
        plan: The plan.
        rows: The n rows.
        cols: The m columns, perhaps the rows themselves.
        spaces: By space, the vectors of the rows and of the columns.
        inputs: Scalars and lookups.

    Raises:
        RRLError: RRL401 or RRL417 where the rows lack a column that the recipe reads.
    """
    if plan.staged:
        whole = universe(rows, cols, spaces)
        columns = _columns(plan, whole.nodes, inputs, whole)
        of_rows = [column[whole.of_rows] for column in columns]
        of_cols = of_rows if cols is rows else [column[whole.of_cols] for column in columns]
    else:
        of_rows = _columns(plan, rows, inputs, None)
        of_cols = of_rows if cols is rows else _columns(plan, cols, inputs, None)
    return Prepared(plan, of_rows, of_cols, inputs)


def _columns(plan: Plan, nodes: Nodes, inputs: Inputs, whole: Universe | None) -> list[Tensor]:
    columns: list[Tensor] = []
    for column in plan.columns:
        if column.stage is None:
            columns.append(_column(column, nodes, columns, inputs))
        else:
            assert whole is not None
            columns.append(_staged(plan, column, columns, inputs, whole))
    return columns


def _column(column: Column, nodes: Nodes, before: Sequence[Tensor], inputs: Inputs) -> Tensor:
    scalars = [inputs.scalars[each] for each in column.scalars]
    found = None if column.lookup is None else inputs.lookups[column.lookup]
    name = cast(str, column.field)
    match column.kind:
        case "sample":
            return nodes.sample
        case "view":
            return nodes.view
        case "label":
            return nodes.label(name)
        case "number":
            return nodes.number(name)
        case "vector":
            return nodes.vector(name)
        case "slices":
            return inner.slices(nodes.vector(name))
        case "unit":
            return inner.units(nodes.vector(name))
        case "square":
            return inner.squares(before[column.inputs[0]])
        case "sample_hash":
            return hashing.row_hash(nodes.sample, None, *scalars)
        case "row_hash":
            return hashing.row_hash(nodes.sample, nodes.view, *scalars)
        case "drawn_label":
            label, drawn = (before[index] for index in column.inputs)
            return torch.where(hashing.within(drawn, *scalars), label, -1)
        case "chosen_label":
            assert found is not None
            return torch.where(place_of(found, nodes.sample) >= 0, before[column.inputs[0]], -1)
        case "place":
            assert found is not None
            return place_of(found, nodes.sample)
        case "precision":
            assert found is not None
            place = place_of(found, nodes.sample)
            return torch.where(place[:, None] >= 0, found.precision[place], torch.nan)
        case "row":
            return torch.arange(len(nodes), device=nodes.device)
    raise AssertionError(column)


def _staged(
    plan: Plan, column: Column, before: Sequence[Tensor], inputs: Inputs, whole: Universe
) -> Tensor:
    stage = column.stage
    if isinstance(stage, Nearest):
        return ranking.nearest(stage, whole)
    assert isinstance(stage, Heaviest | Components)
    inner = stage.inner

    def weights(tile: Tensor) -> Tensor:
        return _evaluate(plan, inner, [each[tile] for each in before], before, inputs)

    if isinstance(stage, Heaviest):
        return ranking.heaviest(weights, stage.k, whole)
    return ranking.components(lambda tile: weights(tile) > 0, whole)


def _evaluate(
    plan: Plan, result: int, rows: Sequence[Tensor], cols: Sequence[Tensor], inputs: Inputs
) -> Tensor:
    edge = edge_function(plan, result, inputs.fused)
    weights = edge(
        [column.unsqueeze(1) for column in rows],
        [column.unsqueeze(0) for column in cols],
        inputs.scalars,
        inputs.lookups,
    )
    shape = (len(rows[0]), len(cols[0]))
    if weights.shape != shape:  # a constant: the caller gets memory of their own to write to
        weights = weights.expand(shape).clone(memory_format=torch.contiguous_format)
    return weights
