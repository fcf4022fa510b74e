"""Vision transformers, built from torchvision's modules.

Dosovitskiy et al. (2021), "An image is worth 16 x 16 words". torchvision's class takes square
images of one size and returns no patch tokens. Here, images can be rectangular and can differ in
size from the images that the network was built for (the local views of multi-crop), and patches can
be masked.
"""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Final, NamedTuple

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from rrl_dsl.language.diagnostics import error
from rrl_dsl.models.tokens import PatchEncoder, Tokens, nearest_patch_size


class Size(NamedTuple):
    """The size of a transformer: token width, number of layers, attention heads per layer."""

    width: int
    layers: int
    heads: int


TRANSFORMERS: Final = MappingProxyType(
    {
        "vit-micro": Size(64, 4, 4),
        "vit-tiny": Size(192, 12, 3),
        "vit-small": Size(384, 12, 6),
        "vit-base": Size(768, 12, 12),
    }
)
"""Name -> size. Tiny and small are those of DeiT (Touvron et al., 2021), base is that of the ViT
paper; micro is for digits on a processor without an accelerator."""


_POSITION_SPREAD: Final = 0.3
"""Of embeddings of positions at first, beside about 1 of those of patches.

At torchvision's 0.02 a network sees a bag of patches for long: 330 steps of simclr on digits bring
a linear probe from 74 to 78 % there, and to 97 % here.
"""


class Transformer(PatchEncoder):
    """A vision transformer; the feature of an image is the class token after the last norm."""

    def __init__(self, shape: tuple[int, ...], patch_size: int, size: Size) -> None:
        """Creates a transformer with torchvision's random initialization.

        Args:
            shape: (C, H, W) of the images.
            patch_size: The side of a patch in pixels.
            size: Width, layers and heads; the perceptrons are four times as wide.

        Raises:
            RRLError: RRL502 if the patches do not divide the images.
        """
        super().__init__(patch_size)
        channels, height, width = shape
        self.built_for = self.grid(height, width)
        net = torchvision.models.VisionTransformer(
            image_size=patch_size,  # the positions are our own
            patch_size=patch_size,
            num_layers=size.layers,
            num_heads=size.heads,
            hidden_dim=size.width,
            mlp_dim=4 * size.width,
        )
        self.embed: nn.Module = net.conv_proj
        if channels != 3:
            self.embed = _patch_embedding(channels, size.width, patch_size)
        self.class_token: nn.Parameter = net.class_token
        # as in iBOT and DINOv2
        self.mask_token = nn.Parameter(torch.zeros(1, 1, size.width))
        patches = math.prod(self.built_for)
        positions = torch.randn(1, 1 + patches, size.width) * _POSITION_SPREAD
        net.encoder.pos_embedding = nn.Parameter(positions)
        self.encoder: nn.Module = net.encoder

    def tokens(self, images: Tensor, mask: Tensor | None = None) -> Tokens:
        """Computes the features of images and of their patches, after the last norm.

        A mask token replaces masked patches after the patch embedding, before positions are added,
        as in iBOT (Zhou et al., 2022).

        Args:
            images: float (n, C, H, W), normalized; H and W multiples of the patch size.
            mask: bool (n, P), True where the mask token replaces a patch.

        Raises:
            RRLError: RRL502 if the patches do not divide the images.
        """
        rows, cols = self.grid(images.shape[-2], images.shape[-1])
        patches = self.embed(images).flatten(2).transpose(1, 2)
        if mask is not None:
            token = self.mask_token.to(patches.dtype)
            patches = torch.where(mask.unsqueeze(-1), token, patches)
        # the mask token has a gradient in every step, which processes that train together wait for
        first = (self.class_token + 0 * self.mask_token).expand(images.shape[0], -1, -1)
        x = torch.cat([first, patches], dim=1) + self._positions(rows, cols)
        x = self.encoder.ln(self.encoder.layers(x))  # type: ignore[operator]
        return Tokens(x[:, 0], x[:, 1:])

    def _positions(self, rows: int, cols: int) -> Tensor:
        """Returns the position embeddings (1, 1 + P, width) of a grid, interpolated as in DINO."""
        positions: Tensor = self.encoder.pos_embedding  # type: ignore[assignment]
        if (rows, cols) == self.built_for:
            return positions
        plane = positions[:, 1:].transpose(1, 2).reshape(1, -1, *self.built_for)
        plane = F.interpolate(plane, (rows, cols), mode="bicubic", align_corners=False)
        return torch.cat([positions[:, :1], plane.flatten(2).transpose(1, 2)], dim=1)


def build_transformer(
    name: str, shape: tuple[int, ...], patch_size: int | None = None
) -> Transformer:
    """Builds a vision transformer by name.

    Args:
        name: A key of `TRANSFORMERS`.
        shape: (C, H, W) of the images.
        patch_size: The side of a patch in pixels; None chooses the common divisor of both sides
            nearest to 2 for images of up to 16 pixels, 4 below 64, 8 below 128, and 16 otherwise.

    Raises:
        RRLError: RRL502 if the patches do not divide the images.
    """
    if patch_size is None:
        patch_size = _default_patch_size(*shape[1:])
    if patch_size < 1:
        message = f"`patch_size` must be at least 1 pixel, not {patch_size}"
        raise error("RRL502", message, settings=("patch_size",))
    return Transformer(shape, patch_size, TRANSFORMERS[name])


def _default_patch_size(height: int, width: int) -> int:
    side = min(height, width)
    usual = 2 if side <= 16 else 4 if side < 64 else 8 if side < 128 else 16
    size = nearest_patch_size(height, width, usual)
    if size is None:
        message = f"images of {height} x {width} pixels cannot be divided into patches of about "
        hint = f"use sides that are multiples of {usual}, or set `patch_size`"
        message += f"{usual} x {usual}"
        raise error("RRL502", message, hint=hint, settings=("patch_size",))
    return size


def _patch_embedding(channels: int, width: int, patch_size: int) -> nn.Conv2d:
    """Returns torchvision's patch embedding for another number of channels."""
    layer = nn.Conv2d(channels, width, patch_size, stride=patch_size)
    nn.init.trunc_normal_(layer.weight, std=math.sqrt(1 / (channels * patch_size**2)))
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
