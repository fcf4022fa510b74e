"""Layer-wise decay of the learning rate, for transformers and residual networks."""

from __future__ import annotations

import re
from typing import Final

from torch import nn

from rrl_dsl.language.diagnostics import error
from rrl_dsl.models.backbones import Backbone

_LAYER: Final = re.compile(
    r"(?:^|\.)(?:layers\.encoder_layer_|(?:body|blocks|layers|stages|features)\.|layer)(\d+)\."
)
"""The number of a layer in the name of a weight: a block of a transformer, a stage of a residual
network, or a module of an `nn.Sequential`."""


def layer_scales(backbone: Backbone, decay: float, name: str) -> dict[nn.Parameter, float]:
    """Returns the factor of the learning rate of every weight of a backbone.

    The factor of layer i of L is decay ** (L + 1 - i) (Clark et al. 2020, as in BEiT and DINOv2).
    What comes before the layers, such as the embedding of the patches, is layer 0; what comes after
    them, such as the last norm, has the factor 1.

    Args:
        backbone: The backbone.
        decay: The factor from one layer to the layer before it.
        name: The name of the backbone, for the error.

    Raises:
        RRLError: RRL502 if the names of the weights do not number the layers.
    """
    numbers = {key: _LAYER.search(key) for key, _ in backbone.named_parameters()}
    known = sorted({int(match[1]) for match in numbers.values() if match})
    if len(known) < 2:
        message = f"`optimizer.layer_decay` does not know the layers of the backbone `{name}`"
        hint = "use `--set optimizer.layer_decay=1`, or number its layers as `blocks.0`, `blocks.1`"
        raise error("RRL502", message, hint=hint, settings=("optimizer.layer_decay",))
    place = {number: layer for layer, number in enumerate(known, start=1)}
    layer, scales = 0, {}
    for key, weight in backbone.named_parameters():
        if match := numbers[key]:
            layer = place[int(match[1])]
        elif layer:
            layer = len(place) + 1
        scales[weight] = decay ** (len(place) + 1 - layer)
    return scales
