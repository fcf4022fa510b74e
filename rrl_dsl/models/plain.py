"""Backbones as the libraries that they come from build them: the names of weights, and Python code.

Networks with patch tokens have a token for masked patches, and other names, than the networks of
torchvision and timm that they are built from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import torch
import torchvision
from torch import nn

from rrl_dsl.models.backbones import BACKBONES, build_backbone
from rrl_dsl.models.imported import timm_arguments
from rrl_dsl.models.transformer import TRANSFORMERS

Value = TypeVar("Value")

Shape = tuple[int, ...]

_MASK: Final = "mask_token"


def plain_weights(backbone: str, shape: Shape, weights: Mapping[str, Value]) -> dict[str, Value]:
    """Returns the weights of a backbone by the names of its library, without the mask token.

    Args:
        backbone: The name of the backbone.
        shape: (C, H, W) of the images, or the shape of other samples.
        weights: The weights by their names in the `body` of the backbone.
    """
    if _is_transformer(backbone, shape):
        before, now = "embed.", "conv_proj."
    elif backbone.startswith("timm:") and any(name.startswith("net.") for name in weights):
        before, now = "net.", ""
    else:
        return dict(weights)
    return {
        now + name.removeprefix(before) if name.startswith(before) else name: value
        for name, value in weights.items()
        if name != _MASK
    }


def changed_parts(backbone: str, shape: Shape) -> dict[str, str]:
    """Returns the parts of a residual network that differ from torchvision's, and what they are.

    They are its last layer and, for small or gray images, its stem. Other backbones have none.

    Args:
        backbone: The name of the backbone.
        shape: (C, H, W) of the images, or the shape of other samples.
    """
    if not backbone.startswith("resnet") or backbone not in BACKBONES:
        return {}
    with torch.device("meta"):  # without weights
        own = build_backbone(backbone, shape).body
        published = torchvision.models.get_model(backbone)
    return {
        name: f"torch.nn.{part}"
        for name, part in own.named_children()
        if str(part) != str(published.get_submodule(name))
    }


def building_code(
    backbone: str, shape: Shape, *, patch_size: int | None, options: Mapping[str, Any]
) -> list[str]:
    """Returns lines of Python that build `network`, to which the weights belong: first an import.

    Args:
        backbone: The name of the backbone.
        shape: (C, H, W) of the images, or the shape of other samples.
        patch_size: As for `rrl_dsl.models.backbones.build_backbone`.
        options: The same.

    Raises:
        RRLError: RRL502 if the backbone is one of timm, and timm is not installed.
    """
    library, _, name = backbone.partition(":")
    if library == "timm":
        given = {"num_classes": 0, **timm_arguments(name, shape, options)}
        return ["import timm", f'network = timm.create_model("{name}"{keywords(given)})']
    if library == "torchvision":
        return [
            "import torchvision",
            f'network = torchvision.models.get_model("{name}"{keywords(options)})',
            "linear = [",
            "    name",
            "    for name, part in network.named_modules()",
            "    if isinstance(part, torch.nn.Linear)",
            "]",
            "for name in linear[-1:]:  # the last layer, which scores classes",
            "    network.set_submodule(name, torch.nn.Identity())",
        ]
    if changed := changed_parts(backbone, shape):
        lines = [f"network.{name} = {part}" for name, part in changed.items()]
        return ["import torchvision", f"network = torchvision.models.{backbone}()", *lines]
    if _is_transformer(backbone, shape):
        return _transformer_code(backbone, shape, patch_size)
    given = {"patch_size": patch_size} if patch_size else {}
    given |= {"options": dict(options)} if options else {}
    return [
        "from rrl_dsl.models.backbones import build_backbone",
        f'network = build_backbone("{backbone}", {shape}{keywords(given)}).body',
    ]


def _is_transformer(backbone: str, shape: Shape) -> bool:
    """Whether it is a vision transformer that torchvision can build: it takes square images."""
    return backbone in TRANSFORMERS and shape[1] == shape[2]


def _transformer_code(backbone: str, shape: Shape, patch_size: int | None) -> list[str]:
    size = TRANSFORMERS[backbone]
    with torch.device("meta"):
        own = build_backbone(backbone, shape, patch_size=patch_size)
    embedding = own.body.get_submodule("embed")
    assert isinstance(embedding, nn.Conv2d)
    given = {
        "image_size": shape[1],
        "patch_size": own.patch_size,
        "num_layers": size.layers,
        "num_heads": size.heads,
        "hidden_dim": size.width,
        "mlp_dim": 4 * size.width,
    }
    lines = [
        "import torchvision",
        f"network = torchvision.models.VisionTransformer({keywords(given).removeprefix(', ')})",
        "network.heads = torch.nn.Identity()",
    ]
    return lines if shape[0] == 3 else [*lines, f"network.conv_proj = torch.nn.{embedding}"]


def keywords(arguments: Mapping[str, Any]) -> str:
    """Returns arguments as Python writes them in a call, with a comma before each."""
    return "".join(f", {name}={value!r}" for name, value in arguments.items())
