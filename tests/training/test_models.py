from __future__ import annotations

import pytest
import torch

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.training.models import BACKBONES, Projector, build_backbone

WIDTHS = {"small": 128, "resnet18": 512, "resnet34": 512, "resnet50": 2048}


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 96, 80)])
def test_features_are_flat_and_of_the_width_that_is_told(
    name: str, shape: tuple[int, int, int]
) -> None:
    backbone = build_backbone(name, shape).eval()
    with torch.no_grad():
        features = backbone(torch.randn(2, *shape))
    assert backbone.width == WIDTHS[name]
    assert features.shape == (2, backbone.width)


def test_the_widths_here_cover_every_backbone() -> None:
    assert BACKBONES.keys() == WIDTHS.keys()


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


@pytest.mark.parametrize("name", ["small", "resnet18"])
def test_every_weight_learns(name: str) -> None:
    backbone = build_backbone(name, (1, 16, 16))
    backbone(torch.randn(4, 1, 16, 16)).square().sum().backward()
    assert all(weight.grad is not None for weight in backbone.parameters())


def test_an_unknown_backbone_has_a_suggestion() -> None:
    with pytest.raises(RRLError) as caught:
        build_backbone("resnet-18", (3, 32, 32))
    (found,) = caught.value.diagnostics
    assert found.code == "RRL502"
    assert "`small`" in found.message
    assert found.hint == "did you mean `resnet18`?"


def test_other_channels_are_refused() -> None:
    with pytest.raises(RRLError, match=r"\[RRL502\].*1 or 3 channels, not 4"):
        build_backbone("small", (4, 32, 32))


@pytest.mark.parametrize("norm", [True, False])
def test_a_projector_has_its_layers_and_norms(norm: bool) -> None:
    projector = Projector(8, 16, 4, norm, layers=3)
    linear = [module for module in projector if isinstance(module, torch.nn.Linear)]
    norms = [module for module in projector if isinstance(module, torch.nn.BatchNorm1d)]
    sizes = [(layer.in_features, layer.out_features) for layer in linear]
    assert sizes == [(8, 16), (16, 16), (16, 4)]
    assert len(norms) == (2 if norm else 0)
    assert projector(torch.randn(5, 8)).shape == (5, 4)


def test_a_projector_has_two_layers_unless_told() -> None:
    x = torch.randn(5, 8)
    projector = Projector(8, 16, 4, norm=False)
    first, last = (module for module in projector if isinstance(module, torch.nn.Linear))
    assert torch.allclose(projector(x), last(first(x).relu()))


def test_one_layer_is_linear() -> None:
    projector = Projector(8, 16, 4, norm=True, layers=1)
    a, b = torch.randn(3, 8), torch.randn(3, 8)
    assert torch.allclose(
        projector(a) - projector(b), projector(a - b) - projector(0 * a), atol=1e-5
    )


@pytest.mark.parametrize("wrong", ["width", "hidden", "out", "layers"])
def test_a_projector_without_extent_is_refused(wrong: str) -> None:
    sizes = {"width": 8, "hidden": 8, "out": 8, "layers": 2, wrong: 0}
    with pytest.raises(RRLError, match=rf"\[RRL502\].*`{wrong}` must be at least 1, not 0"):
        Projector(**sizes, norm=True)
