"""Whitening, and Cholesky factors and symmetric roots of covariances."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Whitening = Literal["cholesky", "zca"]
"""By L^-1, L the Cholesky factor of the covariance; or by its symmetric inverse square root."""


def whiten(
    z: Tensor,
    shrinkage: float,
    *,
    whitening: Whitening = "cholesky",
    mass: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Whitens rows: their mean is 0 and their covariance, up to the shrinkage, the identity.

    Args:
        z: (n, d).
        shrinkage: The share of the mean variance in the covariance, from 0 to 1.
        whitening: Whether to use the Cholesky factor or the symmetric root.
        mass: The weight of each row in mean and covariance, (n,), not negative; the covariance is
            divided by the sum of the weights. By default, all weights are 1, and it is divided by
            n - 1.

    Returns:
        float64 (n, d), and a bool scalar that says whether the covariance was singular.
    """
    weights = torch.ones(len(z), device=z.device) if mass is None else mass
    total = max(len(z) - 1, 1) if mass is None else mass.double().sum()
    centered, constant = center(z, weights)
    covariance = (weights.double()[:, None] * centered).T @ centered / total
    mean_variance = covariance.diagonal().mean()
    identity = torch.eye(z.shape[1], dtype=torch.float64, device=z.device)
    covariance = (1 - shrinkage) * covariance + shrinkage * mean_variance * identity
    if whitening == "zca":
        root, failed = inverse_root(covariance)
        return centered @ root, failed | constant
    factor, failed = cholesky(covariance)
    failed = failed | constant
    return torch.linalg.solve_triangular(factor, centered.T, upper=False).T, failed


def center(z: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Subtracts the weighted mean from the rows.

    Args:
        z: (n, d).
        weights: (n,), not all 0.

    Returns:
        float64 (n, d), and a bool scalar that says whether all rows are equal, so that only
        rounding errors remain.
    """
    weights = weights.double()[:, None]
    mean = (weights * z.double()).sum(dim=0) / weights.sum()
    centered = z.double() - mean
    rounding = len(z) * torch.finfo(torch.float64).eps * mean.abs()
    return centered, (centered.abs() <= rounding).all()


def cholesky(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Computes the Cholesky factor of a Gram matrix, and whether the matrix is singular.

    A dimension that depends on earlier ones up to rounding counts as dependent. Otherwise its
    pivot, and every solution that uses it, would consist of rounding errors.

    Args:
        gram: (d, d), symmetric.

    Returns:
        The lower factor (d, d), or the identity if the matrix is singular; and a bool scalar.
    """
    factor, info = torch.linalg.cholesky_ex(gram)
    left = factor.diagonal().square()
    rounding = len(gram) * torch.finfo(gram.dtype).eps * gram.diagonal()
    failed = (info != 0) | ~torch.isfinite(factor).all() | (left <= rounding).any()
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return torch.where(failed, identity, factor), failed


def inverse_root(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Computes the symmetric inverse square root, with a finite gradient at repeated eigenvalues.

    Args:
        matrix: (d, d), symmetric.

    Returns:
        (d, d), and a bool scalar that says whether there is no root, because the matrix is
        singular, indefinite or not finite.
    """
    finite = torch.isfinite(matrix).all()
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    values, vectors = torch.linalg.eigh(torch.where(finite, matrix.detach(), identity))
    least = values[-1] * len(matrix) * torch.finfo(matrix.dtype).eps  # less is rounding
    failed = ~finite | (values[0] <= least)
    roots = values.masked_fill(failed, 1.0).sqrt()
    return _InverseRoot.apply(matrix, roots, vectors), failed


class _InverseRoot(torch.autograd.Function):
    """V diag(1/r) V^T of a symmetric matrix V diag(r^2) V^T.

    `eigh` divides its gradient by differences of eigenvalues. That of the root is, in the
    eigenbasis, the divided differences of x^(-1/2): -1 / (r_i r_j (r_i + r_j)), which are finite.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, roots: Tensor, vectors: Tensor) -> Tensor:
        ctx.save_for_backward(roots, vectors)
        return vectors / roots @ vectors.T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        roots, vectors = ctx.saved_tensors
        slopes = -1 / (roots[:, None] * roots * (roots[:, None] + roots))
        inside = vectors.T @ gradient @ vectors
        return vectors @ (slopes * inside) @ vectors.T, None, None
