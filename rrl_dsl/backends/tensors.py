"""The array functions of operations, columns and stages in torch; `arrays.py` has them in NumPy.

Columns have the shapes (n, 1) and (1, m), vectors (n, 1, d) and (1, m, d), and sliced vectors
(n, 1, 3, d). Several grids at once have one more dimension in front. No function synchronizes with
the device.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.backends import inner
from rrl_dsl.graph import draws
from rrl_dsl.language.weights import ORTHOGONAL

_SPLIT: Final = 2.0**13 + 1  # Veltkamp's constant: keeps 40 of the 53 bits of a float64

amin, exp, isfinite, where = torch.amin, torch.exp, torch.isfinite, torch.where
full_like, zeros_like, searchsorted = torch.full_like, torch.zeros_like, torch.searchsorted
maximum, minimum = torch.maximum, torch.minimum
slices, units, squares = inner.slices, inner.units, inner.squares


def float32(x: Tensor) -> Tensor:
    """As float32, the dtype of weights."""
    return x.to(torch.float32)


def float64(x: Tensor) -> Tensor:
    """As float64, the dtype of kernels."""
    return x.to(torch.float64)


def positions(like: Tensor) -> Tensor:
    """0, 1, ... for each row of a column."""
    return torch.arange(len(like), device=like.device)


def row_hash(sample: Tensor, view: Tensor | None, key: Tensor) -> Tensor:
    """`draws.row_hash`; on the CPU by NumPy, which has less overhead for few rows."""
    if sample.device.type != "cpu":
        return torch.as_tensor(draws.row_hash(sample, view, key))
    number = None if view is None else view.numpy()
    return torch.from_numpy(draws.row_hash(sample.numpy(), number, int(key)))


def pair_draw(u_i: Tensor, u_j: Tensor) -> Tensor:
    """`draws.pair_draw` with the same bits as int32, broadcast: half the memory, and vectorized.

    Compiled code calls `draws.pair_draw` in int64, because overflow of int32 is undefined there.
    """
    if torch.compiler.is_compiling():
        return torch.as_tensor(draws.pair_draw(u_i, u_j))
    x = u_i.int() + u_j.int()
    shifted = x >> 16
    x.bitwise_xor_(shifted.bitwise_and_(0xFFFF)).mul_(draws.FIRST)
    torch.bitwise_right_shift(x, 15, out=shifted)
    x.bitwise_xor_(shifted.bitwise_and_(0x1FFFF)).mul_(draws.SECOND)
    return x.bitwise_right_shift_(1).bitwise_and_(draws.UPPER)


def squared(i: Tensor, j: Tensor) -> Tensor:
    """Squared distances of vectors."""
    mode = "donot_use_mm_for_euclid_dist"  # no cancellation
    return torch.cdist(i.squeeze(-2), j.squeeze(-3), compute_mode=mode).square()


def cosines(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor) -> Tensor:
    """Cosines of sliced vectors, from the vectors and their squares."""
    product, lengths = _inner(i, j, of_i, of_j)
    return product / lengths.clamp(min=1.0)  # less than 1 is 0


def dots(
    i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor, unit_i: Tensor, unit_j: Tensor
) -> Tensor:
    """Inner products of sliced vectors, from the vectors, their squares and units."""
    return _inner(i, j, of_i, of_j)[0] * (unit_i * unit_j)


def _inner(i: Tensor, j: Tensor, of_i: Tensor, of_j: Tensor) -> tuple[Tensor, Tensor]:
    """Inner products of sliced vectors, and the products of their lengths, in units of both."""
    product, lengths = inner.inner(i.squeeze(-3), j.squeeze(-4)), (of_i * of_j).sqrt()
    return torch.where(product.abs() <= ORTHOGONAL * lengths, 0.0, product), lengths


def unit_vectors(x: Tensor) -> Tensor:
    """Vectors of the same directions with length 1."""
    return F.normalize(x, dim=1)


def ranked_distance(q: Tensor, k: Tensor, metric: str) -> Tensor:
    """The distances that rank neighbors, float64 (n, m).

    The last bits depend on the order of a sum. They are rounded away, so that ties are ties on
    every device. For `cosine`, which is a matrix product, this almost always works: a tie breaks if
    its two distances are rounded to different sides, which happens to one in thousands of the ties
    that differ in their last bits. Then another batch size may order the two differently.

    Args:
        q: float64 (n, d), of length 1 for `cosine`.
        k: float64 (m, d), of length 1 for `cosine`.
        metric: `cosine` or `euclidean`.
    """
    if metric == "cosine":
        distance = 2.0 - q @ k.T
    else:
        distance = torch.cdist(q, k, compute_mode="donot_use_mm_for_euclid_dist")
    scaled = distance * _SPLIT
    return scaled - (scaled - distance)


def smallest(values: Tensor, k: int) -> Tensor:
    """The columns of the k smallest finite values of each row, -1 if there are fewer.

    int64 (n, k), or narrower if there are fewer columns, because the cost of a pair grows with the
    width. Of equal values, the smaller column comes first; `torch.topk` alone does not ensure this.
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
    """A copy of x with x[index] = min(x[index], values)."""
    return x.scatter_reduce(0, index, values, "amin")


def surely_equal(x: Tensor, y: Tensor) -> bool:
    """Whether two tensors are equal; False on a GPU, where a check would synchronize."""
    return x.device.type == "cpu" and torch.equal(x, y)
