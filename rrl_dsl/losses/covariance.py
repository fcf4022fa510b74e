"""Covariances: whitening rows by them, their Cholesky factors and their symmetric roots."""

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
    """Rows with zero mean and, but for the shrinkage, the identity as covariance.

    Args:
        z: (n, d).
        shrinkage: How much of the mean variance is mixed into the covariance, from 0 to 1.
        whitening: By the Cholesky factor or by the symmetric root.
        mass: What each row weighs in mean and covariance, (n,), not negative; the covariance is
            then divided by its sum. Where left out all rows weigh 1, and it is by n - 1.

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
    """Rows less their weighted mean.

    Args:
        z: (n, d).
        weights: (n,), not all 0.

    Returns:
        float64 (n, d), and a bool scalar that says whether all rows are alike, so that nothing is
        left but rounding errors.
    """
    weights = weights.double()[:, None]
    mean = (weights * z.double()).sum(dim=0) / weights.sum()
    centered = z.double() - mean
    rounding = len(z) * torch.finfo(torch.float64).eps * mean.abs()
    return centered, (centered.abs() <= rounding).all()


def cholesky(gram: Tensor) -> tuple[Tensor, Tensor]:
    """The Cholesky factor of a Gram matrix, and whether it has none.

    A dimension that the earlier ones explain but for rounding counts as explained: its pivot would
    be made of rounding errors, and so would all that is solved by it.

    Args:
        gram: (d, d), symmetric.

    Returns:
        The lower factor (d, d), the identity where there is none; and a bool scalar.
    """
    factor, info = torch.linalg.cholesky_ex(gram)
    left = factor.diagonal().square()
    rounding = len(gram) * torch.finfo(gram.dtype).eps * gram.diagonal()
    failed = (info != 0) | ~torch.isfinite(factor).all() | (left <= rounding).any()
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return torch.where(failed, identity, factor), failed


def inverse_root(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The symmetric inverse square root, with a gradient that repeated eigenvalues do not harm.

    Args:
        matrix: (d, d), symmetric.

    Returns:
        (d, d), and a bool scalar that says whether the matrix had none, being singular, indefinite
        or not finite.
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
