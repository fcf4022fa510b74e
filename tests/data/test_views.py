from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from kornia import augmentation
from PIL import Image, ImageOps
from torch import Tensor, nn
from torchvision.transforms.v2 import functional

from rrl_dsl.data.dataset import Shape
from rrl_dsl.data.digits import load as load_digits
from rrl_dsl.data.jitter import ColorJitter
from rrl_dsl.data.view_presets import PRESETS, Preset, cifar_vicreg
from rrl_dsl.data.views import Views
from rrl_dsl.language.diagnostics import RRLError

SHAPES: dict[str, Shape] = {
    "digits": (1, 8, 8),
    "digits-weak": (1, 8, 8),
    "small-gray": (1, 28, 28),
    "cifar": (3, 32, 32),
    "cifar-wmse": (3, 32, 32),
    "cifar-vicreg": (3, 32, 32),
    "cifar-fast": (3, 32, 32),
    "cifar-weak": (3, 32, 32),
    "cifar-asymmetric": (3, 32, 32),
    "photo": (3, 96, 96),
    "crop": (5, 16, 16),
}
each_preset = pytest.mark.parametrize("name", SHAPES)


def noise(shape: Shape, count: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator)


def half(shape: Shape, count: int) -> Tensor:
    """Images whose left half is white and whose right half is black."""
    images = torch.zeros(count, *shape, dtype=torch.uint8)
    images[..., : shape[2] // 2] = 255
    return images


def share_mirrored(name: str) -> float:
    shape = SHAPES[name]
    views = Views(name, shape)(half(shape, 200), 1, seed=3)
    middle = shape[2] // 2
    left, right = views[..., :middle].sum((1, 2, 3)), views[..., middle:].sum((1, 2, 3))
    return float((right > left).float().mean())


@pytest.fixture
def plain_preset(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(PRESETS, "plain", Preset(lambda shape: nn.Identity(), (0.5,), (0.25,)))
    return "plain"


def test_the_shapes_here_cover_every_preset() -> None:
    assert {name for name, preset in PRESETS.items() if preset.images} == SHAPES.keys()


@each_preset
def test_views_are_finite_float32_of_the_same_shape(name: str) -> None:
    images = noise(SHAPES[name])
    views = Views(name, SHAPES[name])(images, 3, seed=0)
    assert views.shape == (18, *SHAPES[name])
    assert views.dtype == torch.float32
    assert views.isfinite().all()


@each_preset
def test_every_view_of_every_image_is_drawn_by_itself(name: str) -> None:
    one = noise(SHAPES[name], count=1).repeat(4, 1, 1, 1)
    views = Views(name, SHAPES[name])(one, 2, seed=0).flatten(1)
    apart = torch.cdist(views, views) + torch.eye(8)
    assert float(apart.min()) > 0


def test_digits_are_moved_one_by_one_and_not_only_noisy() -> None:
    shape = (1, 32, 32)
    images = torch.zeros(64, *shape, dtype=torch.uint8)
    images[..., 8:24, 8:24] = 255
    brightness = Views("digits", shape)(images, 1, seed=0).mean((1, 2, 3))
    assert float(brightness.std()) > 0.05


@each_preset
def test_views_depend_on_the_seed_alone(name: str) -> None:
    images, views = noise(SHAPES[name]), Views(name, SHAPES[name])
    first = views(images, 2, seed=7)
    torch.manual_seed(99)
    views(images, 3, seed=8)
    assert first.equal(Views(name, SHAPES[name])(images, 2, seed=7))
    assert not first.equal(views(images, 2, seed=8))


@each_preset
def test_drawing_leaves_the_global_generator_alone(name: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Views(name, SHAPES[name])(noise(SHAPES[name]), 2, seed=0)
    assert torch.rand(3).equal(expected)


@each_preset
def test_autocast_changes_nothing(name: str) -> None:
    images, views = noise(SHAPES[name]), Views(name, SHAPES[name])
    expected = views(images, 2, seed=0), views.plain(images)
    with torch.autocast("cpu", torch.bfloat16):
        shown = views(images, 2, seed=0), views.plain(images)
    assert all(a.equal(b) for a, b in zip(shown, expected, strict=True))


def test_rows_are_view_major(plain_preset: str) -> None:
    images = noise((1, 8, 8), count=3)
    views = Views(plain_preset, (1, 8, 8))
    assert views(images, 2, seed=0).equal(views.plain(images).repeat(2, 1, 1, 1))


def test_plain_is_normalized_and_nothing_more(plain_preset: str) -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8)[:, None, None, None]
    plain = Views(plain_preset, (1, 1, 1)).plain(images).flatten()
    assert torch.allclose(plain, torch.tensor([-2.0, -1.2, 2.0]))


def test_digits_are_normalized_to_about_zero_and_one() -> None:
    train = load_digits(Path("nowhere")).train
    plain = Views("digits", (1, 8, 8)).plain(train.images[torch.arange(len(train))])
    assert abs(float(plain.mean())) < 0.02
    assert abs(float(plain.std()) - 1) < 0.02


def test_digits_are_never_mirrored_and_the_others_half_the_time() -> None:
    for name in ("digits", "digits-weak"):
        assert share_mirrored(name) == 0
    for name in ("small-gray", "cifar", "cifar-wmse"):
        assert 0.3 < share_mirrored(name) < 0.7


def test_cifar_wmse_crops_less_and_does_not_blur() -> None:
    checks = torch.zeros(200, 3, 32, 32, dtype=torch.uint8)
    checks[..., ::2] = 255
    # the wider the crop, the more of the columns' contrast is left after resizing

    def contrast(name: str) -> float:
        return float(Views(name, (3, 32, 32))(checks, 1, seed=0).diff(dim=3).abs().mean())

    assert contrast("cifar-wmse") > 1.2 * contrast("cifar")


@pytest.mark.parametrize("name", ["cifar", "photo"])
def test_blur_fits_tiny_images(name: str) -> None:
    assert Views(name, (3, 4, 5))(noise((3, 4, 5)), 1, seed=0).shape == (6, 3, 4, 5)


def test_gray_presets_take_color_but_not_the_other_way_round() -> None:
    assert Views("digits", (3, 8, 8))(noise((3, 8, 8)), 1, seed=0).shape == (6, 3, 8, 8)
    with pytest.raises(RRLError, match=r"\[RRL502\].*`cifar` is for images with 3 channels"):
        Views("cifar", (1, 32, 32))


def test_colors_change_as_torchvision_s_in_an_order_of_each_image_s_own() -> None:
    images, jitter = noise((3, 6, 6), count=96) / 255, ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0)
    torch.manual_seed(0)
    jittered = jitter(images)
    names = ("brightness", "contrast", "saturation", "hue")
    factors = [jitter._params[f"{name}_factor"].tolist() for name in names]
    orders = set()
    for number, image in enumerate(images):
        for order in permutations(range(4)):
            changed = image
            for step in order:
                adjust = getattr(functional, f"adjust_{names[step]}")
                changed = adjust(changed, factors[step][number])
            if torch.allclose(changed, jittered[number], atol=1e-4):
                orders.add(order)
                break
        else:
            pytest.fail(f"no order of the operations makes image {number}")
    assert len(orders) > 12


def test_the_second_view_alone_is_solarised_where_they_are_asymmetric() -> None:
    white = torch.full((400, 3, 8, 8), 255, dtype=torch.uint8)
    views = Views("cifar-asymmetric", (3, 8, 8))
    black = (views(white, 4, seed=0) < -1.7).flatten(1).all(dim=1).view(4, 400)
    first, second, third, fourth = black.float().mean(dim=1).tolist()
    assert first == third == 0
    assert 0.05 < second < 0.25
    assert 0.05 < fourth < 0.25


def test_solarisation_is_pillow_s() -> None:
    values = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).repeat(1, 3, 1, 1)
    [solarize] = [
        module
        for module in cifar_vicreg((3, 16, 16)).modules()
        if isinstance(module, augmentation.RandomSolarize)
    ]
    solarize.p_batch, solarize.p = 1.0, 1.0
    solarized = solarize(values / 255)
    expected = np.asarray(ImageOps.solarize(Image.fromarray(values[0].permute(1, 2, 0).numpy())))
    assert np.array_equal((solarized[0].permute(1, 2, 0) * 255).round().byte().numpy(), expected)


def test_an_unknown_preset_has_a_suggestion() -> None:
    with pytest.raises(RRLError, match=r"(?s)\[RRL502\].*did you mean `digits`"):
        Views("digit", (1, 8, 8))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@each_preset
def test_views_are_drawn_on_the_device_of_the_images(name: str) -> None:
    images, views = noise(SHAPES[name]).cuda(), Views(name, SHAPES[name]).cuda()
    torch.cuda.manual_seed(5)
    expected = torch.rand(3, device="cuda")
    torch.cuda.manual_seed(5)
    first = views(images, 2, seed=7)
    assert torch.rand(3, device="cuda").equal(expected)
    assert first.device == images.device
    assert first.equal(views(images, 2, seed=7))
