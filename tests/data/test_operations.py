"""Augmentations as lists of operations of kornia and torchvision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.transforms.v2 import functional

from rrl_dsl.data.operations import build
from rrl_dsl.data.views import Views
from rrl_dsl.language.diagnostics import RRLError

SHAPE = (3, 16, 16)
IMAGES = torch.randint(256, (4, *SHAPE), dtype=torch.uint8)


def unit() -> torch.Tensor:
    return IMAGES.float() / 255


def test_operations_are_applied_in_order() -> None:
    operations = [
        {"RandomInvert": {"p": 1.0}},
        {"torchvision:RandomPosterize": {"bits": 2, "p": 1.0}},
    ]
    expected = functional.posterize(1 - unit(), 2)
    assert torch.equal(build(operations, SHAPE)(unit()), expected)


def test_a_transform_of_torchvision_draws_for_every_image() -> None:
    torch.manual_seed(0)
    images = unit()[:1].repeat(32, 1, 1, 1)
    flipped = build(["torchvision:RandomHorizontalFlip"], SHAPE)(images) != images
    assert 0 < flipped.flatten(1).any(1).sum() < 32


def test_arguments_may_be_lists() -> None:
    images = torch.rand(8, *SHAPE)
    crop = build([{"RandomResizedCrop": {"scale": [1.0, 1.0], "ratio": [1, 1]}}], SHAPE)
    torch.testing.assert_close(crop(images), images, atol=1e-5, rtol=0)


def test_no_operations_keep_the_images() -> None:
    assert torch.equal(build([], SHAPE)(unit()), unit())


def test_every_view_has_its_own_operations() -> None:
    views = Views("cifar", SHAPE, None, [[], [{"RandomInvert": {"p": 1.0}}]])
    plain, inverted, again = views.unit(views(IMAGES, 3, 0)).chunk(3)
    torch.testing.assert_close(plain, unit(), atol=1e-5, rtol=0)
    torch.testing.assert_close(inverted, 1 - unit(), atol=1e-5, rtol=0)
    assert torch.equal(again, plain)


def test_a_view_may_be_a_preset() -> None:
    views = Views("cifar", SHAPE, None, ["cifar-weak", []])
    assert torch.equal(views.augment[1](unit()), unit())
    assert not torch.equal(views(IMAGES, 2, 0)[:4], views(IMAGES, 2, 0)[4:])


@pytest.mark.parametrize(
    ("operations", "message", "hint"),
    [
        (["RandomErasin"], "there is no operation `RandomErasin`", "did you mean `RandomErasing`?"),
        (
            ["RandomZoomOut"],
            "there is no operation `RandomZoomOut`",
            "write `torchvision:RandomZoomOut`",
        ),
        (["torchvision:Lambda"], "there is no operation `torchvision:Lambda`", None),
        (["ImageSequential"], "there is no operation `ImageSequential`", None),
        (
            ["os:system"],
            "there is no operation `os:system`",
            "a function of your own draws a whole view: `augmentation=os:system`",
        ),
        (
            ["RandomGaussianBlur"],
            "`RandomGaussianBlur`: missing a required argument: 'kernel_size'",
            "its arguments are `kernel_size`, `sigma`, `border_type`, `separable` and `p`",
        ),
        (
            [{"ColorJitter": {"brightness": -1.0}}],
            "`ColorJitter` refuses its arguments: ",
            None,
        ),
        ([3], "an operation is a name, or a name with its arguments, not 3", None),
        ([{"a": 1, "b": 2}], "an operation is a name, or a name with its arguments, not {", None),
        (
            [{"Resize": {"size": [4, 4]}}],
            "these operations turn images (3, 16, 16) into (3, 4, 4)",
            "keep the shape",
        ),
        (
            [{"torchvision:RandomCrop": {"size": 40}}],
            "these operations cannot augment images (3, 16, 16): ",
            None,
        ),
    ],
)
def test_what_cannot_be_applied_is_refused(
    operations: list[Any], message: str, hint: str | None
) -> None:
    with pytest.raises(RRLError) as caught:
        build(operations, SHAPE)
    (fault,) = caught.value.diagnostics
    assert fault.code == "RRL502"
    assert fault.message.startswith(f"`augmentation`: {message}")
    assert hint is None or fault.hint == hint


def test_building_does_not_touch_the_global_generator() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    build(["RandomHorizontalFlip"], SHAPE)
    assert torch.equal(torch.rand(1), expected)
