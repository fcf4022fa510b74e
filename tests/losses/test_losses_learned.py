"""A temperature may be learned: it stays the parameter it is, and gets its gradient."""

import pytest
import torch
from torch import nn

import rrl_dsl as rrl
from rrl_dsl.losses import create
from rrl_dsl.losses.sums import Sum

CONTRASTIVE = ["simclr", "supcon", "suncet"]


@pytest.fixture
def z():
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def relation():
    nodes = rrl.Nodes([0, 1, 2, 3] * 2, [0] * 4 + [1] * 4, {"label": [0, 0, 1, 2] * 2})
    return rrl.compile("ssl() | supervised()").relate(nodes)


@pytest.mark.parametrize("name", CONTRASTIVE)
def test_gradient_is_that_of_the_definition(name, relation, z):
    temperature = nn.Parameter(torch.tensor(0.3, dtype=torch.float64))
    create(name, temperature=temperature)(relation, z).backward()
    step = 1e-6
    above, below = (create(name, temperature=0.3 + offset)(relation, z) for offset in (step, -step))
    torch.testing.assert_close(temperature.grad, (above - below) / (2 * step), rtol=1e-7, atol=0)


def test_a_temperature_computed_from_a_parameter_reaches_it(relation, z):
    log = nn.Parameter(torch.tensor(-1.0))
    create("simclr", temperature=log.exp())(relation, z).backward()
    assert log.grad != 0


def test_parameters_of_a_sum_are_all_known(relation, z):
    one, other = nn.Parameter(torch.tensor(0.1)), nn.Parameter(torch.tensor(0.2))
    loss = Sum(
        ((1.0, create("simclr", temperature=one)), (2.0, create("suncet", temperature=other)))
    )
    assert [id(parameter) for parameter in loss.learned()] == [id(one), id(other)]
    loss(relation, z).backward()
    assert one.grad != 0
    assert other.grad != 0
    assert create("simclr").learned() == []


@pytest.mark.parametrize("name", ["dino", "ibot", "nnclr"])
def test_other_losses_keep_the_temperature_of_their_rows(name):
    temperature = nn.Parameter(torch.tensor(0.2))
    assert create(name, temperature=temperature).temperature is temperature


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("vicreg", "invariance", nn.Parameter(torch.tensor(1.0))),
        ("dino", "teacher_temperature", torch.tensor(0.1)),
        ("simclr", "temperature", torch.tensor([0.1, 0.2])),
        ("simclr", "temperature", torch.tensor(1)),
        ("simclr", "temperature", torch.tensor(-0.1)),
        ("simclr", "temperature", torch.tensor(float("nan"))),
    ],
)
def test_an_option_must_not_be_a_tensor(name, option, value):
    with pytest.raises(rrl.RRLError) as caught:
        create(name, **{option: value})
    (only,) = caught.value.diagnostics
    assert only.code == "RRL408"
    assert only.message.startswith(f"`{option}` of the loss `{name}` should be ")
