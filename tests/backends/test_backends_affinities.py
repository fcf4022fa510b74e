"""The affinities of t-SNE over a whole dataset."""

import numpy as np
import pytest
from bound_graphs import data, error_of, whole
from scipy.spatial.distance import cdist

import rrl_dsl as rrl
from rrl_dsl.graph.builtins.sne_gaussians import gaussians_of


def joint_probabilities(x: np.ndarray, perplexity: float) -> np.ndarray:
    """As t-SNE's paper defines them, by a slow search."""
    n = len(x)
    given = np.zeros((n, n))
    for i in range(n):
        distance = np.delete(((x - x[i]) ** 2).sum(axis=1), i)

        def p_of(log_precision: float, distance: np.ndarray = distance) -> np.ndarray:
            p = np.exp(-np.exp(log_precision) * (distance - distance.min()))
            return p / p.sum()

        low, high = -30.0, 30.0
        for _ in range(100):
            middle = (low + high) / 2
            p = p_of(middle)
            entropy = -(p * np.log(np.maximum(p, 1e-300))).sum()
            low, high = (middle, high) if entropy > np.log(perplexity) else (low, middle)
        given[i] = np.insert(p, i, 0)
    return (given + given.T) / (2 * n)


@pytest.mark.parametrize("perplexity", [2, 5.5, 30])
def test_affinities_are_the_joint_probabilities_of_symmetric_sne(perplexity: float):
    x = np.random.default_rng(5).standard_normal((80, 4)) * [1, 10, 0.1, 1]
    affinities = whole(rrl.similarity("x", kernel="sne", perplexity=perplexity), data(x))
    np.testing.assert_allclose(affinities, joint_probabilities(x, perplexity), rtol=1e-5, atol=1e-9)
    assert abs(affinities.sum() - 1) < 1e-5


def test_affinities_are_those_of_scikit_learn():
    from scipy.spatial.distance import squareform
    from sklearn.manifold._t_sne import _joint_probabilities

    x = np.random.default_rng(6).standard_normal((60, 4))
    peer = squareform(_joint_probabilities(cdist(x, x, "sqeuclidean"), 10.0, 0))
    affinities = whole("similarity(x, kernel=sne, perplexity=10)", data(x))
    np.testing.assert_allclose(
        affinities, peer, rtol=1e-3, atol=1e-6
    )  # sklearn stops at 1e-5 of entropy


def test_missing_vectors_and_own_views_have_no_affinity():
    x = np.random.default_rng(7).standard_normal((12, 2))
    x[4] = np.nan
    affinities = whole("similarity(x, kernel=sne, perplexity=3)", data(x))
    assert not affinities[4].any()
    assert abs(affinities.sum() - 1) < 1e-5
    program = rrl.compile("similarity(x, kernel=sne, perplexity=3)").bind(data(x))
    views = rrl.Nodes([1, 1], [0, 1], fields={"x": x[[1, 1]]})
    assert not program(views).any()


def test_perplexity_beyond_the_data_set_is_rrl420():
    program = rrl.compile("similarity(x, kernel=sne, perplexity=30)")
    only = error_of(lambda: program.bind(data(np.eye(20))))
    assert (only.code, only.message, only.hint) == (
        "RRL420",
        "a perplexity of 30 needs more than 20 samples with a vector",
        "use a perplexity below 19",
    )


def sne(x: np.ndarray, perplexity: float) -> np.ndarray:
    return whole(rrl.similarity("x", kernel="sne", perplexity=perplexity), data(x))


def uniform(neighbors: np.ndarray) -> np.ndarray:
    """p_ij where each sample has equal shares of its neighbors, (n, n) bool."""
    given = neighbors / neighbors.sum(axis=1, keepdims=True)
    return (given + given.T) / (2 * len(given))


CUBE = np.stack(np.meshgrid([0.0, 1.0], [0.0, 1.0], [0.0, 1.0]), axis=-1).reshape(8, 3)
GRID = 0.1 * np.stack(np.meshgrid(np.arange(7), np.arange(7)), axis=-1).reshape(49, 2)


@pytest.mark.parametrize("scale", [1.0, 0.3, 1e-30, 1e30])
def test_affinities_are_uniform_over_more_nearest_samples_than_the_perplexity(scale: float):
    corners = cdist(CUBE, CUBE, "cityblock") == 1
    np.testing.assert_allclose(sne(scale * CUBE, 2.5), uniform(corners), rtol=1e-6)
    np.testing.assert_allclose(sne(scale * CUBE, 3.0), uniform(corners), rtol=1e-6)
    apart = ~np.eye(64, dtype=bool)
    np.testing.assert_allclose(sne(scale * np.eye(64), 30.0), apart / (64 * 63), rtol=1e-6)
    # sums of tenths are equally far but for rounding
    steps = np.rint(cdist(GRID, GRID, "cityblock") / 0.1) == 1
    np.testing.assert_allclose(sne(scale * GRID, 1.5), uniform(steps), rtol=1e-6)


def test_affinities_of_equal_samples_beside_an_outlier():
    x = np.zeros((40, 2))
    x[39] = [0.3, 0.1]  # all others are its nearest
    equal = np.ones((40, 40), dtype=bool)
    equal[:39, 39] = False
    np.fill_diagonal(equal, False)
    np.testing.assert_allclose(sne(x, 5.0), uniform(equal), rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("perplexity", [1.0, 2.0, 5.0, 9.5, 28.9])
def test_affinities_sum_to_one_for_all_vectors(seed: int, perplexity: float):
    rng = np.random.default_rng(seed)
    captions = rng.standard_normal((3, 16))[[0] * 15 + [1] * 14 + [2]].astype(np.float32)
    blank = np.where(rng.random((30, 64)) < 0.02, 255.0, 0.0)
    one_hot = np.eye(10)[rng.integers(0, 10, 30)]
    uneven = rng.standard_normal((30, 2)) * 10.0 ** rng.integers(-9, 9, (30, 1))
    for x in (captions, blank, one_hot, uneven, np.arange(30.0)[:, None]):
        affinities = sne(x.astype(np.float64), perplexity)
        assert abs(affinities.sum(dtype=np.float64) - 1) < 1e-5
        assert affinities.max() <= 1 / 30 + 1e-7  # (1 + 1) / 2n
        np.testing.assert_array_equal(affinities, affinities.T)


def test_the_perplexity_is_reached_wherever_a_bandwidth_has_it():
    x = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 16.0])[:, None]
    np.testing.assert_allclose(sne(x, 2.5), joint_probabilities(x, 2.5), rtol=1e-6, atol=1e-9)
    # nearly equal samples, whose bandwidth is some 1e-8 of the data's
    x[1] = 1e-8
    x[2] = -2e-8
    assert abs(sne(x, 1.5).sum() - 1) < 1e-6


@pytest.mark.filterwarnings("error")
def test_bandwidths_of_huge_vectors_are_those_of_others_in_their_unit():
    vectors = np.random.default_rng(0).normal(size=(40, 3))
    precision, normalizer, reach = gaussians_of(vectors, 5.0).T
    huge = gaussians_of(vectors * 2.0**500, 5.0).T
    np.testing.assert_allclose(huge[0], precision * 2.0**-1000, rtol=1e-9)
    np.testing.assert_allclose(huge[1], normalizer, rtol=1e-9)
    assert (huge[2] == reach).all()
