"""Which rows have equal values."""

from __future__ import annotations

import torch
from torch import Tensor


def first_equal(*columns: Tensor) -> Tensor:
    """For each row, the first row with the same values in all columns, int64 (n,).

    Nothing here looks at a value on the host, so it does not wait for the device.

    Args:
        columns: Integers, each (n,).
    """
    *others, last = columns
    order = last.argsort(stable=True)
    for column in reversed(others):
        order = order[column[order].argsort(stable=True)]
    starts = torch.ones_like(order, dtype=torch.bool)
    ordered = [column[order] for column in columns]
    starts[1:] = torch.stack([each[1:] != each[:-1] for each in ordered]).any(dim=0)
    places = torch.arange(len(order), device=order.device)
    first = order[places.masked_fill(~starts, 0).cummax(dim=0).values]
    return torch.empty_like(order).scatter(0, order, first)
