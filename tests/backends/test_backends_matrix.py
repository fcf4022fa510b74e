"""Relations of a matrix that a user gives."""

import pytest
import torch
from torch import Tensor

import rrl_dsl as rrl
from rrl_dsl.backends.matrix import of_matrix


def test_matrix_alone_has_its_diagonal_as_self():
    weights = torch.tensor([[9.0, 1.0, 0.0], [1.0, 9.0, 2.0], [0.0, 2.0, 9.0]])
    assert of_matrix(weights).degree().tolist() == [1.0, 3.0, 2.0]
    assert of_matrix(weights).degree(with_self=True).tolist() == [10.0, 12.0, 11.0]


def test_matrix_whose_columns_are_not_its_rows_has_no_self():
    weights = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert of_matrix(weights, columns=True).degree().tolist() == [3.0, 7.0]
    assert of_matrix(torch.ones(2, 5), columns=True).shape == (2, 5)


def test_rows_of_a_view_are_numbered_as_they_come():
    relation = of_matrix(torch.ones(5, 5), view=torch.tensor([0, 1, 1, 0, 1]))
    assert relation.rows.sample.tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("weights", "code"),
    [
        (torch.ones(3), "RRL406"),
        (torch.ones(2, 3), "RRL406"),
        (torch.ones(2, 2, dtype=torch.complex64), "RRL406"),
        (torch.ones(2, 2).to_sparse(), "RRL406"),
    ],
)
def test_impossible_matrix_is_refused(weights: Tensor, code: str):
    with pytest.raises(rrl.RRLError, match=code):
        of_matrix(weights)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_a_negative_weight_is_refused_with_its_place(dtype: torch.dtype):
    weights = torch.ones(2, 3, dtype=dtype)
    weights[1, 2] = -2
    with pytest.raises(rrl.RRLError, match="weight of row 1 and column 2 is -2") as problem:
        of_matrix(weights, columns=True)
    assert problem.value.diagnostics[0].hint == "weights must be finite and nonnegative"


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_refused(weight: float):
    with pytest.raises(rrl.RRLError, match=f"weight of row 0 and column 0 is {weight}"):
        of_matrix(torch.full((2, 2), weight))
