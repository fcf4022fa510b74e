import numpy as np
import pytest

from rrl_dsl.show.sample import GraphSample


@pytest.fixture
def small() -> GraphSample:
    """Five rows: classes b a b a and one unknown, with four edges of which one is false."""
    weights = np.zeros((5, 5))
    for i, j in ((0, 2), (1, 3), (0, 4), (2, 3)):
        weights[i, j] = weights[j, i] = 1.0
    np.fill_diagonal(weights, 7.0)
    false = np.zeros((5, 5), dtype=bool)
    false[2, 3] = false[3, 2] = True
    false[0, 0] = True
    return GraphSample(
        weights=weights,
        group=np.array([1, 0, 1, 0, -1]),
        group_names=("ant", "bee"),
        view=np.array([0, 0, 1, 1, 0]),
        title="a small one",
        recipe="ssl(views=2)\n  | corrupt(fpr=0.1)",
        false_edges=false,
    )


@pytest.fixture
def blank() -> GraphSample:
    group = np.repeat([0, 1], 3)
    return GraphSample(np.zeros((6, 6)), group, ("ant", "bee"), group * 0, "empty", "none()")
