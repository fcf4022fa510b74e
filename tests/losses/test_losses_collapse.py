"""Effective rank: known values."""

import pytest
import torch

from rrl_dsl.losses.collapse import effective_rank


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
