"""The teacher: nothing of it is left to chance, and its batch norms are in training."""

import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F

from rrl_dsl.models.backbones import Backbone
from rrl_dsl.models.encoder import Encoder
from rrl_dsl.models.heads import Projector
from rrl_dsl.models.teacher import Teacher


class FunctionalDropout(nn.Module):
    """Draws without a module of its own to draw."""

    def forward(self, x):
        return F.dropout(x, 0.5, self.training)


def vit(**options):
    return timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=3, num_classes=0, **options
    )


BODIES = {
    "dropped paths": lambda: vit(drop_path_rate=0.5),
    "dropped attention": lambda: vit(attn_drop_rate=0.5),
    "dropped units": lambda: timm.create_model("resnet10t", num_classes=0, drop_rate=0.5),
    "nn.Dropout": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 16), nn.Dropout()),
    "F.dropout": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 16), FunctionalDropout()),
    "nn.RReLU": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 16), nn.RReLU()),
}


def encoder_of(body):
    images = torch.randn(2, 3, 32, 32)
    backbone = Backbone(body, body.eval()(images).shape[1])
    body.train()
    return Encoder(
        backbone,
        projector=lambda width: Projector(width, 16, 8, True, 2),
        prototypes=4,
        parts=["prototypes"],
    )


@pytest.mark.parametrize("name", BODIES)
def test_targets_are_the_same_whenever_they_are_computed(name):
    torch.manual_seed(0)
    encoder = encoder_of(BODIES[name]())
    teacher, images = Teacher(encoder), torch.randn(4, 3, 32, 32)
    holder = nn.ModuleList([encoder, teacher]).train()
    first, second = teacher(images), teacher(images)
    for output, value in first.items():
        torch.testing.assert_close(value, second[output], msg=output)
    assert encoder.training
    student = encoder(images)["projection"]
    assert not torch.allclose(student, encoder(images)["projection"])
    assert not teacher.encoder.backbone.body.training
    holder.eval()
    assert not any(module.training for module in holder.modules())


def test_batch_norms_use_the_statistics_of_the_batch_and_keep_running_ones():
    body = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3072), nn.Dropout(0.5))
    teacher = Teacher(encoder_of(body))
    images = 3 + 2 * torch.randn(64, 3, 32, 32)
    norm = teacher.encoder.backbone.body[1]
    seen = []
    norm.register_forward_hook(lambda *given: seen.append(given[2]))
    before = norm.running_mean.clone()
    teacher.train()
    teacher(images)
    torch.testing.assert_close(seen[0].mean(dim=0), torch.zeros(3072), atol=1e-4, rtol=0)
    assert not torch.equal(norm.running_mean, before)
    teacher.eval()
    before = norm.running_mean.clone()
    teacher(images)
    assert torch.equal(norm.running_mean, before)
