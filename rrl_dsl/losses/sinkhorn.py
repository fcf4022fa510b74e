"""Balanced assignment of rows to prototypes."""

from __future__ import annotations

import torch
from torch import Tensor


def sinkhorn(
    scores: Tensor, temperature: float, iterations: int = 3, balanced: Tensor | None = None
) -> Tensor:
    """Returns probabilities of prototypes, such that all prototypes have about the same total.

    Sinkhorn-Knopp as in SwAV (Caron et al. 2020) and DINOv2 (Oquab et al. 2024): exp(scores / T)
    is scaled so that all prototypes have the same total, then so that each row sums to 1, and so
    on. The computation is in logarithms, so that small temperatures do not overflow.

    Args:
        scores: (n, K), float32 or float64.
        temperature: T, above 0.
        iterations: The number of iterations, at least 1.
        balanced: bool (n,), the rows over which the totals are balanced; defaults to all. The
            prototypes of the other rows are scaled in the same way.

    Returns:
        (n, K) without a gradient; rows sum to 1.
    """
    logs = scores.detach() / temperature
    for _ in range(iterations):
        counted = logs if balanced is None else logs.masked_fill(~balanced[:, None], -torch.inf)
        total = counted.logsumexp(dim=0)
        logs = logs - total.masked_fill(total == -torch.inf, 0.0)  # where no row counts
        logs = logs.log_softmax(dim=1)
    return logs.exp()
