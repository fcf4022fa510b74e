"""The edge function: a plan's instructions as one Python function over tensors.

Eager torch runs it as it is; `torch.compile` fuses it into one kernel. Scalars enter as tensors, so
neither a new batch nor a new epoch nor a new parameter value compiles anything again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, cast

import torch
from torch import Tensor

from rrl_dsl.backends import hashing
from rrl_dsl.backends.inner import inner
from rrl_dsl.backends.lookups import Found
from rrl_dsl.graph.plan import Instruction, Plan
from rrl_dsl.graph.weights import LARGEST, ORTHOGONAL

EdgeFunction = Callable[
    [Sequence[Tensor], Sequence[Tensor], Sequence[Tensor], Sequence[Found]], Tensor
]
"""(columns of the rows, columns of the columns, scalars, lookups) -> weights, broadcast."""

_Options = dict[str, str | int | bool | Callable[..., object]]


def edge_function(plan: Plan, result: int, fused: bool) -> EdgeFunction:
    """The pointwise function of a pair that one instruction of a plan is the result of.

    Args:
        plan: The plan; plans that differ in scalars alone share one function.
        result: The instruction.
        fused: Whether `torch.compile` makes one kernel of it.
    """
    return _compiled(source(plan, result), fused)


@lru_cache(maxsize=256)
def _compiled(text: str, fused: bool) -> EdgeFunction:
    scope: dict[str, object] = dict(_OPS)
    exec(compile(text, "<edge function>", "exec"), scope)  # our own text
    function = cast(EdgeFunction, scope["edge"])
    if not fused:
        return function
    # else a GPU makes a multiplication and an addition one operation, and rounds once
    exactly: _Options = {"emulate_precision_casts": True}
    return cast(EdgeFunction, torch.compile(function, dynamic=True, options=exactly))


def source(plan: Plan, result: int) -> str:
    """The edge function as Python text, one line for each instruction that it needs."""
    needed = plan.needed(result)
    last_use = {value: at for at in needed for value in plan.instructions[at].values}
    lines = ["def edge(i, j, scalars, lookups):"]
    for position in needed:
        lines.append(f"    v{position} = {_call(plan.instructions[position])}")
        # eager torch would hold every (n, m) intermediate to the end otherwise
        values = plan.instructions[position].values
        dead = sorted({v for v in values if last_use[v] == position and v != result})
        lines += [f"    del {', '.join(f'v{value}' for value in dead)}"] if dead else []
    return "\n".join([*lines, f"    return v{result}"])


def _call(instruction: Instruction) -> str:
    arguments = [f"v{value}" for value in instruction.values]
    for column in instruction.columns:
        arguments += [f"i[{column}]", f"j[{column}]"]
    arguments += [f"scalars[{scalar}]" for scalar in instruction.scalars]
    if instruction.lookup is not None:
        arguments.append(f"lookups[{instruction.lookup}]")
    return f"{instruction.op}({', '.join(arguments)})"


# Columns come as (n, 1) and (1, m), vectors as (n, 1, d) and (1, m, d), sliced (n, 1, 3, d).


def _same(i: Tensor, j: Tensor) -> Tensor:
    return (i == j) & (i >= 0)


def _finite(weights: Tensor) -> Tensor:
    """Weights that outgrow float32 stay at its largest number: infinity times 0 is no number."""
    return weights.clamp(max=LARGEST)


def _raised(weights: Tensor, exponent: Tensor) -> Tensor:
    # in float64: the last bit of a float32 power is not the same on every device
    return _finite(torch.pow(weights.double(), exponent.double())).to(torch.float32)


def _near(i: Tensor, j: Tensor, within: Tensor) -> Tensor:
    return (i - j).abs() <= within


def _weight(x: Tensor) -> Tensor:
    """Float64 of a kernel as a weight: missing vectors make NaN, and NaN and less than 0 make 0."""
    return _finite(torch.where(x > 0, x, 0.0)).to(torch.float32)


def _inner(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor) -> tuple[Tensor, Tensor]:
    """Inner products of sliced vectors, and the products of their lengths, in units of both."""
    product, lengths = inner(i.squeeze(1), j.squeeze(0)), (of_i * of_j).sqrt()
    return torch.where(product.abs() <= ORTHOGONAL * lengths, 0.0, product), lengths


def _cosines(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor) -> Tensor:
    product, lengths = _inner(i, j, of_i, of_j)
    return product / lengths.clamp(min=1.0)  # less than 1 is 0


def _squared(i: Tensor, j: Tensor) -> Tensor:
    mode = "donot_use_mm_for_euclid_dist"  # no cancellation
    return torch.cdist(i.squeeze(1), j.squeeze(0), compute_mode=mode).square()


def _cosine(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor, temperature: Tensor) -> Tensor:
    return _weight(_cosines(i, j, of_i, of_j) / temperature)


def _dot(
    i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor, unit_i: Tensor, unit_j: Tensor, t: Tensor
) -> Tensor:
    return _weight(_inner(i, j, of_i, of_j)[0] * (unit_i * unit_j) / t)


def _exponential(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor, temperature: Tensor) -> Tensor:
    # rounding may lift a cosine above 1
    cosines = _cosines(i, j, of_i, of_j)
    return _weight(torch.exp(((cosines - 1.0) / temperature).clamp(max=0.0)))


def _gaussian(i: Tensor, j: Tensor, bandwidth: Tensor) -> Tensor:
    return _weight(torch.exp(-_squared(i, j) / (2.0 * bandwidth.square())))


def _affinity(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor) -> Tensor:
    distance = _squared(i, j)
    return _weight(_given(distance, of_i) + _given(distance, of_j))


def _given(distance: Tensor, of: Tensor) -> Tensor:
    """One side of the joint probability."""
    weight = torch.exp(-distance * of[..., 0] - of[..., 1])
    return torch.where(distance > of[..., 2], 0.0, weight)


def _search(i: Tensor, j: Tensor, found: Found) -> tuple[Tensor, Tensor]:
    """Where the entry (i, j) stands among the sorted entries of i, and whether it is there."""
    last = found.entries.shape[0] - 1
    row = i.clamp(min=0)
    end = found.starts[row + 1]
    low, high = found.starts[row] + 0 * j, end + 0 * j
    for _ in range(found.steps):
        middle = (low + high) // 2
        before = (found.entries[middle.clamp(max=last)] < j) & (low < high)
        low, high = torch.where(before, middle + 1, low), torch.where(before, high, middle)
    at = low.clamp(max=last)
    return at, (low < end) & (found.entries[at] == j) & (i >= 0) & (j >= 0)


def _linked(i: Tensor, j: Tensor, found: Found) -> Tensor:
    return _search(i, j, found)[1]


def _linked_weight(i: Tensor, j: Tensor, found: Found) -> Tensor:
    at, there = _search(i, j, found)
    return torch.where(there, found.weights[at], 0.0)


def _in_list(items: Tensor, row: Tensor) -> Tensor:
    """Whether a row is in a list, whose places come last."""
    found = items[..., 0] == row
    for place in range(1, items.shape[-1]):
        found = found | (items[..., place] == row)
    return found


def _listed(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor) -> Tensor:
    return _in_list(of_i, j) | _in_list(of_j, i)


def _listed_mutually(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor) -> Tensor:
    return _in_list(of_i, j) & _in_list(of_j, i)


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
    "raised": _raised,
    "above": torch.gt,
    "near": _near,
    "cosine": _cosine,
    "dot": _dot,
    "exponential": _exponential,
    "gaussian": _gaussian,
    "affinity": _affinity,
    "linked": _linked,
    "linked_weight": _linked_weight,
    "listed": _listed,
    "listed_mutually": _listed_mutually,
    "listed_by_row": lambda i, j, of_i, of_j: _in_list(of_i, j),
}
