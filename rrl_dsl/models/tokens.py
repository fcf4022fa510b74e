"""The output of a backbone with patch tokens: features of the image and of its patches."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn

from rrl_dsl.language.diagnostics import error


class Tokens(NamedTuple):
    """The output of a backbone with patch tokens.

    Attributes:
        features: float (n, width), of the images.
        patches: float (n, P, width), of the patches, row by row.
    """

    features: Tensor
    patches: Tensor


class PatchEncoder(nn.Module):
    """The base class of networks with a token per patch.

    Attributes:
        patch_size: The side of a patch in pixels.
    """

    def __init__(self, patch_size: int) -> None:
        """Sets the side of a patch, in pixels."""
        super().__init__()
        self.patch_size = patch_size

    def tokens(self, images: Tensor, mask: Tensor | None = None) -> Tokens:
        """Computes the features of images and of their patches.

        Args:
            images: float (n, C, H, W), normalized.
            mask: bool (n, P), True where a learned token replaces a patch.
        """
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Computes features (n, width) of float images (n, C, H, W), normalized."""
        return self.tokens(images).features

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Returns the number of patches (rows, columns) of an image.

        Raises:
            RRLError: RRL502 if the sides are not multiples of the patch size.
        """
        side = self.patch_size
        if height % side or width % side:
            fitting = nearest_patch_size(height, width, side)
            hint = f"use sides that are multiples of {side}"
            if fitting is not None:
                hint += f", or patches of {fitting} x {fitting}"
            message = f"images of {height} x {width} pixels cannot be divided into patches of "
            raise error("RRL502", f"{message}{side} x {side}", hint=hint)
        return height // side, width // side


def nearest_patch_size(height: int, width: int, wanted: int) -> int | None:
    """Returns the common divisor of both sides nearest to a wanted size, or None.

    It is between 2 and twice the wanted size, and gives more than one patch per side.
    """
    both = math.gcd(height, width)
    fitting = [
        side for side in range(2, 2 * wanted + 1) if both % side == 0 and side < min(height, width)
    ]
    return min(fitting, key=lambda side: abs(side - wanted), default=None)
