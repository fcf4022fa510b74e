"""Colour jitter as torchvision draws it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from kornia import augmentation, enhance
from torch import Tensor


class ColorJitter(augmentation.ColorJitter):  # type: ignore[misc]
    """kornia's colour jitter, with an order of the four operations for each image.

    So torchvision draws it; kornia draws one order for the whole batch.
    """

    def apply_transform(
        self,
        images: Tensor,
        params: Mapping[str, Tensor],
        flags: Mapping[str, Any],
        transform: Tensor | None = None,
    ) -> Tensor:
        """The jittered images.

        Args:
            images: float (n, 3, H, W) within [0, 1].
            params: The factors of each operation, (n,).
            flags: Not used.
            transform: Not used.
        """
        operations = (
            (enhance.adjust_brightness_accumulative, params["brightness_factor"]),
            (enhance.adjust_contrast_with_mean_subtraction, params["contrast_factor"]),
            (enhance.adjust_saturation_with_gray_subtraction, params["saturation_factor"]),
            (enhance.adjust_hue, params["hue_factor"] * 2 * math.pi),
        )
        places = torch.rand(len(images), len(operations)).argsort(dim=1)  # not on the device
        images = images.clone()
        for place in places.T:
            for number, (adjust, factors) in enumerate(operations):
                chosen = (place == number).nonzero().squeeze(1)
                if len(chosen):
                    here = chosen.to(images.device)
                    images[here] = adjust(images[here], factors[chosen.to(factors.device)])
        return images
