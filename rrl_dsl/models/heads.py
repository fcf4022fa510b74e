"""What stands on a backbone: the projector, and the prototypes of self-distillation."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from rrl_dsl.language.diagnostics import error


class Projector(nn.Sequential):
    """A multi-layer perceptron from backbone features to the space of the loss."""

    def __init__(self, width: int, hidden: int, out: int, norm: bool, layers: int = 2) -> None:
        """A projector of `layers` linear layers with ReLU between them.

        Args:
            width: The number of features that go in.
            hidden: The width of every layer but the last.
            out: The width of the last layer.
            norm: Whether batch normalisation follows every layer but the last.
            layers: The number of linear layers, at least 1.

        Raises:
            RRLError: RRL502, if a number is below 1.
        """
        sizes = {"width": width, "hidden": hidden, "out": out, "layers": layers}
        for name, size in sizes.items():
            if size < 1:
                raise error("RRL502", f"the projector's `{name}` must be at least 1, not {size}")
        widths = [width, *[hidden] * (layers - 1)]
        modules: list[nn.Module] = []
        for wide, narrow in pairwise(widths):
            # the norm has an offset of its own
            modules.append(nn.Linear(wide, narrow, bias=not norm))
            if norm:
                modules.append(nn.BatchNorm1d(narrow))
            modules.append(nn.ReLU(inplace=True))
        super().__init__(*modules, nn.Linear(widths[-1], out))


class Prototypes(nn.Module):
    """How like an embedding is to each of K learned directions: the end of DINO's head.

    Caron et al. (2021): the embedding is l2-normalised, then goes through a weight-normalised
    linear layer without bias whose norms are fixed to 1, so that the scores are cosines. That is
    `norm_last_layer=True` in their code, their choice for ViT-B; for ViT-S the norms learned too.

    DINO's whole head is a perceptron of three layers, 2048 wide, to a bottleneck of 256, and 65536
    prototypes; the perceptron is the projector here.
    """

    def __init__(self, width: int, count: int) -> None:
        """Prototypes with random directions.

        Args:
            width: The width of the embeddings that go in, DINO's bottleneck.
            count: The number of prototypes, K.

        Raises:
            RRLError: RRL502, if a number is below 1.
        """
        super().__init__()
        for name, size in {"width": width, "count": count}.items():
            if size < 1:
                raise error("RRL502", f"the prototypes' `{name}` must be at least 1, not {size}")
        self.directions = parametrizations.weight_norm(nn.Linear(width, count, bias=False))
        norms = self.directions.parametrizations.weight.original0
        torch.nn.init.ones_(norms)
        norms.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """The cosines (n, K) of embeddings (n, width) with the prototypes."""
        scores: Tensor = self.directions(F.normalize(x, dim=-1))
        return scores
