"""Backbones by name: residual networks, vision transformers, and any network of other packages.

The large residual networks are torchvision's; for small images they have a stem without
downsampling. `small` is a residual network with about 0.3 M weights, for images of 8 x 8 to 28 x 28
pixels on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import torch
import torchvision
from torch import Tensor, nn

from rrl_dsl.language.diagnostics import did_you_mean, error, listing
from rrl_dsl.models.imported import PUBLISHING, declared, imported_network, width_of
from rrl_dsl.models.tokens import PatchEncoder, Tokens
from rrl_dsl.models.transformer import TRANSFORMERS, build_transformer

MLP: Final = "mlp"
"""The backbone of vectors and sequences: a perceptron with about 0.2 M weights."""

_PERCEPTRON_WIDTH: Final = 256
_SMALL_SIDE = 64
"""Up to this many pixels a side, a stride in the stem costs more than it saves."""


class Backbone(nn.Module):
    """A network from images to flat features.

    Attributes:
        width: The number of features.
        patch_size: The side of a patch in pixels; None if the network has no patch tokens.
    """

    def __init__(self, body: nn.Module, width: int) -> None:
        """Wraps a network.

        Args:
            body: Maps float images (n, C, H, W) to features (n, width); a `PatchEncoder` if it
                has patch tokens.
            width: The number of features.
        """
        super().__init__()
        self.body = body
        self.width = width
        self.patch_size = body.patch_size if isinstance(body, PatchEncoder) else None

    def forward(self, images: Tensor) -> Tensor:
        """Computes the features of a batch.

        Args:
            images: float (n, C, H, W), normalized.

        Returns:
            The features, float (n, width).
        """
        features: Tensor = self.body(images)
        return features

    def tokens(self, images: Tensor, mask: Tensor | None = None) -> Tokens:
        """Computes the features of a batch and of the patches of its images.

        Args:
            images: float (n, C, H, W), normalized; H and W multiples of the patch size.
            mask: bool (n, P), True where a learned token replaces a patch. P is the number
                of patches, row by row.

        Returns:
            The features (n, width), and the features of the patches (n, P, patch width).

        Raises:
            RRLError: RRL502 if there are no patch tokens, or patches do not divide the images.
        """
        return self._patch_encoder().tokens(images, mask)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Returns the number of patches (rows, columns) of an image.

        Raises:
            RRLError: RRL502 if there are no patch tokens, or patches do not divide the image.
        """
        return self._patch_encoder().grid(height, width)

    def _patch_encoder(self) -> PatchEncoder:
        if not isinstance(self.body, PatchEncoder):
            hint = f"use {listing(TRANSFORMERS)}"
            raise error("RRL502", "the backbone has no patch tokens", hint=hint)
        return self.body


class _Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut; both are normalized before they are added."""

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


def _small(shape: tuple[int, ...]) -> Backbone:
    channels, height, width = shape
    # 8 x 8 digits need every pixel; at 28 x 28 a stride here makes the network 4 times cheaper
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


def _perceptron(shape: tuple[int, ...]) -> Backbone:
    """Four hidden layers, as SCARF's encoder (Bahri et al. 2022), with batch norms."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inside in (math.prod(shape), *[_PERCEPTRON_WIDTH] * 3):
        layers += [
            nn.Linear(inside, _PERCEPTRON_WIDTH, bias=False),
            nn.BatchNorm1d(_PERCEPTRON_WIDTH),
            nn.ReLU(inplace=True),
        ]
    return Backbone(nn.Sequential(*layers), _PERCEPTRON_WIDTH)


def _residual(name: str) -> Callable[[tuple[int, ...]], Backbone]:
    def build(shape: tuple[int, ...]) -> Backbone:
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


_CONVOLUTIONAL: Final = MappingProxyType(
    {
        "resnet18": _residual("resnet18"),
        "resnet34": _residual("resnet34"),
        "resnet50": _residual("resnet50"),
        "small": _small,
    }
)
"""Name -> a function from an image's shape (C, H, W) to a new backbone."""

BACKBONES: Final = (*_CONVOLUTIONAL, *TRANSFORMERS, MLP)
"""The names of our own backbones."""


