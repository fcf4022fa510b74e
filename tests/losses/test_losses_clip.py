"""Two encoders: rows and columns are different embeddings of the same samples."""

import math

import pytest
import torch
from torch.nn import functional as F

import rrl_dsl as rrl


@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0])
def test_simclr_over_images_and_texts_is_the_loss_of_clip(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(12, generator=generator)
    images, texts = (torch.randn(12, 5, generator=generator).double() for _ in range(2))
    images.requires_grad_()
    image_nodes = rrl.Nodes(torch.arange(12), torch.zeros(12, dtype=torch.int64))
    text_nodes = rrl.Nodes(order, torch.ones(12, dtype=torch.int64))
    program = rrl.compile("ssl(views=2)")
    loss = rrl.losses.create("simclr", temperature=temperature)
    there = loss(program.relate(image_nodes, text_nodes), images, keys=texts)
    back = loss(program.relate(text_nodes, image_nodes), texts, keys=images)

    place = torch.argsort(order)  # of each image's text
    logits = F.normalize(images) @ F.normalize(texts).T / temperature
    wanted = (F.cross_entropy(logits, place) + F.cross_entropy(logits.T, order)) / 2
    torch.testing.assert_close((there + back) / 2, wanted)
    (gradient,) = torch.autograd.grad((there + back) / 2, images)
    (right,) = torch.autograd.grad(wanted, images)
    torch.testing.assert_close(gradient, right)


class OpenCLIP(torch.nn.Module):
    """The loss as in figure 3 of the paper, with the learned scale of its code."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.logit_scale = torch.nn.Parameter(torch.tensor(1 / temperature).log())

    def forward(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.logit_scale.clamp_(max=math.log(100))
        logits = self.logit_scale.exp() * F.normalize(images) @ F.normalize(texts).T
        own = torch.arange(len(images))
        return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def pairs_of(count: int) -> tuple[rrl.Relation, torch.Tensor]:
    nodes = rrl.Nodes(torch.arange(count).repeat(2), torch.arange(2).repeat_interleave(count))
    program = rrl.compile("ssl(views=2) & cross_view()\ncontrast cross_view()")
    generator = torch.Generator().manual_seed(1)
    return program.relate(nodes), torch.randn(2 * count, 5, generator=generator)


@pytest.mark.parametrize("rate", [0.1, -0.1, 3.0])
def test_clip_learns_its_temperature_as_the_code_of_the_paper(rate: float) -> None:
    relation, z = pairs_of(9)
    ours, theirs = rrl.losses.create("clip"), OpenCLIP(0.07)
    (factor,) = ours.learned()
    for _ in range(4):
        value, wanted = ours(relation, z), theirs(*z.chunk(2))
        torch.testing.assert_close(value, wanted)
        (slope,) = torch.autograd.grad(value, factor)
        (right,) = torch.autograd.grad(wanted, theirs.logit_scale)
        torch.testing.assert_close(slope, right)
        with torch.no_grad():  # a large step against the limit of 100, and back
            factor.add_(rate * slope.sign())
            theirs.logit_scale.add_(rate * right.sign())


def test_the_scale_of_clip_is_at_most_100() -> None:
    relation, z = pairs_of(9)
    loss = rrl.losses.create("clip")
    (factor,) = loss.learned()
    with torch.no_grad():
        factor.fill_(50.0)
    value = loss(relation, z)
    torch.testing.assert_close(value, OpenCLIP(0.01)(*z.chunk(2)))
    assert float(factor.detach().exp() / 0.07) == pytest.approx(100)
    assert torch.autograd.grad(value, factor)[0] != 0


def test_clip_with_a_fixed_temperature_is_simclr() -> None:
    relation, z = pairs_of(9)
    fixed = rrl.losses.create("clip", learn=False, temperature=0.005)
    assert fixed.learned() == []
    assert fixed(relation, z) == rrl.losses.create("simclr", temperature=0.005)(relation, z)
