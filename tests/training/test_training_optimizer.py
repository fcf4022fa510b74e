"""The optimizer of a run: AdamW, scaled learning rates, layer decay, schedules and clipping."""

import math

import pytest
import torch
from torch import nn

import rrl_dsl as rrl
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.training.config import Config
from rrl_dsl.training.optimizer import build_optimizer, layer_scales, schedule_weight_decay
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.settings import from_assignment, notes_of


class Midway:
    """The parts of a Lightning trainer that the hooks of a step use."""

    global_step, estimated_stepping_batches, max_epochs = 25, 100, 10


def config_of(**optimizer):
    return Config(optimizer=optimizer)


def test_adamw_decays_weights_apart_from_the_gradient():
    network = nn.Linear(3, 2)
    before = network.weight.detach().clone()
    optimizer = build_optimizer(config_of(name="adamw", lr=0.1, weight_decay=0.5), network)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    bias = network.bias.detach().clone()
    optimizer.step()
    # Adam's first step is lr in the direction of the gradient, whatever its size
    torch.testing.assert_close(network.weight, before * (1 - 0.1 * 0.5) - 0.1, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(network.bias, bias - 0.1, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "batch", "factor"),
    [("none", 1024, 1), ("linear", 1024, 4), ("sqrt", 1024, 2), ("linear", 64, 0.25)],
)
def test_learning_rates_follow_the_samples_of_a_batch(scale, batch, factor):
    config = Config(
        optimizer={"lr": 0.3, "lr_scale": scale}, probe={"lr": 0.1}, batch_size=batch, devices=2
    )
    *groups, probes = build_optimizer(config, nn.Linear(3, 2), nn.Linear(2, 2)).param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.3 * factor] * 2)
    assert probes["lr"] == pytest.approx(0.1 * factor)


@pytest.mark.parametrize(("old", "new"), [("true", "linear"), ("false", "none")])
def test_the_name_of_the_previous_release_is_accepted_with_a_note(old, new):
    setting = from_assignment(f"optimizer.scale_lr={old}")
    assert resolve([setting], {}).optimizer.lr_scale == new
    (note,) = notes_of([setting])
    assert "`scale_lr` is now `lr_scale`" in note.message


def layer_of(scales, network, decay):
    """The exponent of the decay of each weight, by its name."""
    return {
        name: round(math.log(scales[weight]) / math.log(decay))
        for name, weight in network.named_parameters()
    }


def test_the_layers_of_a_transformer():
    backbone = build_backbone("vit-micro", (1, 8, 8))
    depths = layer_of(layer_scales(backbone, 0.5, "vit-micro"), backbone.body, 0.5)
    for name, below in depths.items():
        if "encoder_layer_" in name:
            expected = 4 - int(name.partition("encoder_layer_")[2][0])
        else:
            expected = 0 if name.startswith("encoder.ln") else 5
        assert below == expected, name
    assert set(depths.values()) == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("name", ["resnet18", "torchvision:resnet18", "timm:resnet18"])
def test_the_layers_of_a_residual_network_are_its_stages(name):
    backbone = build_backbone(name, (3, 32, 32))
    depths = layer_of(layer_scales(backbone, 0.5, name), backbone.body, 0.5)
    for key, below in depths.items():
        stage = int(key[5]) if key.startswith("layer") else 0
        assert below == 5 - stage, key


@pytest.mark.parametrize(
    ("name", "layers"),
    [("timm:vit_tiny_patch16_224", 12), ("timm:convnext_atto", 4), ("small", 5)],
)
def test_the_layers_of_other_networks(name, layers):
    backbone = build_backbone(name, (3, 32, 32))
    scales = layer_scales(backbone, 0.5, name)
    assert min(scales.values()) >= 0.5 ** (layers + 1)
    assert {0.5**below for below in range(1, layers + 1)} <= set(scales.values())
    assert len(scales) == len(list(backbone.parameters()))


