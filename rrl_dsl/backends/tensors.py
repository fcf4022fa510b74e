"""Torch, as operations, columns and stages use it; `rrl_dsl.backends.arrays` is the same in NumPy.

Columns come as (n, 1) and (1, m), vectors as (n, 1, d) and (1, m, d), sliced (n, 1, 3, d).
"""

from __future__ import annotations

import torch
from torch import Tensor, exp, full_like, maximum, minimum, searchsorted, where, zeros_like

from rrl_dsl.backends import inner
from rrl_dsl.graph.weights import ORTHOGONAL

__all__ = ["exp", "full_like", "maximum", "minimum", "searchsorted", "where", "zeros_like"]

slices, units, squares = inner.slices, inner.units, inner.squares


def float32(x: Tensor) -> Tensor:
    """As weights are."""
    return x.to(torch.float32)


def float64(x: Tensor) -> Tensor:
    """As kernels are computed."""
    return x.to(torch.float64)


def float32_of(x: float) -> float:
    """A number that meets weights."""
    return x


def places(like: Tensor) -> Tensor:
    """0, 1, ... for each row of a column."""
    return torch.arange(len(like), device=like.device)


def squared(i: Tensor, j: Tensor) -> Tensor:
    """Squared distances of vectors."""
    mode = "donot_use_mm_for_euclid_dist"  # no cancellation
    return torch.cdist(i.squeeze(1), j.squeeze(0), compute_mode=mode).square()


def cosines(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor) -> Tensor:
    """Cosines of sliced vectors with their squares."""
    product, lengths = _inner(i, j, of_i, of_j)
    return product / lengths.clamp(min=1.0)  # less than 1 is 0


def dots(
    i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor, unit_i: Tensor, unit_j: Tensor
) -> Tensor:
    """Inner products of sliced vectors with their squares and units."""
    return _inner(i, j, of_i, of_j)[0] * (unit_i * unit_j)


def _inner(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor) -> tuple[Tensor, Tensor]:
    """Inner products of sliced vectors, and the products of their lengths, in units of both."""
    product, lengths = inner.inner(i.squeeze(1), j.squeeze(0)), (of_i * of_j).sqrt()
    return torch.where(product.abs() <= ORTHOGONAL * lengths, 0.0, product), lengths
