"""Metrics of each epoch on samples that are not trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from rrl_dsl.losses.collapse import effective_rank, spread
from rrl_dsl.models.encoder import Outputs
from rrl_dsl.training.probes import WATCHED, LinearProbes

RANK_ROWS: Final = 2048
"""Enough rows to estimate a rank, and few enough for a decomposition per epoch."""


class Watching:
    """Collects the outputs of the samples of an epoch, and the results of the probes."""

    def __init__(self) -> None:
        self._outputs: list[Outputs] = []
        self._right: list[dict[str, Tensor]] = []

    def see(self, outputs: Outputs) -> None:
        """Adds the outputs `backbone` and `projection` of some samples."""
        self._outputs.append(outputs)

    def judge(self, outputs: Outputs, label: Tensor, probes: LinearProbes) -> None:
        """Counts the samples that the probes classify correctly.

        Args:
            outputs: `backbone` and `projection` of the samples.
            label: int64 (n,), -1 for unknown; such samples are ignored.
            probes: The probes.
        """
        right = {  # an unknown label is not a class
            name: (scores.argmax(dim=1) == label).sum() for name, scores in probes(outputs).items()
        }
        self._right.append({"known": (label >= 0).sum(), **right})

    def figures(self, gather: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Returns the metrics of the collected samples, and discards the samples.

        - `rank/backbone`, `rank/projector`: effective ranks
        - `spread/backbone`, `spread/projector`: the spread of the directions
        - `probe/backbone`, `probe/projector`, `probe/gap`: accuracies of the probes and their
          difference, if a sample has a known label

        Args:
            gather: Concatenates a tensor (n, ...) of this rank with those of the other ranks.
        """
        figures: dict[str, Tensor] = {}
        for name, output in WATCHED.items():
            own = torch.cat([outputs[output] for outputs in self._outputs])
            seen = gather(own[:RANK_ROWS])[:RANK_ROWS]
            figures[f"rank/{name}"] = effective_rank(seen).float()
            figures[f"spread/{name}"] = spread(seen).float()
        if self._right:
            figures |= self._accuracies(gather)
        self._outputs.clear()
        self._right.clear()
        return figures

    def _accuracies(self, gather: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        counts = {
            name: gather(torch.stack([counts[name] for counts in self._right])).sum()
            for name in self._right[0]
        }
        known = counts.pop("known")
        if not known:
            return {}
        accuracies = {f"probe/{name}": right / known for name, right in counts.items()}
        accuracies["probe/gap"] = accuracies["probe/backbone"] - accuracies["probe/projector"]
        return accuracies
