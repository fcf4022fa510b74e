"""Random crops of image files, and their views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from kornia import augmentation
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from rrl_dsl.data.batches import Batch, loader
from rrl_dsl.data.crops import Crop, Crops
from rrl_dsl.data.dataset import Split
from rrl_dsl.data.image_files import ImageFiles
from rrl_dsl.data.operations import RandomCrop
from rrl_dsl.data.view_presets import PRESETS, preset
from rrl_dsl.data.views import Views

COUNT = 12
CROPS = Crops([Crop(8, (0.2, 1.0)), Crop(8, (0.2, 1.0))], [Crop(4, (0.05, 0.4))], seed=3)


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """Wide images of noise."""
    draws = np.random.default_rng(0)
    paths = tuple(tmp_path / f"{number}.png" for number in range(COUNT))
    for path in paths:
        Image.fromarray(draws.integers(0, 256, (20, 60, 3), dtype=np.uint8)).save(path)
    return Split(ImageFiles(paths, 8), torch.arange(COUNT) * 7, {"label": torch.arange(COUNT)})


def drawn(
    split: Split, epoch: int = 0, crops: Crops | None = CROPS, size: int = 4, workers: int = 0
) -> dict[int, tuple[Tensor, Tensor]]:
    """Sample -> its views (2, 3, 8, 8) and its local view."""
    made = loader(split, size, shuffle=True, crops=crops, workers=workers)
    made.sampler.set_epoch(epoch)
    return by_sample(made)


def by_sample(batches) -> dict[int, tuple[Tensor, Tensor]]:
    views_of = {}
    for batch in batches:
        assert batch.local is not None
        for place, sample in enumerate(batch.sample.tolist()):
            views_of[sample] = (batch.images[:, place], batch.local[0, place])
    return views_of


def same(some: dict[int, tuple[Tensor, Tensor]], others: dict[int, tuple[Tensor, Tensor]]) -> bool:
    return some.keys() == others.keys() and all(
        some[key][part].equal(others[key][part]) for key in some for part in (0, 1)
    )


def test_shapes_of_a_batch(split: Split) -> None:
    batch = next(iter(loader(split, 5, shuffle=False, crops=CROPS)))
    assert batch.images.shape == (2, 5, 3, 8, 8)
    assert batch.images.dtype == torch.uint8
    assert batch.local is not None
    assert batch.local.shape == (1, 5, 3, 4, 4)
    assert len(batch) == 5
    moved = batch.to("meta")
    assert isinstance(moved, Batch)
    assert moved.local is not None
    assert moved.local.device.type == "meta"


def test_crops_follow_from_seed_sample_view_and_epoch_alone(split: Split) -> None:
    first = drawn(split, epoch=2)
    assert same(first, drawn(split, epoch=2, size=3))
    assert same(first, drawn(split, epoch=2, workers=2))
    assert not same(first, drawn(split, epoch=3))
    assert not same(first, drawn(split, epoch=2, crops=Crops(CROPS.views, CROPS.local, seed=4)))
    assert not any(views[0].equal(views[1]) for views, _ in first.values())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_continuing_loader_draws_what_a_new_one_would(split: Split, workers: int) -> None:
    old = loader(split, 4, shuffle=True, crops=CROPS, workers=workers)
    for epoch in range(3):
        old.sampler.set_epoch(epoch)
        assert same(by_sample(old), drawn(split, epoch=epoch))


def test_loading_leaves_the_global_generator_alone(split: Split) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn(split)
    assert torch.rand(3).equal(expected)


@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.9, 1.0), (0.01, 0.02)])
def test_a_crop_is_that_of_torchvision(split: Split, scale: tuple[float, float]) -> None:
    images = split.images
    assert isinstance(images, ImageFiles)
    transform = v2.RandomResizedCrop(8, scale)
    for draw in range(20):
        (crop,) = images.cropped(torch.tensor([1]), [Crop(8, scale)], [[draw]])
        torch.manual_seed(draw)
        expected = v2.functional.pil_to_tensor(transform(Image.open(images.files[1])))
        assert crop[0].equal(expected)


def test_crops_show_the_borders_that_the_square_lacks(tmp_path: Path) -> None:
    pixels = np.zeros((20, 100, 3), dtype=np.uint8)
    pixels[:, :20], pixels[:, 80:] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "1.png")
    images = ImageFiles((tmp_path / "1.png",) * 100, 8)
    assert int(images[torch.tensor([0])].max()) == 0
    draws = [[number] for number in range(100)]
    (crops,) = images.cropped(torch.arange(100), [Crop(8, (0.05, 0.2))], draws)
    red, blue = (crops[:, channel].flatten(1).amax(1) > 200 for channel in (0, 2))
    # a crop is about a tenth as wide as the image, and so a sixth of them touches either end
    assert 5 < int(red.sum()) < 50
    assert 5 < int(blue.sum()) < 50


def test_crops_have_the_resolution_of_the_file(tmp_path: Path) -> None:
    stripes = np.zeros((160, 160, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "1.png")
    images = ImageFiles((tmp_path / "1.png",), 8)
    assert float(images[torch.tensor([0])].float().std()) < 10
    (small,) = images.cropped(torch.tensor([0]), [Crop(8, (0.0025, 0.0025), (1, 1))], [[0]])
    assert float(small.float().std()) > 100


@pytest.fixture
def crop_alone():
    """A preset of nothing but a crop."""

    @preset("crop-alone", mean=(0.5,), std=(0.25,), local=RandomCrop)
    def build(shape: tuple[int, int, int]) -> nn.Module:
        return nn.Sequential(RandomCrop(shape, (0.3, 0.7)))

    yield "crop-alone"
    del PRESETS["crop-alone"]


def test_views_of_crops_are_not_cropped_again(crop_alone: str) -> None:
    crops = torch.randint(0, 256, (3, 5, 3, 8, 8), dtype=torch.uint8)
    views = Views(crop_alone, (3, 8, 8), (4, (0.1, 0.3)))
    expected = ((crops.flatten(0, 1) / 255) - 0.5) / 0.25
    torch.testing.assert_close(views(crops, 3, seed=0), expected)
    torch.testing.assert_close(views.local(crops, 3, seed=0), expected)


def test_every_crop_has_the_augmentation_of_its_own_view() -> None:
    @preset("invert-second", mean=(0.0,), std=(1.0,))
    def build(shape: tuple[int, int, int]) -> list[nn.Module]:
        crop = RandomCrop(shape, (0.3, 0.7))
        return [crop, nn.Sequential(crop, augmentation.RandomInvert(p=1.0))]

    try:
        crops = torch.arange(3 * 4, dtype=torch.uint8).view(3, 4, 1, 1, 1).expand(-1, -1, 3, 8, 8)
        pixels = Views("invert-second", (3, 8, 8))(crops, 3, seed=0)[:, 0, 0, 0] * 255
    finally:
        del PRESETS["invert-second"]
    expected = [0, 1, 2, 3, 251, 250, 249, 248, 8, 9, 10, 11]
    assert pixels.round().tolist() == expected


def test_views_know_the_crops_they_begin_with(crop_alone: str) -> None:
    crops = Views(crop_alone, (3, 8, 8), (4, (0.1, 0.3))).crops(2, 3, seed=9)
    assert crops == Crops([Crop(8, (0.3, 0.7))] * 2, [Crop(4, (0.1, 0.3))] * 3, 9)


@pytest.mark.parametrize("name", [name for name in PRESETS if len(PRESETS[name].mean) == 3])
def test_every_preset_of_color_begins_with_a_crop(name: str) -> None:
    crops = Views(name, (3, 32, 32), (16, (0.1, 0.3))).crops(2, 2, seed=0)
    assert crops is not None
    assert [crop.side for crop in (*crops.views, *crops.local)] == [32, 32, 16, 16]


def test_views_that_begin_with_something_else_take_the_square() -> None:
    @preset("flip-first", mean=(0.5,), std=(0.25,))
    def build(shape: tuple[int, int, int]) -> list[nn.Module]:
        flip = augmentation.RandomHorizontalFlip()
        return [RandomCrop(shape, (0.3, 0.7)), nn.Sequential(flip, RandomCrop(shape, (0.3, 0.7)))]

    try:
        assert Views("flip-first", (3, 8, 8)).crops(2, 0, seed=0) is None
    finally:
        del PRESETS["flip-first"]
