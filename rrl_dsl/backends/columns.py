"""What a plan prepares for each row, in torch or NumPy: `arrays` is the module of functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rrl_dsl.backends.lookups import Found
from rrl_dsl.graph import draws
from rrl_dsl.graph.plan import Column


def column_of(
    arrays: Any,
    column: Column,
    rows: Any,
    before: Sequence[Any],
    scalars: Sequence[Any],
    lookups: Sequence[Found],
) -> Any:
    """A column that takes no stage.

    Args:
        arrays: `rrl_dsl.backends.tensors` or `rrl_dsl.backends.arrays`.
        column: What to prepare.
        rows: The rows: `rrl.Nodes`, or `Rows` of NumPy columns.
        before: The columns before it.
        scalars: The plan's scalars.
        lookups: What its lookups found.

    Raises:
        RRLError: RRL401 or RRL417 where the rows lack a column that it reads.
    """
    own = [scalars[each] for each in column.scalars]
    name = column.field or ""
    match column.kind:
        case "sample":
            return rows.sample
        case "view":
            return rows.view
        case "label":
            return rows.label(name)
        case "number":
            return rows.number(name)
        case "zero":
            return arrays.zeros_like(rows.sample)
        case "vector":
            return rows.vector(name)
        case "slices":
            return arrays.slices(rows.vector(name))
        case "unit":
            return arrays.units(rows.vector(name))
        case "square":
            return arrays.squares(before[column.inputs[0]])
        case "sample_hash":
            return draws.row_hash(rows.sample, None, *own)
        case "row_hash":
            return draws.row_hash(rows.sample, rows.view, *own)
        case "drawn_label":
            label, drawn = (before[index] for index in column.inputs)
            return arrays.where(draws.within(drawn, *own), label, -1)
        case "row":
            return arrays.places(rows.sample)
    assert column.lookup is not None, column
    found = lookups[column.lookup]
    place = place_of(arrays, found, rows.sample)
    match column.kind:
        case "place":
            return place
        case "chosen_label":
            return arrays.where(place >= 0, before[column.inputs[0]], -1)
        case "precision":
            known = found.precision[place]
            return arrays.where(place[:, None] >= 0, known, arrays.full_like(known, float("nan")))
    raise AssertionError(column)


def place_of(arrays: Any, found: Found, sample: Any) -> Any:
    """Where samples stand among the ids, int64 (n,), -1 for nowhere."""
    if not len(found.ids):
        return arrays.full_like(sample, -1)
    place = arrays.searchsorted(found.ids, sample).clip(max=len(found.ids) - 1)
    return arrays.where(found.ids[place] == sample, place, -1)
