"""Signs of collapse."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.language.diagnostics import error


def effective_rank(z: Tensor) -> Tensor:
    """The exponential of the entropy of the normalized singular values, a scalar.

    Roy and Vetterli (2007), as RankMe (Garrido et al. 2023) uses it; centered first, so that a
    constant embedding has rank 0 and not 1. Singular values that rounding to the dtype of `z` may
    have made are 0. It does not see how short the differences are beside the embeddings: see
    `spread`.

    Args:
        z: Embeddings (n, d).

    Returns:
        From 0 to min(d, n - 1); NaN where an embedding is not finite.
    """
    exact = z.detach().double()
    finite = torch.isfinite(exact).all()
    exact = exact.nan_to_num()
    values = torch.linalg.svdvals(exact - exact.mean(dim=0))
    # noise of one rounding in each entry has singular values up to about this
    rows, width = z.shape
    rounding = torch.finfo(z.dtype).eps * exact.square().mean().sqrt()
    values = values.where(values > 2 * rounding * (rows**0.5 + width**0.5), 0.0)
    shares = values / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
    rank = torch.exp(-torch.special.xlogy(shares, shares).sum())
    return rank.where(values.max() > 0, 0.0).masked_fill(~finite, torch.nan)


def spread(z: Tensor) -> Tensor:
    """How far unit embeddings lie apart, a scalar: their standard deviation times sqrt(d).

    Chen and He (2021, section 4.1) watch it for collapse. The mean cosine of the embeddings is
    1 - spread^2.

    Args:
        z: Embeddings (n, d).

    Returns:
        From 0, where all have one direction, to 1; NaN where an embedding is not finite.
    """
    unit = F.normalize(z.detach().double())
    return unit.var(dim=0, correction=0).sum().sqrt()


def collapsed(z: Tensor, consequence: str, hint: str) -> Exception:
    """The error RRL409, with the effective rank.

    Args:
        z: Embeddings (n, d).
        consequence: What cannot be done with them, as the end of a sentence.
        hint: Which option of the loss would help.
    """
    if not bool(torch.isfinite(z).all()):
        message = "the embeddings have collapsed: they hold NaN or infinite values"
    else:
        rank = float(effective_rank(z))
        message = (
            f"the embeddings have collapsed: their effective rank is {rank:.1f} of {z.shape[1]}, "
            f"and {consequence}"
        )
    hint = f"lower the learning rate, {hint}, or relate fewer false pairs"
    return error("RRL409", message, hint=hint)
