"""A function of one's own summed over the pairs of each row, by every strategy."""

from collections.abc import Callable

import pytest
import torch
from relation_scenes import scene
from torch import Tensor

import rrl_dsl as rrl

STRATEGIES = pytest.mark.parametrize("strategy", ["dense", "blocked"])


@STRATEGIES
@pytest.mark.parametrize("seed", range(4))
def test_sum_has_the_gradient_of_parameters_given_and_closed_over(seed: int, strategy: str):
    here = scene(seed, strategy=strategy)
    given = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    closed = torch.tensor(-0.3, dtype=torch.float64, requires_grad=True)

    def f(weights: Tensor, similarity: Tensor, factor: Tensor) -> Tensor:
        return torch.sigmoid(factor * similarity + closed * weights)

    def total(one: Tensor, other: Tensor) -> Tensor:
        nonlocal closed
        kept, closed = closed, other
        value = here.relation.sum(f, here.q, here.k, one).sum()
        closed = kept
        return value

    slopes = torch.autograd.grad(here.relation.sum(f, here.q, here.k, given).sum(), [given, closed])
    for slope, step in zip(slopes, ((1e-6, 0.0), (0.0, 1e-6)), strict=True):
        above = total(given + step[0], closed + step[1])
        below = total(given - step[0], closed - step[1])
        torch.testing.assert_close(slope, (above - below) / 2e-6, rtol=1e-6, atol=1e-8)


@STRATEGIES
def test_pairs_that_do_not_count_spoil_no_gradient(strategy: str):
    here = scene(0, strategy=strategy)
    z = torch.eye(7, dtype=torch.float64).requires_grad_()
    # a row has similarity 1 with itself, where this has no finite gradient
    at_self = here.relation.sum(lambda weights, s: weights * (1 - s).sqrt(), z, z)
    (slope,) = torch.autograd.grad(at_self.sum(), z)
    assert slope.isfinite().all()


@STRATEGIES
@pytest.mark.parametrize(
    ("f", "what"),
    [
        (lambda w, s: (w * s).sum(), "shape ()"),
        (lambda w, s: 1.0, "float"),
        (lambda w, s: s.sum(dim=1), "shape ("),
    ],
)
def test_a_function_that_is_not_pointwise_is_an_error(f: Callable, what: str, strategy: str):
    here = scene(0, strategy=strategy)
    with pytest.raises(rrl.RRLError) as caught:
        here.relation.sum(f, here.q, here.k)
    (only,) = caught.value.diagnostics
    assert only.code == "RRL406"
    assert only.message.startswith(f"`f` returned {what}")


@STRATEGIES
def test_a_function_that_raises_leaves_later_gradients_as_they_are(strategy):
    def raises(weights, similarities):
        raise KeyError("mine")

    program = rrl.compile("ssl(views=2)")
    rows = rrl.Nodes(torch.arange(8).repeat(2), torch.arange(2).repeat_interleave(8))
    relation = program.relate(rows, strategy=strategy)
    z = torch.randn(16, 4, requires_grad=True)
    with pytest.raises(KeyError, match="mine") as kept:  # its traceback lives on
        relation.sum(raises, z, z)
    (z * z).sum().backward()
    assert torch.equal(z.grad, 2 * z.detach())
    assert kept.value
