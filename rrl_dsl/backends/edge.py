"""The edge function: a plan's instructions as one Python function over tensors or NumPy arrays.

Eager torch runs it unchanged; `torch.compile` fuses it into one kernel. Scalars enter as tensors,
so a new batch, epoch or parameter value does not compile anything again.
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
"""Device -> the environment variable and the programs with which torch looks for a compiler."""

_Options = dict[str, str | int | bool | Callable[..., object]]


@lru_cache(maxsize=256)
def edge_function(
    plan: Plan, result: int, fused: bool = False, arrays: ModuleType | None = None
) -> EdgeFunction:
    """The pointwise function that computes the result of an instruction for pairs.

    Args:
        plan: The plan. Plans that differ only in scalars share one function.
        result: The instruction.
        fused: Whether `torch.compile` fuses it into one kernel.
        arrays: `rrl_dsl.backends.arrays` for NumPy; defaults to torch.
    """
    if arrays is None:
        from rrl_dsl.backends import tensors as arrays
    return _compiled(source(plan, result), arrays, fused)


@lru_cache(maxsize=256)
def _compiled(text: str, arrays: ModuleType, fused: bool) -> EdgeFunction:
    scope: dict[str, Any] = {name: operation.run for name, operation in OPERATIONS.items()}
    scope["arrays"] = arrays
    exec(compile(text, "<edge function>", "exec"), scope)  # text of `source`, not of a user
    function: EdgeFunction = scope["edge"]
    if not fused:
        return function
    import torch

    # otherwise a GPU fuses a multiplication and an addition, and rounds once instead of twice
    exactly: _Options = {"emulate_precision_casts": True}
    compiled: EdgeFunction = torch.compile(function, dynamic=True, options=exactly)
    return compiled


def source(plan: Plan, result: int) -> str:
    """The edge function as Python text, one line per instruction."""
    needed = plan.needed(result)
    last_use = {value: at for at in needed for value in plan.instructions[at].values}
    lines = ["def edge(i, j, scalars, lookups):"]
    for position in needed:
        lines.append(f"    v{position} = {_call(plan.instructions[position])}")
        # otherwise eager torch keeps every (n, m) intermediate value to the end
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
    """Whether the compiler that torch needs for a device is installed."""
    variable, compilers = _compilers(device)
    return bool(os.environ.get(variable)) or any(map(shutil.which, compilers))


def _compilers(device: torch.device) -> tuple[str, tuple[str, ...]]:
    return _COMPILERS["cuda" if device.type == "cuda" else "cpu"]


def is_fused(asked: bool | None, device: torch.device, pairs: int) -> bool:
    """Whether to compile the edge function: as asked, or for None if it pays off for these pairs.

    Raises:
        RRLError: RRL506 if fusing is requested and there is no compiler.
    """
    if asked is None and device.type != "cuda":
        return pairs >= _FUSED_PAIRS and has_compiler(device)
    there = has_compiler(device)
    if not there and asked is not False:
        _, compilers = _compilers(device)
        lacking = f"there is no compiler such as {listing(compilers)}"
        if asked:
            message = f"the edges cannot be fused into one kernel: {lacking}"
            raise error("RRL506", message, hint="install one, or remove `fused=True`")
        warnings.warn(f"the edges are not fused into one kernel: {lacking}", stacklevel=4)
    return there if asked is None else asked
