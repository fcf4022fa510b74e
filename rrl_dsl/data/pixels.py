"""The values of pixels: which types they have, and how they are scaled."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

WHITE: Final = {torch.uint8: 255, torch.uint16: 65535}
"""The types of whole numbers, and the value of white. Floating-point values are not scaled."""


def unit(images: Tensor) -> Tensor:
    """Scales whole numbers to [0, 1] by the value of white; returns float32."""
    scaled = images.to(torch.float32)
    return scaled / WHITE[images.dtype] if images.dtype in WHITE else scaled
