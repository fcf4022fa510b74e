"""Two encoders: rows and columns are different embeddings of the same samples."""

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
    (found,) = torch.autograd.grad((there + back) / 2, images)
    (right,) = torch.autograd.grad(wanted, images)
    torch.testing.assert_close(found, right)
