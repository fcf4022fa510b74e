"""Color jitter as torchvision draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from kornia import augmentation, color
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
                images[group] = _with_hue(images[group], factors[group, _HUE])
        return images


def _blended(images: Tensor, operation: Tensor, factors: Tensor) -> Tensor:
    """Returns new images after brightness, contrast or saturation; hue leaves an image unchanged.

    The three operations mix an image with black, with its mean gray, and with its grayscale image.
    """
    gray = color.rgb_to_grayscale(images)
    contrast, saturation = (
        (operation == kind)[:, None, None, None] for kind in (_CONTRAST, _SATURATION)
    )
    other = gray * saturation + gray.mean(dim=(1, 2, 3), keepdim=True) * contrast
    factor = factors.gather(1, operation[:, None]).squeeze(1).where(operation != _HUE, 1.0)
    return torch.lerp(other, images, factor[:, None, None, None]).clamp_(0.0, 1.0)


def _with_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Returns images whose hue is turned on the circle of colors, as HSV defines it.

    The channels follow from hue, value and chroma without a case per sector of the circle: they are
    V - C max(0, min(k, 4 - k, 1)) with k = n + 6 H mod 6, for n = 5 (red), 3 (green) and 1 (blue).

    Args:
        images: float (n, 3, H, W) within [0, 1].
        turn: The turn of every image, (n,); 1 is a full turn.
    """
    red, green, blue = images.unbind(1)
    value, least = images.amax(dim=1), images.amin(dim=1)
    chroma = value - least
    divisor = chroma.masked_fill(chroma == 0, 1.0)
    sector = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    sector = sector + 6 * turn[:, None, None]
    first = torch.arange(5, 0, -2, device=images.device)[:, None, None]
    k = (sector[:, None] + first).remainder_(6)
    part = torch.minimum(k, 4 - k).clamp_(0.0, 1.0)
    return value[:, None] - chroma[:, None] * part
