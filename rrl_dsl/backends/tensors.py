"""Torch, as operations, columns and stages use it; `rrl_dsl.backends.arrays` is the same in NumPy.

Columns come as (n, 1) and (1, m), vectors as (n, 1, d) and (1, m, d), sliced (n, 1, 3, d). Several
grids at once have one more dimension, which is the first. Nothing here looks at a value on the
host, so a training step never waits for the device.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import (
    Tensor,
    amin,
    exp,
    full_like,
    isfinite,
    maximum,
    minimum,
    searchsorted,
    where,
    zeros_like,
)
from torch.nn import functional as F

from rrl_dsl.backends import inner
from rrl_dsl.graph import draws
from rrl_dsl.language.weights import ORTHOGONAL

__all__ = [
    "amin", "exp", "full_like", "isfinite", "maximum", "minimum", "searchsorted",
    "where", "zeros_like",
]  # fmt: skip

_SPLIT: Final = 2.0**13 + 1  # Veltkamp's constant: keeps 40 of the 53 bits of a float64

slices, units, squares = inner.slices, inner.units, inner.squares


def float32(x: Tensor) -> Tensor:
    """As weights are."""
    return x.to(torch.float32)


def float64(x: Tensor) -> Tensor:
    """As kernels are computed."""
    return x.to(torch.float64)


def float32_of(x: float) -> float:
    """A number as float32, to compare with weights."""
    return x


def positions(like: Tensor) -> Tensor:
    """0, 1, ... for each row of a column."""
    return torch.arange(len(like), device=like.device)


def pair_hash(u_i: Tensor, u_j: Tensor) -> Tensor:
    """The bits of `draws.pair_hash` as int32, broadcast: half the bytes, and vectorized products.

    Compiled, it is `draws.pair_hash` itself, in int64: there int32 overflow is undefined.
    """
    if torch.compiler.is_compiling():
        return torch.as_tensor(draws.pair_hash(u_i, u_j))
    x = u_i.int() + u_j.int()
    x.bitwise_xor_((x >> 16).bitwise_and_(0xFFFF)).mul_(draws.FIRST)
    return x.bitwise_xor_((x >> 15).bitwise_and_(0x1FFFF)).mul_(draws.SECOND)


def squared(i: Tensor, j: Tensor) -> Tensor:
    """Squared distances of vectors."""
    mode = "donot_use_mm_for_euclid_dist"  # no cancellation
    return torch.cdist(i.squeeze(-2), j.squeeze(-3), compute_mode=mode).square()


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
    product, lengths = inner.inner(i.squeeze(-3), j.squeeze(-4)), (of_i * of_j).sqrt()
    return torch.where(product.abs() <= ORTHOGONAL * lengths, 0.0, product), lengths


def unit_vectors(x: Tensor) -> Tensor:
    """Vectors of length 1 in the same directions."""
    return F.normalize(x, dim=1)


def ranked_distance(q: Tensor, k: Tensor, metric: str) -> Tensor:
    """What neighbors are ranked by, float64 (n, m); float64 vectors, of length 1 for `cosine`.

    The last bits, in which equal vectors may differ by the order of a sum, are rounded away, so
    that ties are ties on every device. Of `cosine`, a product of matrices, that is all but certain:
    a tie is lost where its distances lie on both sides of a rounding, one in thousands of those
    that differ in their last bits, and a batch of other sizes may order it otherwise.
    """
    if metric == "cosine":
        distance = 2.0 - q @ k.T
    else:
        distance = torch.cdist(q, k, compute_mode="donot_use_mm_for_euclid_dist")
    scaled = distance * _SPLIT
    return scaled - (scaled - distance)


def smallest(values: Tensor, k: int) -> Tensor:
    """The columns of the k smallest finite values of each row, -1 where there are fewer.

    int64 (n, k), but no wider than there are columns: a list is gone through once for each pair.
    Of equal values the smaller column comes first; `torch.topk` alone leaves that open.
    """
    size = values.shape[1]
    count = min(k, size)
    last = values.topk(count, dim=1, largest=False).values[:, -1:]
    chosen = values < last
    tied = (values == last) & (values < torch.inf)
    room = count - chosen.sum(dim=1, keepdim=True)
    chosen |= tied & (tied.cumsum(dim=1) <= room)
    score = torch.where(chosen, size - torch.arange(size, device=values.device), 0)
    best = score.topk(count, dim=1).values
    return F.pad(torch.where(best > 0, size - best, -1), (0, 0 if count else 1), value=-1)


def scatter_minimum(x: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """x with each x[index] lowered to its values."""
    return x.scatter_reduce(0, index, values, "amin")


def surely_equal(x: Tensor, y: Tensor) -> bool:
    """Whether two are equal, where looking does not wait."""
    return x.device.type == "cpu" and torch.equal(x, y)
