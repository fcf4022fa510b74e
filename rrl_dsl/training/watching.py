"""What is measured after every epoch on samples that are not trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from rrl_dsl.losses.collapse import effective_rank, spread
from rrl_dsl.models.encoder import Outputs
from rrl_dsl.training.probes import WATCHED, LinearProbes

RANK_ROWS: Final = 2048
"""Enough rows to tell a rank, few enough for a decomposition every epoch."""


class Watching:
    """Collects the outputs of an epoch's samples, and what the probes make of them."""

    def __init__(self) -> None:
        self._outputs: list[Outputs] = []
        self._right: list[dict[str, Tensor]] = []

    def see(self, outputs: Outputs) -> None:
        """Takes up the `backbone` and `projection` of some samples."""
        self._outputs.append(outputs)

    def judge(self, outputs: Outputs, label: Tensor, probes: LinearProbes) -> None:
        """Counts what the probes have right of some samples.

        Args:
            outputs: `backbone` and `projection` of the samples.
            label: int64 (n,), -1 where unknown; such samples do not count.
            probes: The probes.
        """
        known = label >= 0
        right = {
            name: (scores.argmax(dim=1) == label)[known].sum()
            for name, scores in probes(outputs).items()
        }
        self._right.append({"known": known.sum(), **right})

    def figures(self, gather: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Figures over all that was seen, which is forgotten then.

        - `rank/backbone`, `rank/projector`: effective ranks
        - `spread/backbone`, `spread/projector`: how far directions lie apart
        - `probe/backbone`, `probe/projector`, `probe/gap`: shares of known samples that the probes
          have right, and the difference, where there was a known sample

        Args:
            gather: From a tensor of this rank (n, ...) to those of all ranks, one after another.
        """
        found: dict[str, Tensor] = {}
        for name, output in WATCHED.items():
            own = torch.cat([each[output] for each in self._outputs])
            seen = gather(own[:RANK_ROWS])[:RANK_ROWS]
            found[f"rank/{name}"] = effective_rank(seen).float()
            found[f"spread/{name}"] = spread(seen).float()
        if self._right:
            found |= self._accuracies(gather)
        self._outputs.clear()
        self._right.clear()
        return found

    def _accuracies(self, gather: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        counts = {
            name: gather(torch.stack([each[name] for each in self._right])).sum()
            for name in self._right[0]
        }
        known = counts.pop("known")
        if not known:
            return {}
        found = {f"probe/{name}": right / known for name, right in counts.items()}
        found["probe/gap"] = found["probe/backbone"] - found["probe/projector"]
        return found
