"""The noise is as good as random: density, degrees, spectrum and independence, measured.

The bounds are four standard deviations of a random graph of the same size, or what random graphs of
that size were seen to reach. Hashes that are known to be bad must fail them, or they would prove
nothing.
"""

from collections.abc import Callable

import numpy as np
import parity_draws as oracle
import pytest
from scipy.sparse.linalg import eigsh
from scipy.stats import binom

import rrl_dsl as rrl

N = 2048
IDS = {
    "sequential": np.arange(N),
    "strided": np.arange(N) * 4096,
    "high words": np.arange(N) << 32,
    "random": np.random.default_rng(0).integers(0, 2**63, N, dtype=np.int64),
}
UPPER = np.triu_indices(N, 1)


def noise(
    ids: np.ndarray, p: float, *, seed: int = 0, own: int | None = None, epoch: int = 0
) -> np.ndarray:
    graph = rrl.none() | rrl.corrupt(fpr=p, seed=own, redraw="epoch")
    return rrl.compile(graph, seed=seed)(rrl.Nodes(ids), epoch=epoch).numpy()


def faults(edges: np.ndarray, p: float) -> set[str]:
    """What tells a symmetric 0/1 matrix without diagonal from a random graph."""
    n, q = len(edges), 1 - p
    faults = set()
    if abs(edges[UPPER].mean() - p) > 4 * np.sqrt(p * q / len(UPPER[0])):
        faults.add("density")
    spread = edges.sum(axis=1).var() / ((n - 1) * p * q)
    if abs(spread - 1) > 4 * np.sqrt(2 / n):
        faults.add("degrees")
    centered = edges - p * ~np.eye(n, dtype=bool)
    largest = abs(eigsh(centered, k=1, v0=np.ones(n), tol=1e-2, return_eigenvectors=False)[0])
    if not 1.9 < largest / np.sqrt(n * p * q) < 2.1:
        faults.add("spectrum")
    # how many neighbors two rows share: binomial of n - 2 and p^2, with a tail that is not normal
    common = (edges @ edges)[UPPER]
    shared, chance = binom(n - 2, p**2), 1e-5 / len(common)
    if not shared.ppf(chance) <= common.min() <= common.max() <= shared.isf(chance):
        faults.add("codegree")
    return faults


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Between two noise graphs, in standard deviations of two independent ones."""
    return float(np.corrcoef(a[UPPER], b[UPPER])[0, 1] * np.sqrt(len(UPPER[0])))


@pytest.mark.parametrize("p", [0.5, 0.05])
@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_noise_is_a_random_graph(ids: np.ndarray, p: float):
    edges = noise(ids, p, seed=1)
    np.testing.assert_array_equal(edges, edges.T)
    assert faults(edges.astype(float), p) == set()


def bad_graph(pair: Callable[[np.ndarray, np.ndarray], np.ndarray], p: float) -> np.ndarray:
    k = oracle.key(1, oracle.stream_word("corrupt", 0), 0)
    u = np.array([oracle.row_hash(int(sample), 0, k) for sample in IDS["sequential"]], np.uint64)
    hashes = pair(u[:, None], u[None, :]) % np.uint64(2**32)
    edges = (hashes >> np.uint64(1)) < p * 2**31
    return (edges & ~np.eye(N, dtype=bool)).astype(float)


@pytest.mark.parametrize("p", [0.5, 0.05])
def test_a_hash_that_only_multiplies_the_sum_fails_the_same_check(p: float):
    edges = bad_graph(lambda u, v: (u + v) * np.uint64(oracle.C), p)
    assert "spectrum" in faults(edges, p)


def row_hashes(ids: np.ndarray, k: int) -> np.ndarray:
    return np.array([oracle.row_hash(int(sample), 0, k) for sample in ids], np.uint64)


def test_row_hashes_that_are_xored_give_every_pair_of_equal_ids_one_value():
    u = row_hashes(np.arange(50), oracle.key(1, 0, 0))
    assert len({oracle.mix(int(a) ^ int(a)) for a in u}) == 1
    assert len({oracle.pair_hash(int(a), int(a)) for a in u}) == 50


def test_keys_that_are_added_give_two_seeds_one_graph():
    def added(seed: int, epoch: int) -> int:
        return oracle.mix(seed + epoch)

    assert added(0, 1) == added(1, 0)
    chained = {oracle.key(seed, 0, epoch) for seed in range(40) for epoch in range(40)}
    assert len(chained) == 1600


def test_words_of_an_id_that_are_xored_collide():
    ids = [low + (high << 32) for low in range(30) for high in range(30)]
    k = oracle.key(1, 0, 0)
    assert len({oracle.mix((sample % 2**32) ^ (sample >> 32) ^ k) for sample in ids}) < 900
    assert len({oracle.row_hash(sample, 0, k) for sample in ids}) == 900


def test_pairs_of_equal_samples_draw_as_others():
    # with xor in place of the sum, every pair of equal ids would share one value
    rows = rrl.Nodes(np.repeat(np.arange(500), 2), np.tile([0, 1], 500))
    weights = rrl.compile("none() | corrupt(fpr=0.5)", seed=2)(rows).numpy()
    pairs = weights[np.arange(0, 1000, 2), np.arange(1, 1000, 2)]
    assert 0.4 < pairs.mean() < 0.6


def test_two_seeds_of_calls_are_independent_of_each_other_and_of_the_recipe_s():
    noises = [noise(IDS["sequential"], 0.5, own=own) for own in (None, 0, 1, 2**32)]
    assert all(abs(correlation(noises[0], other)) < 4 for other in noises[1:])


def test_two_seeds_are_independent_and_one_seed_gives_one_graph():
    ids = IDS["sequential"]
    first = noise(ids, 0.5, seed=0)
    np.testing.assert_array_equal(first, noise(ids, 0.5, seed=0))
    for other in (1, 2**32, 2**63):
        assert abs(correlation(first, noise(ids, 0.5, seed=other))) < 4


def test_seed_and_epoch_do_not_add_up():
    ids = IDS["sequential"]
    assert abs(correlation(noise(ids, 0.5, seed=0, epoch=1), noise(ids, 0.5, seed=1))) < 4


def test_two_epochs_are_independent():
    ids = IDS["strided"]
    assert abs(correlation(noise(ids, 0.5, epoch=4), noise(ids, 0.5, epoch=5))) < 4


def test_edges_that_stay_are_independent_of_those_that_appear():
    # one draw decides both, of different pairs; over the same pairs the two streams differ
    rows = rrl.Nodes(IDS["sequential"])
    kept = rrl.compile("all() | keep(0.5)")(rows).numpy()
    made = rrl.compile("none() | corrupt(fpr=0.5)")(rows).numpy()
    assert abs(correlation(kept, made)) < 4


def test_unit_sample_draws_once_for_all_views_and_unit_row_for_each_pair_of_rows():
    ids, view = np.tile(np.arange(N // 2), 2), np.repeat([0, 1], N // 2)
    rows = rrl.Nodes(ids, view)
    half = N // 2
    upper = np.triu_indices(half, 1)
    blocks = {}
    for unit in ("sample", "row"):
        weights = rrl.compile(rrl.none() | rrl.corrupt(fpr=0.5, unit=unit))(rows).numpy()
        blocks[unit] = [weights[:half, :half], weights[half:, half:], weights[:half, half:]]
    for other in blocks["sample"][1:]:
        np.testing.assert_array_equal(blocks["sample"][0][upper], other[upper])
    for other in blocks["row"][1:]:
        correlated = np.corrcoef(blocks["row"][0][upper], other[upper])[0, 1]
        assert abs(correlated) * np.sqrt(len(upper[0])) < 4


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_share_of_labels_is_as_asked(ids: np.ndarray):
    rows = rrl.Nodes(ids, labels={"label": np.zeros(N, dtype=int)})
    labeled = np.diagonal(rrl.compile("supervised(frac=0.3)", seed=9)(rows).numpy())
    assert abs(labeled.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / N)


def test_two_recipes_seeds_label_independent_shares():
    rows = rrl.Nodes(np.arange(N), labels={"label": np.zeros(N, dtype=int)})
    first, second = (
        np.diagonal(rrl.compile("supervised(frac=0.5)", seed=seed)(rows).numpy()) for seed in (0, 1)
    )
    assert abs(np.corrcoef(first, second)[0, 1]) * np.sqrt(N) < 4
