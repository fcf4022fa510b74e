"""Masks of the patches that are hidden from a backbone: blocks, as in BEiT, iBOT and DINOv2.

BEiT (Bao et al., 2022) hides rectangles of random size, position and aspect ratio until enough
patches are hidden. iBOT (Zhou et al., 2022) masks only a share of the images, with a random ratio.
DINOv2 (Oquab et al., 2024) spreads the ratios evenly over the masked images of a batch. Their code
loops over images and rectangles. This module draws all of them at once, and never waits for the
device.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from rrl_dsl.language.diagnostics import error

_ASPECT: Final = 0.3
"""The aspect ratio of a block is from this to its inverse, in all three papers' code."""
_SMALLEST: Final = 4
"""The least patches a block is drawn with, in DINOv2's code; 16 in BEiT's."""
_BLOCKS: Final = 16
"""Blocks drawn for an image. Most need two or three, and at a ratio of 0.9 one in a thousand needs
more: then the patches that no block covers follow row by row."""


def block_masks(
    count: int,
    grid: tuple[int, int],
    *,
    ratio: tuple[float, float] = (0.1, 0.5),
    probability: float = 0.5,
    seed: int,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Draws masks of blocks for a batch of images.

    The defaults are DINOv2's. Blocks are added to an image until its share of patches is masked.
    The block that would exceed the share is cut, row by row. An image with one patch is never
    masked, and no image is masked completely.

    Args:
        count: The number of images, n.
        grid: (rows, columns) of patches.
        ratio: The smallest and the largest share of masked patches, from 0 to 1.
        probability: The share of masked images, rounded to a whole number of images.
        seed: The seed of the masks, which are the same on every device of one kind.
        device: The device of the masks.

    Returns:
        bool (n, P), True where masked, P = rows * columns, row by row.

    Raises:
        RRLError: RRL502, if a number is out of its range.
    """
    _check(count, grid, ratio, probability)
    source = torch.Generator(device).manual_seed(seed)
    draw = partial(torch.rand, generator=source, device=device)
    patches = math.prod(grid)
    wanted = _wanted(draw, count, patches, ratio, round(count * probability))
    first = _first_blocks(draw, wanted, grid)
    place = torch.arange(patches, device=device)
    # from below or from above, so that neither side is preferred
    place = torch.where(draw(count, 1) < 0.5, place, place.flip(0))
    order = (first * patches + place).argsort(dim=1).argsort(dim=1)
    return order < wanted.unsqueeze(1)


def _wanted(draw: Any, count: int, patches: int, ratio: tuple[float, float], images: int) -> Tensor:
    """Draws the number of masked patches of each image, int64 (n,); it is 0 for unmasked images.

    The interval of the ratios is cut into one equal part per masked image, and each image draws its
    ratio from its part.
    """
    low, high = ratio
    rank = draw(count).argsort()
    share = low + (high - low) * (rank + draw(count)) / max(1, images)
    wanted = (share * patches).round().long().clamp(1, patches - 1)
    return torch.where(rank < images, wanted, 0)


def _first_blocks(draw: Any, wanted: Tensor, grid: tuple[int, int]) -> Tensor:
    """Returns the first block that covers each patch, int32 (n, P); `_BLOCKS` if none does."""
    rows, cols = grid
    shape = (len(wanted), _BLOCKS)
    largest = wanted.unsqueeze(1)
    smallest = largest.clamp(max=_SMALLEST)
    area = smallest + (largest - smallest) * draw(shape)
    aspect = torch.exp((1 - 2 * draw(shape)) * math.log(_ASPECT))
    height = (area * aspect).sqrt().round().clamp(1, rows)
    width = (area / height).round().clamp(1, cols)
    down = _within(draw(shape), height, rows)
    across = _within(draw(shape), width, cols)
    blocks = down.unsqueeze(3) & across.unsqueeze(2)
    number = torch.arange(_BLOCKS, dtype=torch.int32, device=wanted.device).view(-1, 1, 1)
    return torch.where(blocks, number, _BLOCKS).amin(dim=1).flatten(1)


def _within(where: Tensor, length: Tensor, total: int) -> Tensor:
    """Returns which of `total` positions lie in randomly placed intervals of given lengths."""
    start = (where * (total - length + 1)).floor().unsqueeze(2)
    place = torch.arange(total, device=where.device)
    return (place >= start) & (place < start + length.unsqueeze(2))


def _check(
    count: int, grid: tuple[int, int], ratio: tuple[float, float], probability: float
) -> None:
    if count < 0 or min(grid) < 1:
        message = f"masks need images with patches, not {count} of {grid[0]} x {grid[1]}"
        raise error("RRL502", message)
    if not 0 <= ratio[0] <= ratio[1] <= 1:
        message = f"the `ratio` of masked patches must be an interval from 0 to 1, not {ratio}"
        raise error("RRL502", message, hint="the default is (0.1, 0.5)")
    if not 0 <= probability <= 1:
        message = f"the `probability` of a mask must be from 0 to 1, not {probability}"
        raise error("RRL502", message)
