"""The network of a method, in a loop without a trainer."""

import io

import pytest
import torch
from torch.distributed._functional_collectives import all_gather_tensor_autograd

import rrl_dsl as rrl

SHAPE = (1, 8, 8)
SMALL = {
    "projector": {"hidden": 16, "out": 8, "norm": True},
    "predictor": {"hidden": 16},
    "prototypes": {"count": 12},
    "teacher": {"momentum": 0.9},
    "bank": 40,
}


def make(loss, recipe="ssl(views=2)", backbone="small", **options):
    torch.manual_seed(0)
    loss, program = rrl.losses.create(loss), rrl.compile(recipe)
    return rrl.Network.for_(loss, program, backbone, SHAPE, **{**SMALL, **options})


def rows(samples, views=2):
    return rrl.Nodes(samples.repeat(views), torch.arange(views).repeat_interleave(len(samples)))


def steps(network, optimizer, first, last, gather=None):
    """Losses of some steps, whose batches follow from the number of the step."""
    values = []
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        images = torch.randn(24, *SHAPE, generator=generator)
        nodes = rows(torch.arange(12) + 5 * step)
        optimizer.zero_grad()
        value = network.loss(nodes, network(images, seed=step), gather=gather)
        value.backward()
        optimizer.step()
        network.follow(steps=20)
        values.append(value.detach())
    return torch.stack(values)


@pytest.mark.parametrize(
    ("loss", "recipe", "backbone"),
    [
        ("dino", "ssl(views=2)", "small"),
        ("nnclr + 0.1*koleo", "ssl(views=2)", "small"),
        ("mean_shift", "ssl(views=2) | knn(3, space=teacher, bank=30, query=other)", "small"),
        ("dinov2", "ssl(views=2)", "vit-micro"),
    ],
)
def test_training_continues_from_the_state_of_the_network(loss, recipe, backbone):
    network = make(loss, recipe, backbone)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    steps(network, optimizer, 0, 4)
    kept = io.BytesIO()
    torch.save([network.state_dict(), optimizer.state_dict()], kept)
    expected = steps(network, optimizer, 4, 8)

    again = make(loss, recipe, backbone)
    for parameter in again.parameters():
        torch.nn.init.constant_(parameter, 0.5)
    other = torch.optim.SGD(again.parameters(), lr=0.05)
    kept.seek(0)
    for part, state in zip((again, other), torch.load(kept, weights_only=True), strict=True):
        part.load_state_dict(state)
    assert steps(again, other, 4, 8).equal(expected)
    assert again.step == 8


@pytest.mark.parametrize("loss", ["simclr", "dino", "nnclr"])
def test_rows_are_gathered_with_their_gradients(loss, tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1
    )
    try:
        group, states = torch.distributed.group.WORLD, []
        for gather in (None, lambda own: all_gather_tensor_autograd(own, 0, group)):
            network = make(loss)
            optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
            states.append(steps(network, optimizer, 0, 3, gather))
    finally:
        torch.distributed.destroy_process_group()
    torch.testing.assert_close(states[0], states[1])


def test_the_loss_is_that_of_the_outputs():
    network = make("byol")
    nodes, images = rows(torch.arange(6)), torch.randn(12, *SHAPE)
    outputs = network(images)
    expected = rrl.losses.create("byol").over(network.program.relate(nodes), outputs)
    assert network.loss(nodes, outputs).equal(expected)


def test_the_teacher_s_momentum_stays_where_no_number_of_steps_is_given():
    network = make("byol", teacher={"momentum": 0.75, "final": 1.0})
    nodes = rows(torch.arange(6))
    for expected in ({}, {"steps": 2}):
        network.step = 2  # the last of two, whose momentum is nearly the final one
        network.loss(nodes, network(torch.randn(12, *SHAPE)))
        before = [weight.clone() for weight in network.teacher.parameters()]
        with torch.no_grad():
            for weight in network.encoder.parameters():
                weight.add_(1.0)
        network.follow(**expected)
        share = 0.0 if expected else 0.25
        parameters = network.encoder.parameters(), network.teacher.parameters(), before
        for student, now, old in zip(*parameters, strict=True):
            torch.testing.assert_close(now, old + share * (student - old))


def test_local_views_follow_the_views():
    network = make("dino", local_views={"count": 2})
    views, local = torch.randn(12, *SHAPE), torch.randn(12, 1, 6, 6)
    outputs = network(views, local)
    assert len(outputs["prototypes"]) == 24
    assert len(outputs["teacher_prototypes"]) == 12
    assert torch.isfinite(network.loss(rows(torch.arange(6), 4), outputs))
    with pytest.raises(rrl.RRLError, match="15 rows are not 2 views and 2 local views") as problem:
        network.loss(rows(torch.arange(5), 3), outputs)
    assert problem.value.diagnostics[0].code == "RRL406"


def test_a_network_of_one_s_own_is_a_backbone():
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 20))
    network = make("simclr", backbone=body)
    assert network.encoder.projector[0].in_features == 20
    assert network(torch.zeros(4, *SHAPE))["backbone"].shape == (4, 20)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"projektor": {}},
            "RRL501 there is no setting `projektor` | did you mean `projector`?",
        ),
        (
            {"projector": {"outt": 3}},
            "RRL501 there is no setting `projector.outt` | did you mean `out`?",
        ),
        ({"bank": 0}, "RRL502 `bank` should be greater than or equal to 1, not 0 | None"),
        ({"backbone": "smal"}, "RRL502 there is no backbone `smal`"),
        ({"loss": "ibot"}, "RRL424 `ibot` compares patches, but the backbone has none"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, expected):
    with pytest.raises(rrl.RRLError) as problem:
        make(**{"loss": "simclr", **options})
    [diagnostic] = problem.value.diagnostics
    assert f"{diagnostic.code} {diagnostic.message} | {diagnostic.hint}".startswith(expected)
