"""The module: who gets which gradient, and what a batch's graph is like."""

import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.data.batches import loader
from rrl_dsl.training.lars import LARS
from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.optimizer import build_optimizer, cosine_schedule
from rrl_dsl.training.statistics import edge_statistics


@pytest.fixture
def batch(digits):
    return next(iter(loader(digits.train, 64, shuffle=True)))


def test_probes_learn_and_the_encoder_does_not_learn_from_them(make_module, batch):
    module = make_module()
    outputs = module.network.encoder(module.views.plain(batch.images))
    known = torch.tensor(len(batch))
    module.probes.loss(outputs, batch.labels["label"], known).backward()
    assert all(weight.grad is None for weight in module.network.encoder.parameters())
    assert all(weight.grad.abs().sum() > 0 for weight in module.probes.parameters())


def test_samples_of_unknown_label_teach_the_probes_nothing(make_module, batch):
    module = make_module()
    outputs = module.network.encoder(module.views.plain(batch.images))
    unknown = torch.full_like(batch.labels["label"], -1)
    assert float(module.probes.loss(outputs, unknown, torch.tensor(0))) == 0


def test_as_many_views_are_drawn_as_the_recipe_asks(make_module, batch, monkeypatch):
    module = make_module("ssl(views=3)")
    assert module.program.requires.views == 3
    assert module.views(batch.images, 3, 0).shape[0] == 3 * len(batch)


def test_the_encoder_has_no_decay_on_biases_and_norms(make_module):
    module = make_module(optimizer={"name": "lars", "lr": 0.1, "weight_decay": 0.5})
    groups = build_optimizer(module.config, module.network.encoder, module.probes).param_groups
    weights, plain, probes = groups
    assert {weight.ndim for weight in plain["params"]} == {1}
    assert min(weight.ndim for weight in weights["params"]) > 1
    assert (weights["weight_decay"], plain["weight_decay"], probes["weight_decay"]) == (0.5, 0, 0)
    assert (weights["adapt"], plain["adapt"], probes["adapt"]) == (True, False, False)
    assert probes["lr"] == module.config.probe.lr


def test_lars_takes_the_step_of_its_paper():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    optimizer = LARS([weight], lr=0.1, momentum=0.9, weight_decay=0.01, trust=0.02)
    expected, velocity = torch.tensor([3.0, 4.0]), torch.zeros(2)
    for gradient in (torch.tensor([6.0, 8.0]), torch.tensor([-1.0, 2.0])):
        weight.grad = gradient.clone()
        norm = expected.norm()
        local = 0.02 * norm / (gradient.norm() + 0.01 * norm)
        scale = min(float(local / 0.1), 1.0)  # LARC's clipping
        velocity = 0.9 * velocity + scale * (gradient + 0.01 * expected)
        expected = expected - 0.1 * velocity
        optimizer.step()
        torch.testing.assert_close(weight.detach(), expected)


def test_lars_of_many_weights_is_that_of_each():
    generator = torch.Generator().manual_seed(0)
    shapes = [(7, 5), (3,), (4, 3, 3, 3), (1, 6), (2, 2)]
    weights = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    with torch.no_grad():
        weights[4].zero_()  # a norm of 0 is not adapted to
    expected = [weight.detach().clone() for weight in weights]
    momenta = [torch.zeros_like(weight) for weight in expected]
    optimizer = LARS(weights, lr=0.3, momentum=0.9, weight_decay=0.01, trust=0.02)
    for step in range(4):
        for place, weight in enumerate(weights):
            weight.grad = torch.randn(weight.shape, generator=generator) * 10**place / 100
            if (step, place) == (0, 1):
                weight.grad = None
            if (step, place) == (1, 0):
                weight.grad.zero_()
        for weight, value, momentum in zip(weights, expected, momenta, strict=True):
            if weight.grad is None:
                continue
            norm, of_gradient = value.norm(), weight.grad.norm()
            scale = torch.ones(())
            if norm > 0 and of_gradient > 0:
                scale = (0.02 * norm / (of_gradient + 0.01 * norm) / 0.3).clamp(max=1)
            momentum.mul_(0.9).add_((weight.grad + 0.01 * value) * scale)
            value.sub_(0.3 * momentum)
        optimizer.step()
        for weight, value in zip(weights, expected, strict=True):
            torch.testing.assert_close(weight.detach(), value, rtol=1e-6, atol=1e-7)


