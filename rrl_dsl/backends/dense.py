"""The dense backend: all pairs of rows x columns at once, in torch.

`edge_function` writes a plan's instructions out as one Python function over tensors. Eager torch
runs it as it is; `torch.compile` fuses it into one kernel. Scalars enter as tensors, so neither a
new batch nor a new epoch nor a new parameter value compiles anything again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

import torch
from torch import Tensor

from rrl_dsl.backends import hashing
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.graph.plan import Column, Constant, Instruction, Plan

_LEAST: Final = torch.finfo(torch.float32).tiny

EdgeFunction = Callable[[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]], Tensor]


def scalars_of(
    plan: Plan, *, seed: int, epoch: int, step: int, device: torch.device
) -> list[Tensor]:
    """The plan's scalars for one call, each a tensor of shape () on the device."""
    return [
        _scalar(scalar.at(seed, epoch, step), isinstance(scalar, Constant), device)
        for scalar in plan.scalars
    ]


@lru_cache(maxsize=4096, typed=True)  # typed: the threshold 0 and the flag False are two tensors
def _scalar(value: float, real: bool, device: torch.device) -> Tensor:
    """A scalar on a device; filled there, since copying one from the host would wait."""
    dtype = torch.float32 if real else torch.bool if isinstance(value, bool) else torch.int64
    if real and 0 < value < _LEAST:
        value = _LEAST  # what is above 0 stays above 0 in float32
    with torch.inference_mode(False):
        return torch.full((), value, dtype=dtype, device=device)


def prepare(
    plan: Plan, nodes: Nodes, scalars: Sequence[Tensor], subsets: Sequence[Tensor]
) -> list[Tensor]:
    """The plan's columns for some rows, each int64 (n,).

    Raises:
        RRLError: RRL401 where the rows lack a label field.
    """
    columns: list[Tensor] = []
    for column in plan.columns:
        columns.append(_prepare_column(column, nodes, columns, scalars, subsets))
    return columns


def _prepare_column(
    column: Column,
    nodes: Nodes,
    columns: Sequence[Tensor],
    scalars: Sequence[Tensor],
    subsets: Sequence[Tensor],
) -> Tensor:
    match column.kind:
        case "sample":
            return nodes.sample
        case "view":
            return nodes.view
        case "label":
            return nodes.label(cast(str, column.field))
        case "sample_hash":
            return hashing.row_hash(nodes.sample, None, scalars[column.scalars[0]])
        case "row_hash":
            return hashing.row_hash(nodes.sample, nodes.view, scalars[column.scalars[0]])
        case "drawn_label":
            label, drawn = (columns[index] for index in column.inputs)
            known = hashing.within(drawn, scalars[column.scalars[0]])
        case "chosen_label":
            label = columns[column.inputs[0]]
            known = _contains(subsets[cast(int, column.subset)], nodes.sample)
    return torch.where(known, label, -1)


def _contains(ids: Tensor, sample: Tensor) -> Tensor:
    """Whether each sample is among sorted ids."""
    if not len(ids):
        return torch.zeros_like(sample, dtype=torch.bool)
    place = torch.searchsorted(ids, sample).clamp_(max=len(ids) - 1)
    return ids[place] == sample


def _same(i: Tensor, j: Tensor) -> Tensor:
    return (i == j) & (i >= 0)


def _finite(weights: Tensor) -> Tensor:
    """Weights that outgrow float32 stay at its largest number: infinity times 0 is no number."""
    return weights.clamp(max=torch.finfo(torch.float32).max)


_OPS: Final[Mapping[str, Callable[..., Tensor]]] = {
    "same": _same,
    "draw": hashing.pair_hash,
    "choose": torch.where,
    "within": hashing.within,
    "constant": lambda scalar: scalar,
    "both": torch.logical_and,
    "either": torch.logical_or,
    "negated": torch.logical_not,
    "number": lambda a: a.to(torch.float32),
    "largest": torch.maximum,
    "smallest": torch.minimum,
    "total": lambda a, b: _finite(a + b),
    "masked": lambda a, mask: torch.where(mask, a, 0.0),
    "times": lambda a, factor: _finite(a * factor),
    "at_most": torch.minimum,
    "raised": lambda a, exponent: _finite(torch.pow(a, exponent)),
    "above": torch.gt,
}


@lru_cache(maxsize=256)
def edge_function(instructions: tuple[Instruction, ...], result: int, fused: bool) -> EdgeFunction:
    """The pointwise function (rows, columns, scalars) -> (n, m) weights, broadcast.

    Args:
        instructions: Of a plan; plans that differ in scalars alone share one function.
        result: Which instruction is the weight.
        fused: Whether `torch.compile` makes one kernel of it.
    """
    scope: dict[str, object] = dict(_OPS)
    exec(compile(source(instructions, result), "<edge function>", "exec"), scope)  # our own text
    function = cast(EdgeFunction, scope["edge"])
    return cast(EdgeFunction, torch.compile(function, dynamic=True)) if fused else function


def source(instructions: Sequence[Instruction], result: int) -> str:
    """The edge function as Python text, one line for each instruction."""
    last_use = {value: at for at, each in enumerate(instructions) for value in each.values}
    lines = ["def edge(i, j, scalars):"]
    for position, instruction in enumerate(instructions):
        arguments = [f"v{value}" for value in instruction.values]
        if instruction.column is not None:
            arguments += [f"i[{instruction.column}]", f"j[{instruction.column}]"]
        arguments += [f"scalars[{scalar}]" for scalar in instruction.scalars]
        lines.append(f"    v{position} = {instruction.op}({', '.join(arguments)})")
        # eager torch would hold every (n, m) intermediate to the end otherwise
        dead = sorted({v for v in instruction.values if last_use[v] == position and v != result})
        lines += [f"    del {', '.join(f'v{value}' for value in dead)}"] if dead else []
    return "\n".join([*lines, f"    return v{result}"])


@torch.no_grad()
def evaluate(
    plan: Plan,
    rows: Nodes,
    cols: Nodes,
    scalars: Sequence[Tensor],
    subsets: Sequence[Tensor],
    *,
    fused: bool,
) -> Tensor:
    """The weights of all pairs.

    Returns:
        (n, m) on the rows' device: bool where the plan is binary, else float32.
    """
    row_columns = prepare(plan, rows, scalars, subsets)
    col_columns = row_columns if cols is rows else prepare(plan, cols, scalars, subsets)
    edge = edge_function(plan.instructions, plan.result, fused)
    weights = edge(
        [column.unsqueeze(1) for column in row_columns],
        [column.unsqueeze(0) for column in col_columns],
        scalars,
    )
    shape = (len(rows), len(cols))
    if weights.shape != shape:  # a constant: the caller gets memory of their own to write to
        weights = weights.expand(shape).clone(memory_format=torch.contiguous_format)
    return weights
