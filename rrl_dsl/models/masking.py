"""Which patches are hidden from a backbone: blocks, as in BEiT, iBOT and DINOv2.

BEiT (Bao et al., 2022) hides rectangles of random size, place and aspect ratio until enough patches
are hidden. iBOT (Zhou et al., 2022) hides so in a share of the images alone, at a random ratio;
DINOv2 (Oquab et al., 2024) spreads the ratios evenly over the hidden images of a batch. Their loops
go over one image and one rectangle at a time; here all are drawn at once, and nothing waits for the
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
    """Masks of blocks for a batch of images.

    The defaults are DINOv2's. Block after block is laid on an image until its share of patches is
    masked; the block that would go beyond it is cut, row by row. An image of one patch is never
    masked, and no image is masked wholly.

    Args:
        count: The number of images, n.
        grid: (rows, columns) of patches.
        ratio: The least and the largest share of masked patches, from 0 to 1.
        probability: The share of the images that is masked, rounded to whole images.
        seed: What the masks follow from; equal on the same kind of device.
        device: Where they are drawn and returned.

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
    # from below or from above, so that the cut favors neither
    place = torch.where(draw(count, 1) < 0.5, place, place.flip(0))
    order = (first * patches + place).argsort(dim=1).argsort(dim=1)
    return order < wanted.unsqueeze(1)


def _wanted(draw: Any, count: int, patches: int, ratio: tuple[float, float], images: int) -> Tensor:
    """How many patches of each image are masked, int64 (n,): 0 for all but `images` of them.

    The interval of the ratios is cut into as many equal parts as images are masked, and each has
    its ratio from one part.
    """
    low, high = ratio
    rank = draw(count).argsort()
    share = low + (high - low) * (rank + draw(count)) / max(1, images)
    wanted = (share * patches).round().long().clamp(1, patches - 1)
    return torch.where(rank < images, wanted, 0)


def _first_blocks(draw: Any, wanted: Tensor, grid: tuple[int, int]) -> Tensor:
    """Which block covers each patch first, int32 (n, P); `_BLOCKS` where none does."""
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
    """Which of `total` places are in intervals of a length (n, K), by uniform draws of where."""
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
        raise error("RRL502", message, hint="(0.1, 0.5) is usual")
    if not 0 <= probability <= 1:
        message = f"the `probability` of a mask must be from 0 to 1, not {probability}"
        raise error("RRL502", message)
