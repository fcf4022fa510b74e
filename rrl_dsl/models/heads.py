"""Heads on a backbone: the projector, and the prototypes of self-distillation."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from rrl_dsl.language.diagnostics import error

Activation = Literal["relu", "gelu"]
OutputNorm = Literal["none", "affine", "plain"]

_ACTIVATIONS: Final[dict[Activation, type[nn.Module]]] = {"relu": nn.ReLU, "gelu": nn.GELU}


class Projector(nn.Sequential):
    """A multi-layer perceptron from backbone features to the space of the loss.

    Attributes:
        width: The width of the output.
    """

    width: int

    def __init__(
        self,
        width: int,
        hidden: int,
        out: int,
        norm: bool,
        layers: int = 2,
        activation: Activation = "relu",
        output_norm: OutputNorm = "none",
    ) -> None:
        """Creates a projector of `layers` linear layers with activations between them.

        Args:
            width: The number of input features.
            hidden: The width of every layer except the last.
            out: The width of the last layer.
            norm: Whether batch normalization follows every layer except the last.
            layers: The number of linear layers; with 0 the projector is the identity.
            activation: The activation after every layer except the last.
            output_norm: Whether batch normalization follows the last layer, and whether it learns
                a scale and an offset (`affine`) or not (`plain`).

        Raises:
            RRLError: RRL502, if there are fewer than 0 layers, or another number is below 1.
        """
        for name, size in {"width": width, "hidden": hidden, "out": out}.items():
            if size < 1:
                raise error("RRL502", f"the projector's `{name}` must be at least 1, not {size}")
        if layers < 0:
            raise error("RRL502", f"the projector's `layers` must be at least 0, not {layers}")
        super().__init__()
        self.width = out if layers else width
        if not layers:
            return
        widths = [width, *[hidden] * (layers - 1)]
        for wide, narrow in pairwise(widths):
            self.append(nn.Linear(wide, narrow, bias=not norm))  # a norm has its own offset
            if norm:
                self.append(nn.BatchNorm1d(narrow))
            self.append(_ACTIVATIONS[activation]())
        self.append(nn.Linear(widths[-1], out, bias=output_norm == "none"))
        if output_norm != "none":
            self.append(nn.BatchNorm1d(out, affine=output_norm == "affine"))


class Prototypes(nn.Module):
    """Cosine similarities of embeddings and K learned directions: the last layer of DINO's head.

    Caron et al. (2021): the embedding is l2-normalized, then goes through a weight-normalized
    linear layer without bias whose norms are fixed to 1, so the scores are cosines. This is
    `norm_last_layer=True` in their code, their choice for ViT-B; for ViT-S they train the norms.

    DINO's complete head is a perceptron with three layers of width 2048 and a bottleneck of 256,
    followed by 65536 prototypes. Here the projector is that perceptron.
    """

    def __init__(self, width: int, count: int) -> None:
        """Creates prototypes with random directions.

        Args:
            width: The width of the embeddings, DINO's bottleneck.
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
        """Returns the cosines (n, K) of embeddings (n, width) and prototypes."""
        scores: Tensor = self.directions(F.normalize(x, dim=-1))
        return scores
