"""Inner products with the same bits in every batch, on every device and in both directions.

A float64 sum depends on the order of its terms, and the order in a matrix product depends on the
sizes of the matrices. Therefore vectors are split into slices of small whole numbers, whose
products are summed exactly in any order (Ozaki, Ogita, Oishi, Rump. Error-free transformations of
matrix multiplication. 2012). Three slices hold all bits of the largest value of a vector.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_SLICES: Final = 3
_SUM_BITS: Final = 51  # 53 exact bits, minus one per factor, which is below 2 units


def _bits(width: int) -> int:
    """The bits of a slice for which a sum of `width` products is exact in float64."""
    return (_SUM_BITS - width.bit_length()) // 2


def units(vectors: Tensor) -> Tensor:
    """The value of 1 in the first slice of each vector, a power of two, float64 (n,)."""
    return _powers(vectors) * 2.0 ** -_bits(vectors.shape[1])


def _powers(vectors: Tensor) -> Tensor:
    """The largest power of two up to the largest value of each vector, 1 for zeros; (n,)."""
    greatest = vectors.abs().amax(dim=1)
    power = greatest / (2.0 * torch.frexp(greatest).mantissa)
    return torch.where(greatest == 0, 1.0, power)


def slices(vectors: Tensor) -> Tensor:
    """Vectors (n, d) as slices of whole numbers, float64 (n, 3, d); NaN if a value is missing.

    1 in a slice is 2^bits in the next one.
    """
    base = 2.0 ** _bits(vectors.shape[1])
    rest = vectors / _powers(vectors)[:, None] * base
    cut = []
    for _ in range(_SLICES):
        cut.append(rest.round())
        rest = (rest - cut[-1]) * base
    return torch.stack(cut, dim=1)


def squares(of: Tensor) -> Tensor:
    """The inner product of each vector with itself, in units of both, float64 (n,)."""
    base = 2.0 ** -_bits(of.shape[2])
    total = of.new_zeros(len(of))
    for count in range(_SLICES, 0, -1):
        first = of[:, :count]
        total = total * base + (first * first.flip(1)).sum(dim=(1, 2))
    return total


def inner(i: Tensor, j: Tensor) -> Tensor:
    """The inner products of sliced vectors (n, 3, d) and (m, 3, d), in units of both, (n, m).

    Further dimensions come first.
    """
    base = 2.0 ** -_bits(i.shape[-1])
    total = i.new_zeros(())
    for count in range(_SLICES, 0, -1):  # together the products of slices of one magnitude
        first, second = i[..., :count, :], j[..., :count, :].flip(-2)
        total = total * base + first.flatten(-2) @ second.flatten(-2).mT
    return total
