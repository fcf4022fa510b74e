"""The edge function: a plan's instructions as one Python function over tensors or NumPy arrays.

Eager torch runs it as it is; `torch.compile` fuses it into one kernel. Scalars enter as tensors, so
neither a new batch nor a new epoch nor a new parameter value compiles anything again.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from rrl_dsl.graph.operations import OPERATIONS
from rrl_dsl.graph.plan import Instruction, Plan
from rrl_dsl.language.diagnostics import error, listing

if TYPE_CHECKING:
    import torch

EdgeFunction = Callable[..., Any]
"""(columns of the rows, columns of the columns, scalars, lookups) -> weights, broadcast."""

_FUSED_PAIRS: Final = 2048 * 2048
_COMPILERS: Final = {"cuda": ("CC", ("gcc", "clang")), "cpu": ("CXX", ("g++", "clang++"))}
"""By device, the environment variable and the programs by which torch finds a compiler."""

_Options = dict[str, str | int | bool | Callable[..., object]]


def edge_function(
    plan: Plan, result: int, fused: bool = False, arrays: ModuleType | None = None
) -> EdgeFunction:
    """The pointwise function of a pair that one instruction of a plan is the result of.

    Args:
        plan: The plan; plans that differ in scalars alone share one function.
        result: The instruction.
        fused: Whether `torch.compile` makes one kernel of it.
        arrays: `rrl_dsl.backends.arrays` for NumPy; defaults to torch.
    """
    if arrays is None:
        from rrl_dsl.backends import tensors as arrays
    return _compiled(source(plan, result), arrays, fused)


@lru_cache(maxsize=256)
def _compiled(text: str, arrays: ModuleType, fused: bool) -> EdgeFunction:
    scope: dict[str, Any] = {name: operation.run for name, operation in OPERATIONS.items()}
    scope["arrays"] = arrays
    exec(compile(text, "<edge function>", "exec"), scope)  # our own text
    function: EdgeFunction = scope["edge"]
    if not fused:
        return function
    import torch

    # else a GPU makes a multiplication and an addition one operation, and rounds once
    exactly: _Options = {"emulate_precision_casts": True}
    compiled: EdgeFunction = torch.compile(function, dynamic=True, options=exactly)
    return compiled


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
    arguments = ["arrays", *(f"v{value}" for value in instruction.values)]
    for column in instruction.columns:
        arguments += [f"i[{column}]", f"j[{column}]"]
    arguments += [f"scalars[{scalar}]" for scalar in instruction.scalars]
    if instruction.lookup is not None:
        arguments.append(f"lookups[{instruction.lookup}]")
    return f"{instruction.op}({', '.join(arguments)})"


def has_compiler(device: torch.device) -> bool:
    """Whether there is the compiler that torch needs for code on a device."""
    variable, compilers = _compilers(device)
    return bool(os.environ.get(variable)) or any(map(shutil.which, compilers))


def _compilers(device: torch.device) -> tuple[str, tuple[str, ...]]:
    return _COMPILERS["cuda" if device.type == "cuda" else "cpu"]


def is_fused(asked: bool | None, device: torch.device, pairs: int) -> bool:
    """Whether to compile the edge function: as asked, or where that is soon earned back.

    Args:
        asked: What the user wants; None leaves it open.
        device: Where the rows are.
        pairs: How many pairs a call evaluates.

    Raises:
        RRLError: RRL506 if fusing is requested and there is no compiler.
    """
    on_gpu = device.type == "cuda"
    if asked is None and not on_gpu and pairs < _FUSED_PAIRS:
        return False
    there = has_compiler(device)
    if asked is None and not on_gpu:
        return there
    if not there and asked is not False:
        _, compilers = _compilers(device)
        lacking = f"there is no compiler such as {listing(compilers)}"
        if asked:
            message = f"the edges cannot be fused into one kernel: {lacking}"
            raise error("RRL506", message, hint="install one, or remove `fused=True`")
        warnings.warn(f"the edges are not fused into one kernel: {lacking}", stacklevel=4)
    return there if asked is None else asked
