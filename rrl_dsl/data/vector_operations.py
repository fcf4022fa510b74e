"""Operations on vectors and sequences: noise, dropout of features, and values of other rows.

They take standardized values, in which 0 is the mean of a feature and 1 its standard deviation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Noise(nn.Module):
    """Adds Gaussian noise of some standard deviation to every feature."""

    def __init__(self, std: float) -> None:
        """Sets the standard deviation, in standard deviations of the feature.

        Raises:
            ValueError: If it is negative or not finite.
        """
        super().__init__()
        if not 0 <= std < float("inf"):
            raise ValueError(f"`std` must be at least 0, not {std}")
        self.std = std

    def forward(self, batch: Tensor) -> Tensor:
        """Returns the view of float32 (n, ...)."""
        return batch + self.std * torch.randn_like(batch)


class FeatureDropout(nn.Module):
    """Replaces each feature of a row by its mean with some probability."""

    def __init__(self, rate: float) -> None:
        """Sets the probability.

        Raises:
            ValueError: If it is not in [0, 1].
        """
        super().__init__()
        self.rate = _share(rate)

    def forward(self, batch: Tensor) -> Tensor:
        """Returns the view of float32 (n, ...)."""
        return batch.masked_fill(torch.rand_like(batch) < self.rate, 0.0)


class MarginalSwap(nn.Module):
    """Replaces a share of the features of a row by values of the same features in other rows.

    Bahri, Jiang, Tay, Metzler. SCARF: self-supervised contrastive learning using random feature
    corruption. ICLR 2022, algorithm 1: floor(rate * d) features of each row are drawn, and each is
    replaced by a draw from its empirical marginal distribution, here that of the batch.
    """

    def __init__(self, rate: float) -> None:
        """Sets the share of the features.

        Raises:
            ValueError: If it is not in [0, 1].
        """
        super().__init__()
        self.rate = _share(rate)

    def forward(self, batch: Tensor) -> Tensor:
        """Returns the view of float32 (n, ...)."""
        rows = batch.flatten(1)
        size = int(self.rate * rows.shape[1])
        swapped = torch.rand_like(rows).argsort(dim=1).argsort(dim=1) < size
        other = torch.randint(len(rows), rows.shape, device=rows.device)
        return torch.where(swapped, rows.gather(0, other), rows).reshape(batch.shape)


def _share(rate: float) -> float:
    if not 0 <= rate <= 1:
        raise ValueError(f"`rate` must be between 0 and 1, not {rate}")
    return rate
