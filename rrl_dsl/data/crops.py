"""Random crops of whole image files, drawn where the files are decoded.

A data set in memory holds squares, and views crop those on the device. Of an image file the square
is the middle at a low resolution; a crop of the file itself may show its borders, and has the
resolution of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from rrl_dsl.language.digest import stable_id

Scale = tuple[float, float]
"""The least and the largest share of an image's area that a crop shows."""


@dataclass(frozen=True)
class Crop:
    """A part of random area, shape and place, resized to a square.

    Szegedy et al. Going deeper with convolutions. CVPR 2015, section 6; torchvision's
    `RandomResizedCrop`.

    Attributes:
        side: The side of the square, in pixels.
        scale: The least and the largest share of the area.
        ratio: The least and the largest ratio of width to height.
    """

    side: int
    scale: Scale
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def of(self, image: Image.Image, draw: int) -> Image.Image:
        """The crop of an image that a draw gives; it depends on the arguments alone."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(draw)
            cropped: Image.Image = RandomResizedCrop(self.side, self.scale, self.ratio)(image)
        return cropped


@dataclass(frozen=True)
class Crops:
    """The crops that are drawn of every sample in every epoch.

    Attributes:
        views: One for each view.
        local: One for each local view.
        seed: What the draws follow from, beside sample, view and epoch.
    """

    views: Sequence[Crop]
    local: Sequence[Crop] = ()
    seed: int = 0

    def draw(self, sample: int, view: int, epoch: int) -> int:
        """What a crop follows from; local views are numbered after the others."""
        return stable_id(f"crop {self.seed} {sample} {view} {epoch}")