def test_layers_have_groups_and_heads_have_the_whole_rate(make_module):
    module = make_module(
        "ssl(views=2)", "dino", backbone="vit-micro", optimizer={"lr": 0.2, "layer_decay": 0.5}
    )
    encoder = module.network.encoder
    groups = build_optimizer(module.config, encoder, module.probes).param_groups
    rates = {weight: group["lr"] for group in groups for weight in group["params"]}
    every = [*encoder.parameters(), *module.probes.parameters()]
    assert set(rates) == {weight for weight in every if weight.requires_grad}
    assert {rates[weight] for weight in encoder.projector.parameters()} == {0.2}
    assert {rates[weight] for weight in encoder.prototypes.parameters() if weight in rates} == {0.2}
    assert rates[encoder.backbone.body.class_token] == pytest.approx(0.2 * 0.5**5)
    assert {rates[weight] for weight in module.probes.parameters()} == {module.config.probe.lr}
    decays = {weight: group["weight_decay"] for group in groups for weight in group["params"]}
    assert decays[encoder.backbone.body.class_token] == 0
    assert decays[encoder.backbone.body.embed.weight] > 0


class Unnumbered(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(64, 8)

    def forward(self, images):
        return self.net(images.flatten(1))


def test_a_network_without_numbered_layers_is_refused(digits):
    with pytest.raises(RRLError) as caught:
        layer_scales(rrl.models.backbones.wrapped(Unnumbered(), (1, 8, 8)), 0.5, "mine:Net")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, "`mine:Net`" in diagnostic.message) == ("RRL502", True)


def test_weight_decay_follows_a_cosine_where_there_is_some():
    chosen = config_of(name="adamw", weight_decay=0.04, final_weight_decay=0.4)
    optimizer = build_optimizer(chosen, nn.Linear(3, 2), nn.Linear(2, 2))
    for step, expected in [(0, 0.04), (25, 0.0927208), (50, 0.22), (100, 0.4), (120, 0.4)]:
        schedule_weight_decay(optimizer, chosen.optimizer, step, 100)
        decays = [group["weight_decay"] for group in optimizer.param_groups]
        assert decays == pytest.approx([expected, 0, 0], abs=1e-6)


def test_weight_decay_may_begin_at_zero_and_stays_without_a_final_value():
    chosen = config_of(name="adamw", weight_decay=0.0, final_weight_decay=0.1)
    optimizer = build_optimizer(chosen, nn.Linear(3, 2))
    schedule_weight_decay(optimizer, chosen.optimizer, 50, 100)
    assert [group["weight_decay"] for group in optimizer.param_groups] == pytest.approx([0.05, 0])
    constant = config_of(weight_decay=0.3)
    optimizer = build_optimizer(constant, nn.Linear(3, 2))
    schedule_weight_decay(optimizer, constant.optimizer, 50, 100)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0]


def test_the_gradient_of_the_network_is_clipped_and_that_of_the_probes_is_not(make_module):
    settings = {"name": "adamw", "clip": 0.5, "weight_decay": 0.1, "final_weight_decay": 0.3}
    module = make_module(optimizer=settings)
    module.trainer = Midway()
    for weight in [*module.network.parameters(), *module.probes.parameters()]:
        weight.grad = torch.ones_like(weight)
    optimizer = module.configure_optimizers()["optimizer"]
    module.on_before_optimizer_step(optimizer)
    norm = torch.stack([weight.grad.norm() for weight in module.network.parameters()]).norm()
    torch.testing.assert_close(norm, torch.tensor(0.5), rtol=1e-4, atol=0)
    for weight in module.probes.parameters():
        assert torch.equal(weight.grad, torch.ones_like(weight))
    assert optimizer.param_groups[0]["weight_decay"] == pytest.approx(0.1292893)


@pytest.mark.parametrize(
    "wrong",
    [
        "clip=0",
        "clip=-1",
        "clip=.inf",
        "layer_decay=0",
        "layer_decay=1.1",
        "final_weight_decay=-0.1",
        "lr_scale=cubic",
        "name=adamw2",
    ],
)
def test_values_out_of_bounds_are_refused(wrong):
    with pytest.raises(RRLError) as caught:
        resolve([from_assignment(f"optimizer.{wrong}")], {})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL502"
    assert f"`optimizer.{wrong.partition('=')[0]}`" in diagnostic.message
