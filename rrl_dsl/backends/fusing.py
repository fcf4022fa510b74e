"""Whether the edge function is compiled into one kernel, and by which compiler."""

from __future__ import annotations

import os
import shutil
import warnings
from typing import Final

import torch

from rrl_dsl.language.diagnostics import error, listing

_FUSED_PAIRS: Final = 2048 * 2048
_COMPILERS: Final = {"cuda": ("CC", ("gcc", "clang")), "cpu": ("CXX", ("g++", "clang++"))}
"""By device, the environment variable and the programs by which torch finds a compiler."""


def is_fused(asked: bool | None, device: torch.device, pairs: int) -> bool:
    """Whether to compile the edge function: as asked, or where that is soon earned back.

    Args:
        asked: What the user wants; None leaves it open.
        device: Where the rows are.
        pairs: How many pairs a call evaluates.

    Raises:
        RRLError: RRL506 where it is asked for and there is no compiler.
    """
    on_gpu = device.type == "cuda"
    variable, compilers = _COMPILERS["cuda" if on_gpu else "cpu"]
    there = bool(os.environ.get(variable)) or any(map(shutil.which, compilers))
    if asked is None and not on_gpu:
        return there and pairs >= _FUSED_PAIRS
    if not there and asked is not False:
        lacking = f"there is no compiler, {listing(compilers)}"
        if asked:
            message = f"the edges cannot be fused into one kernel: {lacking}"
            raise error("RRL506", message, hint="install one, or leave `fused=True` out")
        warnings.warn(f"the edges are not fused into one kernel: {lacking}", stacklevel=4)
    return there if asked is None else asked
