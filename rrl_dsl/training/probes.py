"""Online linear probes of the finest label, whose gradients do not reach the encoder."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rrl_dsl.losses.outputs import Output
from rrl_dsl.models.encoder import Outputs

WATCHED: Final[dict[str, Output]] = {"backbone": "backbone", "projector": "projection"}
"""The output that each probe reads."""


class LinearProbes(nn.Module):
    """A probe of the features of the backbone and one of the embeddings of the projector."""

    def __init__(self, width: int, embedding_width: int, classes: int) -> None:
        """Creates probes with fresh weights.

        Args:
            width: The width of the features.
            embedding_width: The width of the embeddings.
            classes: The number of classes of the finest label.
        """
        super().__init__()
        self.probes = nn.ModuleDict(
            {
                "backbone": nn.Linear(width, classes),
                "projector": nn.Linear(embedding_width, classes),
            }
        )

    def forward(self, outputs: Outputs) -> dict[str, Tensor]:
        """Returns the class scores (n, classes) of each probe; no gradient reaches the outputs."""
        return {name: probe(outputs[WATCHED[name]].detach()) for name, probe in self.probes.items()}

    def loss(self, outputs: Outputs, label: Tensor, known: Tensor) -> Tensor:
        """Returns the sum of the mean cross-entropies of both probes, a scalar.

        Args:
            outputs: `backbone` and `projection` of the rows.
            label: int64 (n,), -1 for unknown; such rows are ignored.
            known: The number of known rows, which the sum is divided by. With several ranks, their
                mean number, so that every known row of the batch has the same weight.
        """
        losses = [
            F.cross_entropy(scores, label, ignore_index=-1, reduction="sum")
            for scores in self(outputs).values()
        ]
        return torch.stack(losses).sum() / known.clamp(min=torch.finfo(torch.float32).tiny)
