from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.models.masking import block_masks


def neighbors(masks: Tensor, grid: tuple[int, int]) -> float:
    """Pairs of masked patches side by side, as a share of all masked patches."""
    plane = masks.view(-1, *grid)
    down = (plane[:, 1:] & plane[:, :-1]).sum()
    across = (plane[:, :, 1:] & plane[:, :, :-1]).sum()
    return float(down + across) / float(masks.sum())


@pytest.mark.parametrize(("ratio", "masked"), [(0.1, 20), (0.3, 59), (0.75, 147), (0.95, 186)])
def test_the_number_of_masked_patches_is_exact(ratio: float, masked: int) -> None:
    masks = block_masks(64, (14, 14), ratio=(ratio, ratio), probability=1.0, seed=1)
    assert masks.dtype == torch.bool
    assert masks.shape == (64, 196)
    assert masks.sum(dim=1).unique().tolist() == [masked]


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(
    count=st.integers(0, 20),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    probability=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_properties_of_masks(count, grid, ends, probability, seed) -> None:
    low, high = sorted(ends)
    masks = block_masks(count, grid, ratio=(low, high), probability=probability, seed=seed)
    patches = math.prod(grid)
    assert masks.shape == (count, patches)
    sizes = masks.sum(dim=1)
    hidden = sizes[sizes > 0]
    assert len(hidden) == (round(count * probability) if patches > 1 else 0)
    assert (sizes < patches).all()
    assert (hidden >= max(1, math.floor(low * patches)) - (low == 1)).all()
    assert (hidden <= max(1, math.ceil(high * patches))).all()


def test_masks_follow_from_the_seed_alone() -> None:
    first = block_masks(32, (7, 7), seed=5)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert torch.equal(block_masks(32, (7, 7), seed=5), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(block_masks(32, (7, 7), seed=6), first)


def test_the_masked_images_are_drawn() -> None:
    hidden = torch.stack([block_masks(10, (4, 4), seed=seed).any(dim=1) for seed in range(100)])
    assert (hidden.sum(dim=1) == 5).all()
    assert ((hidden.float().mean(dim=0) - 0.5).abs() < 0.2).all()


def test_ratios_are_spread_over_their_interval() -> None:
    sizes = block_masks(100, (20, 20), ratio=(0.1, 0.5), probability=1.0, seed=2).sum(dim=1)
    ratios = (sizes / 400).sort().values
    # one from each hundredth of the interval, and not in the order of the images
    even = 0.1 + 0.4 * (torch.arange(100) + 0.5) / 100
    assert ((ratios - even).abs() <= 0.002 + 0.5 / 400 + 1e-6).all()
    assert not torch.equal(sizes, sizes.sort().values)


@pytest.mark.parametrize("ratio", [0.15, 0.3, 0.5])
def test_masks_are_blocks(ratio: float) -> None:
    grid = (14, 14)
    masks = block_masks(128, grid, ratio=(ratio, ratio), probability=1.0, seed=3)
    wanted = int(masks[0].sum())
    scattered = torch.rand(128, 196).argsort(dim=1) < wanted
    # a square of 8 x 8 has 1.75 pairs a patch; scattered patches have twice the ratio
    assert neighbors(masks, grid) > 1.4
    assert neighbors(masks, grid) > neighbors(scattered, grid) + 0.4


def test_blocks_are_of_many_shapes() -> None:
    masks = block_masks(400, (8, 8), ratio=(0.2, 0.4), probability=1.0, seed=4).view(-1, 8, 8)
    heights, widths = masks.any(dim=2).sum(dim=1), masks.any(dim=1).sum(dim=1)
    assert (heights > widths).float().mean() > 0.2
    assert (heights < widths).float().mean() > 0.2


def test_blocks_are_uniform_over_the_image() -> None:
    masks = block_masks(2000, (8, 8), ratio=(0.5, 0.5), probability=1.0, seed=4).view(-1, 8, 8)
    share = masks.float().mean(dim=0)
    assert share.min() > 0.1
    rows, cols = share.mean(dim=1), share.mean(dim=0)
    for one, other in ((rows, rows.flip(0)), (cols, cols.flip(0))):
        assert (one - other).abs().max() < 0.05
    assert (rows - cols).abs().max() < 0.05


def test_tiny_grids() -> None:
    two = block_masks(50, (2, 2), probability=1.0, seed=0).sum(dim=1)
    assert set(two.tolist()) == {1, 2}
    assert not block_masks(5, (1, 1), probability=1.0, seed=0).any()
    assert block_masks(5, (1, 2), ratio=(1.0, 1.0), probability=1.0, seed=0).sum() == 5
    assert block_masks(0, (4, 4), seed=0).shape == (0, 16)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ratio": (0.5, 0.1)}, "`ratio` of masked patches must be an interval from 0 to 1"),
        ({"ratio": (0.5, 1.1)}, "`ratio` of masked patches must be an interval from 0 to 1"),
        ({"probability": -0.1}, "`probability` of a mask must be from 0 to 1, not -0.1"),
        ({"grid": (0, 4)}, "not 2 of 0 x 4"),
        ({"count": -1}, "not -1 of 4 x 4"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong, message: str) -> None:
    with pytest.raises(RRLError, match=rf"\[RRL502\].*{message}"):
        block_masks(**{"count": 2, "grid": (4, 4), "seed": 0, **wrong})
