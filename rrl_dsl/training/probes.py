"""Linear probes that learn the finest label beside the encoder and never teach it."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rrl_dsl.losses.collapse import effective_rank
from rrl_dsl.losses.outputs import Output
from rrl_dsl.models.encoder import Outputs

WATCHED: Final[dict[str, Output]] = {"backbone": "backbone", "projector": "projection"}
"""Probe -> the output that it reads."""

_RANK_ROWS: Final = 2048  # enough rows to tell a rank, few enough for a decomposition every epoch


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
        self._seen: list[dict[str, Tensor]] = []

    def loss(self, outputs: Outputs, label: Tensor) -> Tensor:
        """The sum of both cross-entropies, a scalar.

        Args:
            outputs: `backbone` and `projection` of the rows.
            label: int64 (n,), -1 where unknown; such rows teach nothing.
        """
        losses = [
            # a batch without one known label has no mean
            F.cross_entropy(
                probe(outputs[WATCHED[name]].detach()), label, ignore_index=-1, reduction="sum"
            )
            / (label >= 0).sum().clamp(min=1)
            for name, probe in self.probes.items()
        ]
        return torch.stack(losses).sum()

    def watch(self, outputs: Outputs, label: Tensor) -> None:
        """Keeps what the probes make of samples that are not trained on."""
        seen: dict[str, Tensor] = {}
        for name, probe in self.probes.items():
            seen[name] = outputs[WATCHED[name]]
            seen[f"right/{name}"] = probe(seen[name]).argmax(dim=1) == label
        self._seen.append(seen)

    def figures(self) -> dict[str, Tensor]:
        """Accuracies, their gap and the effective ranks of what was watched, which is forgotten."""
        whole = {name: torch.cat([part[name] for part in self._seen]) for name in self._seen[0]}
        self._seen.clear()
        found: dict[str, Tensor] = {}
        for name in self.probes:
            found[f"probe/{name}"] = whole[f"right/{name}"].float().mean()
            found[f"rank/{name}"] = effective_rank(whole[name][:_RANK_ROWS]).float()
        found["probe/gap"] = found["probe/backbone"] - found["probe/projector"]
        return found
