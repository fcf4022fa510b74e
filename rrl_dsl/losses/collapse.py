"""Signs of collapse."""

from __future__ import annotations

import torch
from torch import Tensor

from rrl_dsl.language.diagnostics import error


def effective_rank(z: Tensor) -> Tensor:
    """The exponential of the entropy of the normalised singular values, a scalar.

    Roy and Vetterli (2007), as RankMe (Garrido et al. 2023) uses it; centred first, so that a
    constant embedding has rank 0 and not 1. Between 0 and the width; NaN where an embedding is
    not finite.

    Args:
        z: Embeddings (n, d).
    """
    centred = z.detach().double()
    centred = centred - centred.mean(dim=0)
    finite = torch.isfinite(centred).all()
    values = torch.linalg.svdvals(centred.nan_to_num())
    largest = values.max()
    shares = values / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
    rank = torch.exp(-torch.special.xlogy(shares, shares).sum())
    return rank.masked_fill(largest <= 1e-12, 0.0).masked_fill(~finite, torch.nan)


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
