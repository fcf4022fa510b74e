"""The columns of a plan for rows, in torch or NumPy; `arrays` is the module of functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rrl_dsl.graph import draws
from rrl_dsl.graph.plan import Column
from rrl_dsl.graph.stage import LookupTable


def column_of(
    arrays: Any,
    column: Column,
    rows: Any,
    before: Sequence[Any],
    scalars: Sequence[Any],
    lookups: Sequence[LookupTable],
) -> Any:
    """The values of a column without a stage, for rows: `rrl.Nodes` or the NumPy `Rows`.

    `before` holds the values of the preceding columns.

    Raises:
        RRLError: RRL401 or RRL417 if the rows lack a field that the column reads.
    """
    own = [scalars[scalar] for scalar in column.scalars]
    name = column.field or ""
    match column.kind:
        case "sample":
            return rows.sample
        case "view":
            return rows.view
        case "label":
            label = rows.label(name)
            return label if label.ndim == 2 else label[:, None]
        case "number":
            return rows.number(name)
        case "zero":
            return arrays.zeros_like(rows.sample)[:, None]
        case "vector":
            return rows.vector(name)
        case "slices":
            return arrays.slices(rows.vector(name))
        case "unit":
            return arrays.units(rows.vector(name))
        case "square":
            return arrays.squares(before[column.inputs[0]])
        case "sample_hash":
            return arrays.row_hash(rows.sample, None, *own)
        case "row_hash":
            return arrays.row_hash(rows.sample, rows.view, *own)
        case "drawn_label":
            label, drawn = (before[index] for index in column.inputs)
            return arrays.where((draws.upper(drawn) <= own[0])[:, None], label, -1)
        case "row":
            return arrays.positions(rows.sample)
    assert column.lookup is not None, column
    table = lookups[column.lookup]
    position = table.position(arrays, rows.sample)
    match column.kind:
        case "place":
            return position
        case "chosen_label":
            return arrays.where(position[:, None] >= 0, before[column.inputs[0]], -1)
        case "values":
            known = table.values[position]
            absent = arrays.full_like(known, float("nan"))
            return arrays.where(position[:, None] >= 0, known, absent)
    raise AssertionError(column)
