"""Linear probes that learn the finest label beside the encoder and never teach it."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rrl_dsl.losses.outputs import Output
from rrl_dsl.models.encoder import Outputs

WATCHED: Final[dict[str, Output]] = {"backbone": "backbone", "projector": "projection"}
"""Probe -> the output that it reads."""


class LinearProbes(nn.Module):
    """One probe on the backbone's features and one on the projector's embeddings."""

    def __init__(self, width: int, embedding_width: int, classes: int) -> None:
        """Probes with fresh weights.

        Args:
            width: Of the features.
            embedding_width: Of the embeddings.
            classes: How many classes the finest label has.
        """
        super().__init__()
        self.probes = nn.ModuleDict(
            {
                "backbone": nn.Linear(width, classes),
                "projector": nn.Linear(embedding_width, classes),
            }
        )

    def forward(self, outputs: Outputs) -> dict[str, Tensor]:
        """The scores of each class (n, classes), by probe; no gradient reaches the outputs."""
        return {name: probe(outputs[WATCHED[name]].detach()) for name, probe in self.probes.items()}

    def loss(self, outputs: Outputs, label: Tensor, known: Tensor) -> Tensor:
        """The sum of both probes' mean cross-entropies, a scalar.

        Args:
            outputs: `backbone` and `projection` of the rows.
            label: int64 (n,), -1 where unknown; such rows teach nothing.
            known: How many rows are known, of which the mean is taken: on one of several ranks,
                their mean number, so that every known row of the whole batch counts alike.
        """
        losses = [
            F.cross_entropy(scores, label, ignore_index=-1, reduction="sum")
            for scores in self(outputs).values()
        ]
        return torch.stack(losses).sum() / known.clamp(min=torch.finfo(torch.float32).tiny)
