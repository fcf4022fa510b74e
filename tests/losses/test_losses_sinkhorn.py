"""Balanced assignment against the published implementations."""

import lightly.loss.swav_loss
import pytest
import torch

from rrl_dsl.losses.distillation import sinkhorn


def scores(rows, width, seed=0, dtype=torch.float64):
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def dinov2(scores, temperature, iterations):
    """As Oquab et al. write it: over a matrix of prototypes by rows."""
    q = (scores / temperature).exp().T
    prototypes, rows = q.shape
    q = q / q.sum()
    for _ in range(iterations):
        q = q / q.sum(dim=1, keepdim=True) / prototypes
        q = q / q.sum(dim=0, keepdim=True) / rows
    return (q * rows).T


@pytest.mark.parametrize("iterations", [1, 3, 10])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize(("rows", "width"), [(1, 4), (12, 5), (6, 30)])
def test_it_is_the_published_algorithm(rows, width, temperature, iterations):
    given = scores(rows, width)
    assignment = sinkhorn(given, temperature, iterations)
    lightly_s = lightly.loss.swav_loss.sinkhorn(given, iterations, temperature)
    torch.testing.assert_close(assignment, lightly_s, rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(
        assignment, dinov2(given, temperature, iterations), rtol=1e-9, atol=1e-14
    )


def test_rows_sum_to_1_and_prototypes_are_balanced():
    few, many = (sinkhorn(scores(40, 8) + torch.arange(8), 0.5, count) for count in (1, 200))
    for assignment in (few, many):
        torch.testing.assert_close(assignment.sum(dim=1), torch.ones(40, dtype=torch.float64))
    torch.testing.assert_close(many.sum(dim=0), torch.full((8,), 5.0, dtype=torch.float64))
    assert (few.sum(dim=0) - 5).abs().max() > 0.1  # balance takes its time


def test_small_temperatures_do_not_overflow():
    given = 30 * scores(12, 5, dtype=torch.float32)
    assert lightly.loss.swav_loss.sinkhorn(given, 3, 0.01).isnan().any()
    assignment = sinkhorn(given, 0.01)
    assert assignment.isfinite().all()
    torch.testing.assert_close(assignment.sum(dim=1), torch.ones(12))
    torch.testing.assert_close(
        assignment.double(), sinkhorn(given.double(), 0.01), rtol=1e-2, atol=1e-3
    )


def test_rows_left_out_have_no_part_in_the_balance():
    given = scores(12, 5)
    balanced = torch.arange(12) % 3 > 0
    assignment = sinkhorn(given, 0.3, balanced=balanced)
    torch.testing.assert_close(assignment[balanced], sinkhorn(given[balanced], 0.3))
    torch.testing.assert_close(assignment.sum(dim=1), torch.ones(12, dtype=torch.float64))


def test_where_no_row_counts_the_rest_is_a_softmax():
    given = scores(4, 5)
    assignment = sinkhorn(given, 0.3, balanced=torch.zeros(4, dtype=torch.bool))
    torch.testing.assert_close(assignment, (given / 0.3).softmax(dim=1))


def test_there_is_no_gradient():
    assert not sinkhorn(scores(4, 5).requires_grad_(), 0.3).requires_grad
