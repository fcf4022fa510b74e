from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.models.backbones import Backbone, build_backbone


def micro(shape: tuple[int, int, int] = (1, 8, 8), patch_size: int | None = None) -> Backbone:
    torch.manual_seed(0)
    return build_backbone("vit-micro", shape, patch_size=patch_size)


@pytest.mark.parametrize(
    ("side", "patch"),
    [(8, 2), (9, 3), (16, 2), (28, 4), (32, 4), (35, 5), (49, 7), (64, 8), (96, 8), (224, 16)],
)
def test_the_patch_size_suits_the_images(side: int, patch: int) -> None:
    backbone = micro((3, side, side))
    assert backbone.patch_size == patch
    assert backbone.grid(side, side) == (side // patch, side // patch)


def test_a_patch_size_can_be_given() -> None:
    backbone = micro((1, 28, 28), patch_size=7)
    assert backbone.patch_size == 7
    assert backbone.tokens(torch.randn(2, 1, 28, 28)).patches.shape == (2, 16, 64)


def test_it_computes_what_torchvision_does() -> None:
    ours = micro((3, 8, 8)).eval()
    theirs = torchvision.models.VisionTransformer(8, 2, 4, 4, 64, 256).eval()
    theirs.heads = nn.Identity()
    # the class token is 0 at first, and would not show its position
    ours.body.class_token.data.normal_()
    theirs.load_state_dict(
        {
            name.removeprefix("body.").replace("embed.", "conv_proj.", 1): weight
            for name, weight in ours.state_dict().items()
            if name != "body.mask_token"
        }
    )
    images = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.allclose(ours(images), theirs(images), atol=1e-6)


def test_tokens_are_those_of_the_features() -> None:
    backbone, images = micro((3, 12, 8)).eval(), torch.randn(2, 3, 12, 8)
    with torch.no_grad():
        tokens = backbone.tokens(images)
        assert torch.equal(tokens.features, backbone(images))
    assert tokens.features.shape == (2, 64)
    assert tokens.patches.shape == (2, 6 * 4, 64)


def test_patches_stand_row_by_row() -> None:
    backbone = micro((1, 4, 8))
    backbone.body.encoder.layers = nn.Identity()
    images = torch.zeros(1, 1, 4, 8)
    changed = images.clone()
    changed[..., 2:, 6:] = 1  # the second row, the fourth column
    with torch.no_grad():
        moved = (backbone.tokens(images).patches != backbone.tokens(changed).patches).any(dim=2)
    assert moved[0].nonzero().flatten().tolist() == [7]


def test_masked_patches_do_not_reach_the_output() -> None:
    backbone, images = micro().eval(), torch.randn(2, 1, 8, 8)
    changed = images.clone()
    changed[0, :, :2, 2:4] += 1
    mask = torch.zeros(2, 16, dtype=torch.bool)
    mask[0, 1] = True
    with torch.no_grad():
        hidden, still = backbone.tokens(images, mask), backbone.tokens(changed, mask)
        seen = backbone.tokens(images)
    assert torch.equal(hidden.patches, still.patches)
    assert torch.equal(hidden.features, still.features)
    assert not torch.allclose(hidden.features[0], seen.features[0], atol=1e-4)
    assert torch.allclose(hidden.features[1], seen.features[1], atol=1e-6)


def test_masked_patches_keep_their_places() -> None:
    backbone = micro().eval()
    with torch.no_grad():
        patches = backbone.tokens(torch.zeros(1, 1, 8, 8), torch.ones(1, 16, dtype=torch.bool))[1]
    assert len(patches[0].unique(dim=0)) == 16


def test_the_mask_token_learns_where_patches_are_masked() -> None:
    backbone, images = micro(), torch.randn(2, 1, 8, 8)
    weights = torch.randn(64)
    token = backbone.body.mask_token
    (backbone.tokens(images).features @ weights).sum().backward()
    assert token.grad is not None
    assert not token.grad.any()
    mask = torch.arange(32).view(2, 16) % 3 == 0
    (backbone.tokens(images, mask).patches @ weights).sum().backward()
    assert token.grad.any()


def test_masked_images_go_through_at_half_precision() -> None:
    backbone, mask = micro(), torch.arange(32).view(2, 16) % 3 == 0
    with torch.autocast("cpu", torch.bfloat16):
        tokens = backbone.tokens(torch.randn(2, 1, 8, 8), mask)
    assert tokens.patches.isfinite().all()


def test_positions_of_other_sizes_are_interpolated() -> None:
    backbone = micro((1, 8, 16))
    positions = backbone.body.encoder.pos_embedding
    with torch.no_grad():  # 1 in the second of four rows and the fourth of eight columns
        positions[:, 1:] = 0
        positions[:, 1 + 8 + 3] = 1
    scaled = backbone.body._positions(4, 4)
    assert scaled.shape == (1, 1 + 4 * 4, 64)
    assert torch.equal(scaled[:, 0], positions[:, 0])
    # cubic convolution with a = -0.75, half way between two places, and without smoothing
    expected = torch.zeros(4, 4)
    expected[1] = torch.tensor([0.0, 0.59375, -0.09375, 0.0])
    assert torch.allclose(scaled[0, 1:, 0].view(4, 4), expected, atol=1e-6)
    assert torch.equal(backbone.body._positions(4, 8), positions)


@pytest.mark.parametrize(
    ("name", "count"),  # of the published models, without their classifiers
    [("vit-tiny", 5_524_416), ("vit-small", 21_665_664), ("vit-base", 85_798_656)],
)
def test_sizes_are_those_of_the_papers(name: str, count: int) -> None:
    with torch.device("meta"):
        backbone = build_backbone(name, (3, 224, 224))
    weights = sum(weight.numel() for weight in backbone.parameters())
    assert weights == count + backbone.width  # and the mask token


def test_views_of_other_sizes_have_features_and_gradients() -> None:
    backbone = micro((1, 16, 16))
    tokens = backbone.tokens(torch.randn(2, 1, 6, 8))
    assert tokens.patches.shape == (2, 3 * 4, 64)
    tokens.features.square().sum().backward()
    assert backbone.body.encoder.pos_embedding.grad.any()


def test_weights_come_back_from_their_state() -> None:
    saved, images = micro().eval(), torch.randn(2, 1, 8, 8)
    fresh = build_backbone("vit-micro", (1, 8, 8)).eval()
    with torch.no_grad():
        assert not torch.allclose(fresh(images), saved(images))
        fresh.load_state_dict(saved.state_dict())
        assert torch.equal(fresh(images), saved(images))


@pytest.mark.parametrize("channels", [1, 3])
def test_weights_begin_like_those_of_torchvision_but_for_positions(channels: int) -> None:
    body = micro((channels, 32, 32)).body
    assert body.embed.weight.std().item() == pytest.approx((channels * 16) ** -0.5, rel=0.1)
    assert not body.embed.bias.any()
    assert body.encoder.pos_embedding.std().item() == pytest.approx(0.3, rel=0.1)
    assert not body.mask_token.any()


def test_sides_that_do_not_divide_are_refused() -> None:
    with pytest.raises(RRLError) as caught:
        micro((1, 28, 28), patch_size=8)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL502"
    assert diagnostic.message == "images of 28 x 28 pixels cannot be divided into patches of 8 x 8"
    assert diagnostic.hint == "use sides that are multiples of 8, or patches of 7 x 7"
    with pytest.raises(RRLError, match="or patches of 4 x 4"):  # one patch would be no grid
        micro((1, 8, 8), patch_size=16)
    with pytest.raises(RRLError, match=r"6 x 5 pixels cannot be divided into patches of 2 x 2"):
        micro()(torch.randn(1, 1, 6, 5))


def test_sides_that_nothing_divides_are_refused() -> None:
    with pytest.raises(RRLError, match=r"29 x 29 .* cannot be divided into patches of about 4 x 4"):
        micro((1, 29, 29))


def test_a_patch_has_a_pixel() -> None:
    with pytest.raises(RRLError, match="`patch_size` must be at least 1 pixel, not 0"):
        micro((1, 28, 28), patch_size=0)
