"""The pairwise sigmoid loss, against SigLIP's formula (Zhai et al. 2023, equation 1)."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.losses import create
from rrl_dsl.losses.sums import Sum

SAMPLES = 9
STRATEGIES = pytest.mark.parametrize("strategy", ["dense", "blocked"])


def published(images: Tensor, texts: Tensor, t: float, b: float) -> Tensor:
    """- 1/|B| sum_ij log sigma(z_ij (t x_i . y_j + b)), z_ij = 1 where i = j, else -1."""
    x, y = F.normalize(images), F.normalize(texts)
    sign = 2 * torch.eye(len(x), dtype=x.dtype) - 1
    return -F.logsigmoid(sign * (t * x @ y.T + b)).sum() / len(x)


def embeddings(rows: int, seed: int = 0) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 5, generator=chance, dtype=torch.float64).requires_grad_()


def sides() -> tuple[rrl.Nodes, rrl.Nodes]:
    ids = torch.arange(SAMPLES)
    return rrl.Nodes(ids, torch.zeros_like(ids)), rrl.Nodes(ids, torch.ones_like(ids))


def two_views() -> rrl.Nodes:
    return rrl.Nodes(torch.arange(SAMPLES).repeat(2), torch.arange(2).repeat_interleave(SAMPLES))


@STRATEGIES
@pytest.mark.parametrize(("temperature", "bias"), [(0.1, -10.0), (1.0, 0.5), (0.01, -3.0)])
def test_images_and_texts_have_the_published_loss(strategy, temperature, bias):
    program = rrl.compile("ssl(views=2) & cross_view()")
    images, texts = embeddings(SAMPLES), embeddings(SAMPLES, 1)
    relation = program.relate(*sides(), strategy=strategy)
    options = {"temperature": temperature, "bias": bias}
    right = published(images, texts, 1 / temperature, bias)
    value = create("sigmoid", normalize="batch", **options)(relation, images, keys=texts)
    torch.testing.assert_close(value, right)
    for one, other in zip(
        torch.autograd.grad(value, [images, texts]),
        torch.autograd.grad(right, [images, texts]),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    by_pair = create("sigmoid", **options)(relation, images, keys=texts)
    torch.testing.assert_close(by_pair, right / SAMPLES)  # each row is compared with all texts


@STRATEGIES
def test_views_contrasted_with_the_other_view_have_the_published_loss(strategy):
    program = rrl.compile("ssl(views=2) & cross_view()\ncontrast cross_view()")
    z = embeddings(2 * SAMPLES)
    value = create("sigmoid", normalize="batch")(program.relate(two_views(), strategy=strategy), z)
    torch.testing.assert_close(value, published(z[:SAMPLES], z[SAMPLES:], 10.0, -10.0))


@STRATEGIES
def test_soft_weights_are_targets_of_the_binary_cross_entropy(strategy):
    nodes = two_views()
    program = rrl.compile("0.7 * ssl(views=2) | 0.25 * cross_view()")
    z = embeddings(len(nodes))
    value = create("sigmoid", temperature=0.5, bias=-1.0)(
        program.relate(nodes, strategy=strategy), z
    )
    terms = []
    for i in range(len(nodes)):
        for j in range(len(nodes)):
            if i == j:
                continue
            alike = nodes.sample[i] == nodes.sample[j]
            target = 0.7 if alike else 0.25 if nodes.view[i] != nodes.view[j] else 0.0
            logit = F.cosine_similarity(z[i], z[j], dim=0) / 0.5 - 1.0
            terms.append(-target * F.logsigmoid(logit) - (1 - target) * F.logsigmoid(-logit))
    torch.testing.assert_close(value, torch.stack(terms).mean(), rtol=1e-6, atol=0)


def test_rows_without_an_edge_are_left_out():
    graph = torch.zeros(4, 4, dtype=torch.float64)
    graph[0, 1] = graph[1, 0] = 1
    z = embeddings(4)
    s = F.normalize(z) @ F.normalize(z).T
    sign = 2 * graph - 1
    kept = torch.tensor([(0, 1), (0, 2), (0, 3), (1, 0), (1, 2), (1, 3)])
    terms = -F.logsigmoid(sign * (2 * s - 1))[kept[:, 0], kept[:, 1]]
    loss = create("sigmoid", temperature=0.5, bias=-1.0)
    torch.testing.assert_close(loss(graph, z), terms.mean())
    torch.testing.assert_close(
        create("sigmoid", temperature=0.5, bias=-1.0, normalize="batch")(graph, z), terms.sum() / 2
    )
    assert loss(torch.zeros(4, 4), z) == 0


def test_extreme_temperatures_stay_finite():
    z = embeddings(6).float().detach().requires_grad_()
    value = create("sigmoid", temperature=1e-4, bias=0.0)(torch.eye(6).roll(1, 0), z)
    value.backward()
    assert value.isfinite()
    assert z.grad.isfinite().all()


@STRATEGIES
def test_temperature_and_bias_are_learned(strategy):
    loss = create("sigmoid", temperature=0.2, bias=-2.0)
    log_factor, shift = loss.learned()
    images, texts = embeddings(SAMPLES), embeddings(SAMPLES, 1)
    relation = rrl.compile("ssl(views=2)").relate(*sides(), strategy=strategy)
    loss(relation, images, keys=texts).backward()
    log_t = torch.tensor(5.0, dtype=torch.float64).log().requires_grad_()
    b = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)
    right = published(images, texts, log_t.exp(), b) / SAMPLES
    right.backward()
    torch.testing.assert_close(log_factor.grad.double(), log_t.grad, rtol=1e-5, atol=0)
    torch.testing.assert_close(shift.grad.double(), b.grad, rtol=1e-5, atol=0)
    with torch.no_grad():
        log_factor += 0.3
        shift -= 1.5
    moved = published(images, texts, (log_t + log_factor).exp(), b + shift) / SAMPLES
    torch.testing.assert_close(loss(relation, images, keys=texts), moved, rtol=1e-6, atol=0)


def test_temperature_and_bias_of_the_user_are_the_parameters():
    temperature, bias = nn.Parameter(torch.tensor(0.1)), nn.Parameter(torch.tensor(-10.0))
    loss = create("sigmoid", temperature=temperature, bias=bias)
    assert [id(parameter) for parameter in loss.learned()] == [id(temperature), id(bias)]
    loss(torch.eye(4).roll(1, 0), torch.randn(4, 3)).backward()
    assert temperature.grad != 0
    assert bias.grad != 0


def test_parameters_are_those_of_a_sum_too():
    loss = create("sigmoid")
    total = Sum(((1.0, loss), (0.5, create("simclr"))))
    assert [id(parameter) for parameter in total.learned()] == [
        id(parameter) for parameter in loss.learned()
    ]
    assert create("sigmoid", learn=False).learned() == []


@STRATEGIES
def test_weights_above_1_are_refused(strategy):
    relation = rrl.compile("1.5 * ssl(views=2)").relate(two_views(), strategy=strategy)
    with pytest.raises(rrl.RRLError) as caught:
        create("sigmoid")(relation, embeddings(2 * SAMPLES))
    (only,) = caught.value.diagnostics
    assert (only.code, only.hint) == ("RRL404", "write `… | clip(max=1)`")
    assert "at most 1, and this graph has 1.5" in only.message
