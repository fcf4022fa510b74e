from __future__ import annotations

import pytest
import torch

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.models.backbones import BACKBONES, build_backbone

WIDTHS = {
    "small": 128,
    "resnet18": 512,
    "resnet34": 512,
    "resnet50": 2048,
    "vit-micro": 64,
    "vit-tiny": 192,
    "vit-small": 384,
    "vit-base": 768,
}


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 96, 80)])
def test_features_have_the_declared_width(name: str, shape: tuple[int, int, int]) -> None:
    with torch.device("meta"):  # shapes without the work
        backbone = build_backbone(name, shape)
        features = backbone(torch.randn(2, *shape))
    assert backbone.width == WIDTHS[name]
    assert features.shape == (2, backbone.width)


def test_the_widths_here_cover_every_backbone() -> None:
    assert set(BACKBONES) == WIDTHS.keys() | {"mlp"}


def test_small_is_small_and_takes_digits() -> None:
    backbone = build_backbone("small", (1, 8, 8))
    assert 250_000 < sum(weight.numel() for weight in backbone.parameters()) < 350_000
    assert backbone(torch.randn(4, 1, 8, 8)).shape == (4, 128)


@pytest.mark.parametrize(("side", "after_stem"), [(32, 32), (64, 64), (96, 24)])
def test_small_images_keep_their_pixels_in_the_stem(side: int, after_stem: int) -> None:
    backbone = build_backbone("resnet18", (3, side, side)).eval()
    seen: list[tuple[int, ...]] = []
    stage = dict(backbone.named_modules())["body.layer1"]
    stage.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    with torch.no_grad():
        backbone(torch.randn(1, 3, side, side))
    assert seen == [(1, 64, after_stem, after_stem)]


@pytest.mark.parametrize("name", ["small", "resnet18", "vit-micro"])
def test_every_weight_learns(name: str) -> None:
    backbone = build_backbone(name, (1, 16, 16))
    backbone(torch.randn(4, 1, 16, 16)).square().sum().backward()
    assert all(weight.grad is not None for weight in backbone.parameters())


def test_an_unknown_backbone_has_a_suggestion() -> None:
    with pytest.raises(RRLError) as caught:
        build_backbone("resnet-18", (3, 32, 32))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL502"
    assert "`small`" in diagnostic.message
    assert diagnostic.hint == "did you mean `resnet18`?"


@pytest.mark.parametrize("shape", [(9,), (3, 5)])
def test_a_perceptron_takes_vectors_and_sequences(shape: tuple[int, ...]) -> None:
    backbone = build_backbone("mlp", shape)
    assert backbone(torch.randn(2, *shape)).shape == (2, backbone.width)


@pytest.mark.parametrize("name", ["small", "resnet18", "vit-micro"])
def test_images_have_any_number_of_channels(name: str) -> None:
    backbone = build_backbone(name, (5, 32, 32))
    assert backbone(torch.randn(2, 5, 32, 32)).shape == (2, WIDTHS[name])


@pytest.mark.parametrize("name", ["small", "resnet18"])
def test_a_network_without_patches_says_so(name: str) -> None:
    backbone = build_backbone(name, (1, 16, 16))
    assert backbone.patch_size is None
    with pytest.raises(RRLError, match=r"\[RRL502\].*no patch tokens") as caught:
        backbone.tokens(torch.randn(2, 1, 16, 16))
    assert "`vit-micro`" in str(caught.value.diagnostics[0].hint)
    with pytest.raises(RRLError, match="no patch tokens"):
        backbone.grid(16, 16)


def test_a_patch_size_is_for_networks_with_patches() -> None:
    with pytest.raises(RRLError, match=r"\[RRL502\].*`patch_size` is for .* not for `small`"):
        build_backbone("small", (1, 16, 16), patch_size=4)


@pytest.mark.parametrize("name", ["small", "vit-micro"])
def test_our_own_networks_take_no_options(name: str) -> None:
    with pytest.raises(RRLError, match=rf"\[RRL502\].*`{name}` takes no options.*`depth`"):
        build_backbone(name, (1, 16, 16), options={"depth": 3})
