"""Towers: text and vector encoders, the rows of a network of towers, and what they refuse."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.models.network import Network
from rrl_dsl.models.options import NetworkOptions, ProjectorOptions
from rrl_dsl.models.text import TextTransformer
from rrl_dsl.models.towers import Standardized, TowerInput, TowerOptions, build_tower

CLIP = "ssl(views=2) & cross_view()\ncontrast cross_view()"
SMALL = ProjectorOptions(hidden=16, out=8)
TOKENS, VECTORS = TowerInput((5,), 12), TowerInput((3,), None)


class Counts(nn.Module):
    """A network of one's own: how often each token occurs."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(shape[0]))

    def forward(self, tokens):
        assert tokens.dtype == torch.int64
        return F.one_hot(tokens, 12).sum(dim=1) * self.scale.mean()


def tower(column="tokens", given=TOKENS, projector=SMALL, **options):
    return build_tower(TowerOptions(column=column, **options), given, projector)


def network(recipe=CLIP, loss="clip", towers=None, **options):
    torch.manual_seed(0)
    chosen = NetworkOptions(projector=SMALL, **options)
    backbone = build_backbone("small", (1, 8, 8))
    further = [tower()] if towers is None else towers
    return Network(rrl.losses.create(loss), rrl.compile(recipe), backbone, chosen, further)


def test_padding_does_not_change_the_feature_of_a_text():
    torch.manual_seed(0)
    net = TextTransformer(12, 5).eval()
    with torch.no_grad():
        short = net(torch.tensor([[3, 4, 0, 0, 0]]))
        net.embed.weight[0] = 100.0  # of padding
        torch.testing.assert_close(net(torch.tensor([[3, 4, 0, 0, 0]])), short)
        assert (net(torch.tensor([[4, 3, 0, 0, 0]])) - short).abs().max() > 1e-3  # the order counts
        assert net(torch.zeros(2, 5, dtype=torch.int64)).isfinite().all()  # a text without words


def test_tokens_may_have_any_number_type():
    net = tower().eval()
    tokens = torch.tensor([[1, 11, 0, 0, 0]])
    with torch.no_grad():
        whole, floating = (net(text)["projection"] for text in (tokens, tokens.double()))
    torch.testing.assert_close(whole, floating)
    assert whole.shape == (1, 8)


def test_vectors_are_standardized_and_missing_values_are_the_mean():
    draw = torch.randn(200, 3, generator=torch.Generator().manual_seed(0)).double()
    vectors = draw * torch.tensor([1e-3, 1.0, 1e3]) + 5
    vectors[:, 1] = 7.0  # constant
    vectors[3, 0] = torch.nan
    standard = Standardized(3)
    standard.measure(vectors)
    standardized = standard(vectors)
    known = standardized[torch.arange(200) != 3]
    torch.testing.assert_close(known.mean(dim=0), torch.zeros(3), atol=2e-3, rtol=0)
    torch.testing.assert_close(
        known.std(dim=0, correction=0)[[0, 2]], torch.ones(2), atol=1e-2, rtol=0
    )
    assert standardized[3, 0] == 0
    assert (standardized[:, 1] == 0).all()


def test_a_network_of_one_s_own_reads_tokens():
    net = tower(backbone=f"{__name__}:Counts", projector=ProjectorOptions(layers=0)).eval()
    counts = net(torch.tensor([[2, 2, 0, 0, 1]]))["projection"]
    assert counts.tolist() == [[2, 1, 2, *[0] * 9]]


def test_rows_are_the_images_and_then_the_values_of_the_column():
    net = network().eval()
    images = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    tokens = torch.arange(30).reshape(6, 5) % 12
    outputs = net(images, columns=[tokens])
    torch.testing.assert_close(outputs["projection"][:6], net.encoder(images)["projection"])
    torch.testing.assert_close(outputs["projection"][6:], net.towers[0](tokens)["projection"])
    nodes = rrl.Nodes(torch.arange(6).repeat(2), torch.arange(2).repeat_interleave(6))
    z = F.normalize(outputs["projection"])
    logits = z[:6] @ z[6:].T / 0.07
    wanted = (
        F.cross_entropy(logits, torch.arange(6)) + F.cross_entropy(logits.T, torch.arange(6))
    ) / 2
    value = net.loss(nodes, outputs)
    torch.testing.assert_close(value, wanted)
    value.backward()
    assert all(weight.grad is not None for weight in net.towers.parameters())


def test_parts_of_a_batch_have_the_gradient_of_the_whole():
    """`micro_batch` divides every tower; these have no batch norm."""
    images = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    tokens = torch.arange(30).reshape(6, 5) % 12
    nodes = rrl.Nodes(torch.arange(6).repeat(2), torch.arange(2).repeat_interleave(6))
    slopes = []
    for size in (None, 4):
        net = network(micro_batch=size)
        net.encoder.eval()
        net.loss(nodes, net(images, columns=[tokens])).backward()
        slopes.append(net.towers[0].backbone.body[1].embed.weight.grad)
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"recipe": "ssl(views=3)"},
            "RRL404 every view needs a tower, but this recipe has 3 views and `towers` has 2",
        ),
        ({"loss": "byol"}, "RRL424 `byol` compares `teacher_projection`, which towers do not have"),
        ({"loss": "dino"}, "RRL424 `dino` compares"),
        (
            {"recipe": "ssl(views=2) | knn(2, space=backbone)"},
            "RRL424 the recipe compares rows in the space `backbone`, which towers do not share",
        ),
        (
            {"towers": [tower(projector=ProjectorOptions(out=9))]},
            "RRL502 the embeddings of the towers have the widths `8` and `9`",
        ),
        (
            {"local_views": {"count": 2}},
            "RRL424 `local_views` are crops of images, which other towers do not have",
        ),
    ],
)
def test_a_network_of_towers_refuses(options, message):
    with pytest.raises(rrl.RRLError) as caught:
        network(**options)
    messages = [
        f"{diagnostic.code} {diagnostic.message}" for diagnostic in caught.value.diagnostics
    ]
    assert any(text.startswith(message) for text in messages), messages


@pytest.mark.parametrize(
    ("given", "backbone", "message"),
    [
        (TOKENS, "small", "the backbone `small` does not read tokens, as the column `x` has"),
        (
            VECTORS,
            "text-micro",
            "the backbone `text-micro` does not read vectors, as the column `x` has",
        ),
        (VECTORS, "small", "the backbone `small` takes images"),
        (VECTORS, "mpl", "there is no backbone `mpl`"),
    ],
)
def test_a_backbone_that_does_not_read_the_column(given, backbone, message):
    with pytest.raises(rrl.RRLError, match=r"\[RRL502\]") as caught:
        tower("x", given, backbone=backbone)
    assert message in caught.value.diagnostics[0].message
