"""What stands in for a model's embeddings in the picture of a recipe."""

import numpy as np
import pytest

import rrl_dsl as rrl
from rrl_dsl.data.table import Columns
from rrl_dsl.report.sample import sample_of


def columns(pixels: np.ndarray) -> Columns:
    return Columns("mine", np.arange(len(pixels)), {}, {}, {"pixels": pixels})


def test_vectors_in_pixels_stand_in_for_embeddings():
    found = sample_of(rrl.knn(2), columns(np.eye(8)), samples=8)
    assert found.stands_in


def test_numbers_in_pixels_are_rrl417():
    with pytest.raises(rrl.RRLError) as caught:
        sample_of(rrl.knn(2), columns(np.arange(8.0)), samples=8)
    (only,) = caught.value.diagnostics
    assert (only.code, only.message) == (
        "RRL417",
        "`pixels` of the data set `mine` holds numbers, not vectors",
    )
