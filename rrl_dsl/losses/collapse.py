"""Signs of collapse."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.language.diagnostics import error


def effective_rank(z: Tensor) -> Tensor:
    """The exponential of the entropy of the normalized singular values, a scalar.

    Roy and Vetterli (2007), as in RankMe (Garrido et al. 2023). Embeddings are centered first, so a
    constant embedding has rank 0 and not 1. Singular values within the rounding error of the dtype
    of `z` count as 0. The rank does not depend on the size of the differences between embeddings;
    `spread` measures that.

    Args:
        z: Embeddings (n, d).

    Returns:
        From 0 to min(d, n - 1); NaN if an embedding is not finite.
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
    """The standard deviation of unit embeddings times sqrt(d), a scalar.

    Chen and He (2021, section 4.1) watch it for collapse. The mean cosine of the embeddings is
    1 - spread^2.

    Args:
        z: Embeddings (n, d).

    Returns:
        From 0, if all have the same direction, to 1; NaN if an embedding is not finite.
    """
    unit = F.normalize(z.detach().double())
    return unit.var(dim=0, correction=0).sum().sqrt()


def collapsed(z: Tensor, consequence: str, hint: str) -> Exception:
    """Returns the error RRL409, with the effective rank.

    Args:
        z: Embeddings (n, d).
        consequence: What the loss cannot do with them, as the end of a sentence.
        hint: The option of the loss that helps.
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
