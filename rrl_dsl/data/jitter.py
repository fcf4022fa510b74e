"""Color jitter as torchvision draws it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import torch
from kornia import augmentation, color, enhance
from torch import Tensor

_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE = range(4)
_FACTORS: Final = (
    "brightness_factor",
    "contrast_factor",
    "saturation_factor",
    "hue_factor",
)
"""The names of the parameters, by operation."""


class ColorJitter(augmentation.ColorJitter):  # type: ignore[misc]  # kornia has no types
    """Kornia's color jitter with a random order of the four operations for every image.

    Torchvision draws an order for an image, kornia one for a whole batch.
    """

    def apply_transform(
        self,
        images: Tensor,
        params: Mapping[str, Tensor],
        flags: Mapping[str, Any],
        transform: Tensor | None = None,
    ) -> Tensor:
        """Returns the jittered images.

        Args:
            images: float (n, 3, H, W) within [0, 1].
            params: The factors of the operations, (n,).
            flags: Not used.
            transform: Not used.
        """
        # drawn on the host, so that the sizes of the groups need no synchronization
        order = torch.rand(len(images), len(_FACTORS)).argsort(dim=1)
        place_of_hue = (order == _HUE).int().argmax(dim=1)
        sizes = place_of_hue.bincount(minlength=len(_FACTORS)).tolist()
        groups = torch.split(place_of_hue.argsort().to(images.device, non_blocking=True), sizes)

        order = order.to(images.device, non_blocking=True)
        factors = torch.stack([params[name].to(images) for name in _FACTORS], dim=1)
        for place, group in enumerate(groups):
            images = _blended(images, order[:, place], factors)
            if len(group):
                hue = factors[group, _HUE] * 2 * math.pi
                images[group] = enhance.adjust_hue(images[group], hue)
        return images


def _blended(images: Tensor, operation: Tensor, factors: Tensor) -> Tensor:
    """Returns new images after brightness, contrast or saturation; hue leaves an image unchanged.

    The three operations mix an image with black, with its mean gray, and with its grayscale image.
    """
    gray = color.rgb_to_grayscale(images)
    factor = factors.gather(1, operation[:, None])[:, :, None, None]
    operation = operation[:, None, None, None]
    other = torch.where(operation == _CONTRAST, gray.mean(dim=(1, 2, 3), keepdim=True), gray)
    other = other.masked_fill(operation == _BRIGHTNESS, 0.0)
    mixed = (factor * images + (1 - factor) * other).clamp(0.0, 1.0)
    return torch.where(operation == _HUE, images, mixed)
