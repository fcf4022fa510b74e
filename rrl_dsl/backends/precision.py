"""The precision of reductions: at least float32, also within autocast."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 unchanged."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def without_autocast(device: torch.device) -> torch.autocast:
    """A context in which operations keep the dtype of their arguments."""
    return torch.autocast(device.type, enabled=False)
