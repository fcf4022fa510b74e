"""Random crops of image files, which the data loader draws when it decodes a file.

Images in memory are squares, and views crop them on the device. The square of an image file is its
center at low resolution. A crop of the file itself may contain its borders, and has its resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import RandomResizedCrop

from rrl_dsl.language.digest import stable_id

T = TypeVar("T", Image.Image, Tensor)

Scale = tuple[float, float]
"""The range of the area of a crop, as a fraction of the area of the image."""


@dataclass(frozen=True)
class Crop:
    """A crop of random area, aspect ratio and position, resized to a square.

    Szegedy et al. Going deeper with convolutions. CVPR 2015, section 6; torchvision's
    `RandomResizedCrop`.

    Attributes:
        side: The side of the square in pixels.
        scale: The range of the area, as a fraction of the area of the image.
        ratio: The range of the aspect ratio, width / height.
    """

    side: int
    scale: Scale
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def of(self, image: T, draw: int) -> T:
        """Returns the crop of an image; it depends on the image and the seed `draw` alone."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(draw)
            cropped: T = RandomResizedCrop(self.side, self.scale, self.ratio)(image)
        return cropped


@dataclass(frozen=True)
class Crops:
    """The crops of a sample.

    Attributes:
        views: A crop for every view.
        local: A crop for every local view.
        seed: The seed, which is combined with the sample, the view and the epoch.
    """

    views: Sequence[Crop]
    local: Sequence[Crop] = ()
    seed: int = 0

    def draw(self, sample: int, view: int, epoch: int) -> int:
        """Returns the seed of a crop; local views are numbered after the other views."""
        return stable_id(f"crop {self.seed} {sample} {view} {epoch}")