def wrapped(network: nn.Module, shape: tuple[int, ...]) -> Backbone:
    """Wraps a user's network as a backbone; returns a backbone unchanged.

    Args:
        network: Maps float images (n, C, H, W) to features (n, width).
        shape: (C, H, W) of the images.

    Raises:
        RRLError: RRL502 if it does not return features for them.
    """
    if isinstance(network, Backbone):
        return network
    return Backbone(network, width_of(network, type(network).__name__, shape))


def build_backbone(
    name: str,
    shape: tuple[int, ...],
    *,
    patch_size: int | None = None,
    options: Mapping[str, Any] | None = None,
    pretrained: bool = False,
) -> Backbone:
    """Builds a backbone for images of a shape, with random weights unless it is pretrained.

    Args:
        name: A name in `BACKBONES`; `timm:NAME` or `torchvision:NAME`; or
            `package.module:attribute`, or a name that a package declares, for a class or function
            that returns a network from images (n, C, H, W) to (n, width).
        shape: (C, H, W) of the images, or the shape of other samples.
        patch_size: The side of a patch in pixels, for the vision transformers in `BACKBONES`; None
            chooses one by the size of the images.
        options: Further arguments for a network of timm or of another package.
        pretrained: Whether a network of timm or torchvision has the weights that its library
            publishes.

    Returns:
        The backbone, in float32 on the CPU.

    Raises:
        RRLError: RRL502, if the name is unknown or needs images and the samples are not images, an
            argument is not for this name, or a network of another package cannot be created or does
            not return flat features. RRL512 if its published weights cannot be loaded.
    """
    if patch_size is not None and name not in TRANSFORMERS:
        hint = "pass it in `options`" if ":" in name else "leave it out"
        message = f"`patch_size` is for {listing(TRANSFORMERS)}, not for `{name}`"
        raise error("RRL502", message, hint=hint, settings=("patch_size",))
    if pretrained and not name.startswith(PUBLISHING):
        message = f"`pretrained` is for networks of timm and torchvision, not for `{name}`"
        hint = "use `timm:NAME` or `torchvision:NAME`, or start from a file with `init`"
        raise error("RRL502", message, hint=hint, settings=("pretrained",))
    if ":" in name or (name not in BACKBONES and name in declared()):
        body = imported_network(name, shape, dict(options or {}), pretrained=pretrained)
        _check_channels(name, shape)
        if name.startswith(PUBLISHING):
            body.to(memory_format=torch.channels_last)
        return Backbone(body, width_of(body, name, shape))
    if name not in BACKBONES:
        known = (*BACKBONES, *declared())
        hint = (
            did_you_mean(name, known)
            or "`timm:NAME` and `package.module:attribute` are allowed too"
        )
        raise error(
            "RRL502",
            f"there is no backbone `{name}`; the backbones are {listing(known, 'and')}",
            hint=hint,
        )
    if options:
        message = f"the backbone `{name}` takes no options, but was given {listing(options, 'and')}"
        raise error("RRL502", message, hint="leave them out")
    if name == MLP:
        return _perceptron(shape)
    if len(shape) != 3:
        message = f"the backbone `{name}` takes images, and these samples have the shape {shape}"
        raise error("RRL502", message, hint=f"use `--set backbone={MLP}`, or a network of your own")
    if name in TRANSFORMERS:
        return Backbone(build_transformer(name, shape, patch_size), TRANSFORMERS[name].width)
    # the fastest layout for convolutions: it saves a third of the time of `small` on a CPU
    return _CONVOLUTIONAL[name](shape).to(memory_format=torch.channels_last)


def _check_channels(name: str, shape: tuple[int, ...]) -> None:
    """Refuses images that no network of torchvision takes."""
    source, _, network = name.partition(":")
    if source == "torchvision" and len(shape) == 3 and shape[0] != 3:
        message = f"`{name}` takes images of 3 channels, and these have {shape[0]}"
        other = network if network in BACKBONES else "timm:NAME"
        hint = f"use `{other}`, which takes any number of channels"
        raise error("RRL502", message, hint=hint)
