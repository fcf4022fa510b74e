"""Effective rank: known values."""

import pytest
import torch

from rrl_dsl.losses.collapse import effective_rank, spread


def test_equal_directions_have_full_rank():
    z = torch.cat([torch.eye(8), -torch.eye(8)])
    assert float(effective_rank(z)) == pytest.approx(8)


def test_one_direction_has_rank_one():
    z = torch.linspace(-1, 1, 20)[:, None] * torch.tensor([1.0, 2.0, 3.0])
    assert float(effective_rank(z)) == pytest.approx(1, abs=1e-4)


def test_a_constant_embedding_has_rank_zero():
    assert float(effective_rank(torch.ones(20, 3))) == 0


def test_embeddings_that_are_not_finite_have_no_rank():
    z = torch.tensor([[1.0, 2.0], [float("inf"), 0.0]])
    assert torch.isnan(effective_rank(z))


def test_it_is_the_exponential_of_the_entropy():
    z = torch.diag(torch.tensor([3.0, 1.0]))
    z = torch.cat([z, -z])
    shares = torch.tensor([0.75, 0.25])
    expected = torch.exp(-(shares * shares.log()).sum())
    assert float(effective_rank(z)) == pytest.approx(float(expected))


@pytest.mark.parametrize("shape", [(100, 16), (2048, 256), (12, 256), (50, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("length", [1e-3, 1.0, 1e4])
def test_rounding_errors_of_a_constant_have_rank_zero(shape, dtype, length):
    noise = torch.finfo(dtype).eps * torch.randn(shape, dtype=torch.float64)
    assert float(effective_rank((length * (1 + noise)).to(dtype))) == 0


def test_differences_above_rounding_count():
    z = 1 + 1e-5 * torch.cat([torch.eye(8), -torch.eye(8)])
    assert float(effective_rank(z)) == pytest.approx(8, rel=1e-3)


def test_the_spread_tells_the_mean_cosine():
    z = torch.randn(64, 5, dtype=torch.float64) + torch.tensor([3.0, 0.0, 0.0, 0.0, 0.0])
    unit = z / z.norm(dim=1, keepdim=True)
    assert float(spread(z)) ** 2 == pytest.approx(1 - float((unit @ unit.T).mean()))
    assert float(spread(100 * z)) == pytest.approx(float(spread(z)))


@pytest.mark.parametrize(
    "z", [torch.ones(20, 3), torch.zeros(20, 3), torch.arange(1, 9.0)[:, None]]
)
def test_embeddings_of_one_direction_have_no_spread(z):
    assert float(spread(z)) == pytest.approx(0, abs=1e-6)


def test_opposite_directions_have_the_whole_spread():
    assert float(spread(torch.cat([torch.eye(8), -torch.eye(8)]))) == pytest.approx(1)