def test_lars_without_adapting_is_sgd():
    ours = torch.tensor([1.0, -2.0], requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    lars = LARS([{"params": [ours], "adapt": False}], 0.1, momentum=0.9, weight_decay=0, trust=1)
    sgd = torch.optim.SGD([theirs], 0.1, momentum=0.9)
    for step in range(3):
        ours.grad = theirs.grad = torch.tensor([1.0, float(step)])
        lars.step()
        sgd.step()
    torch.testing.assert_close(ours, theirs)


def test_the_schedule_warms_up_and_ends_at_zero():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=2.0)
    schedule = cosine_schedule(optimizer, warmup=4, total=20)
    rates = []
    for _ in range(20):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[:4] == [0.5, 1.0, 1.5, 2.0]
    assert max(rates) == 2.0
    assert schedule.get_last_lr()[0] == pytest.approx(0, abs=1e-9)


def test_a_group_of_constant_rate_is_not_scheduled():
    groups = [
        {"params": [torch.zeros(1, requires_grad=True)]},
        {"params": [torch.zeros(1, requires_grad=True)], "constant_lr": True},
    ]
    optimizer = torch.optim.SGD(groups, lr=2.0)
    schedule = cosine_schedule(optimizer, warmup=4, total=20)
    for step in range(20):
        assert schedule.get_last_lr()[1] == 2.0, step
        optimizer.step()
        schedule.step()


def test_the_predictor_alone_has_a_constant_rate_where_asked_for(make_module):
    module = make_module("ssl(views=2)", "simsiam", predictor={"hidden": 16, "constant_lr": True})
    groups = build_optimizer(
        module.config, module.network.encoder, module.probes, module.network.predictor
    ).param_groups
    constant = [
        parameter for group in groups if group.get("constant_lr") for parameter in group["params"]
    ]
    assert {id(parameter) for parameter in constant} == {
        id(parameter) for parameter in module.network.predictor.parameters()
    }
    every = [id(parameter) for group in groups for parameter in group["params"]]
    trained = [module.network.encoder, module.network.predictor, module.probes]
    assert sorted(every) == sorted(
        id(parameter) for part in trained for parameter in part.parameters()
    )


def test_edge_statistics_of_a_graph_counted_by_hand():
    nodes = rrl.Nodes(
        sample=torch.tensor([0, 1, 2, 0, 1, 2]),
        view=torch.tensor([0, 0, 0, 1, 1, 1]),
        labels={"label": torch.tensor([0, 0, 1, 0, 0, 1])},
    )
    clean = rrl.compile("ssl()")
    noisy = rrl.compile("ssl() | (all() - ssl() - supervised())")
    figures = edge_statistics(noisy, clean, nodes)
    # rows of samples 0 and 1 have their other view and both rows of sample 2; those of sample 2
    # their other view and all four others
    assert float(figures["edges/per_row"]) == pytest.approx((4 * 3 + 2 * 5) / 6)
    assert float(figures["edges/density"]) == pytest.approx(22 / 30)
    assert float(figures["edges/false"]) == pytest.approx(16 / 22)
    assert float(figures["edges/agree_label"]) == pytest.approx(6 / 22)
    assert float(figures["edges/beyond_views"]) == 1
    assert float(figures["edges/isolated"]) == 0


def test_a_learned_temperature_is_trained_and_kept(make_module, fit, tmp_path):
    plain = make_module(epochs=1)
    temperature = torch.nn.Parameter(torch.tensor(0.2))
    loss = rrl.losses.create("simclr", temperature=temperature)
    module = RelationalModule(
        plain.config,
        plain.program,
        loss,
        shape=(1, 8, 8),
        classes=10,
        backbone=plain.network.encoder.backbone,
    )
    assert module.network.learned[0] is temperature
    fit(module, tmp_path)
    assert temperature.item() != pytest.approx(0.2, abs=1e-5)
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)
    assert checkpoint["state_dict"]["network.learned.0"] == temperature
