"""Backbones by name, and the projector that stands on them.

The large backbones are torchvision's residual networks, with the stem that suits small images
where the images are small. `small` is a residual network of about 0.3 M weights for grey images
of 8 x 8 to 28 x 28 pixels on a processor without an accelerator.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import torch
import torchvision
from torch import Tensor, nn

from rrl_dsl.language.diagnostics import did_you_mean, error, listing

_SMALL_SIDE = 64
"""Up to this many pixels a side, a stride in the stem costs more than it saves."""


class Backbone(nn.Module):
    """A network from images to flat features.

    Attributes:
        width: The number of features.
    """

    def __init__(self, body: nn.Module, width: int) -> None:
        super().__init__()
        # the layout convolutions are fastest in: `small` by a third, on a processor
        self.body = body.to(memory_format=torch.channels_last)
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        """Features of a batch.

        Args:
            images: float (n, C, H, W), normalised.

        Returns:
            The features, float (n, width).
        """
        features: Tensor = self.body(images)
        return features


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


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a short cut, normalised before they are added."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.residual(x) + self.shortcut(x))


def _small(shape: tuple[int, int, int]) -> Backbone:
    channels, height, width = shape
    # an 8 x 8 digit has no pixel to lose; at 28 x 28 a stride here makes the whole net 4 x cheaper
    stride = 1 if min(height, width) <= 16 else 2
    return Backbone(
        nn.Sequential(
            nn.Conv2d(channels, 32, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            _Block(32, 32, 1),
            _Block(32, 64, 2),
            _Block(64, 128, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
        width=128,
    )


def _residual(name: str) -> Callable[[tuple[int, int, int]], Backbone]:
    def build(shape: tuple[int, int, int]) -> Backbone:
        channels, *sides = shape
        net = torchvision.models.get_model(name, weights=None)
        width: int = net.fc.in_features
        net.fc = nn.Identity()
        if max(sides) <= _SMALL_SIDE:
            net.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
            net.maxpool = nn.Identity()
        elif channels != 3:
            net.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        return Backbone(net, width)

    return build


BACKBONES: Final = MappingProxyType(
    {
        "resnet18": _residual("resnet18"),
        "resnet34": _residual("resnet34"),
        "resnet50": _residual("resnet50"),
        "small": _small,
    }
)
"""Name -> a function from an image's shape (C, H, W) to a new backbone."""


def build_backbone(name: str, shape: tuple[int, int, int]) -> Backbone:
    """A new backbone for images of a shape, with random weights.

    Args:
        name: A key of `BACKBONES`.
        shape: (C, H, W) of the images, C 1 or 3.

    Returns:
        The backbone, in float32 on the processor.

    Raises:
        RRLError: RRL502, if the name is unknown or the images have neither 1 nor 3 channels.
    """
    if name not in BACKBONES:
        hint = did_you_mean(name, tuple(BACKBONES))
        known = listing(BACKBONES)
        raise error("RRL502", f"there is no backbone `{name}`; there is {known}", hint=hint)
    if shape[0] not in (1, 3):
        raise error("RRL502", f"a backbone takes images of 1 or 3 channels, not {shape[0]}")
    return BACKBONES[name](shape)
