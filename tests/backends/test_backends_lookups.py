"""What a program finds once over a whole dataset: neighbors, and paths between them."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from bound_graphs import data, error_of, whole
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors, kneighbors_graph

import rrl_dsl as rrl
from rrl_dsl.backends.reference import Rows, evaluate
from rrl_dsl.graph.builtins import (
    geodesic_paths,
    neighbor_candidates,
    neighbor_search,
    sne_gaussians,
)

# neighbors


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("mutual", [False, True])
def test_neighbors_over_a_data_set_are_those_of_scikit_learn(metric: str, mutual: bool):
    x = np.random.default_rng(0).standard_normal((700, 6))
    near = NearestNeighbors(n_neighbors=6, metric=metric).fit(x).kneighbors(return_distance=False)
    expected = np.zeros((700, 700), dtype=bool)
    np.put_along_axis(expected, near[:, :5], True, axis=1)
    both = expected & expected.T if mutual else expected | expected.T
    graph = whole(rrl.knn(5, space="x", metric=metric, mutual=mutual), data(x))
    np.testing.assert_array_equal(graph, both)


def test_among_equally_near_samples_the_smaller_come_first():
    graph = whole("knn(3, space=x)", data(np.ones((200, 4))))
    assert graph[0].all() ^ True  # not its own neighbor
    assert graph[:, :3].sum() == 3 * 200 - 3
    assert not graph[4:, 4:].any()


def test_more_equally_near_samples_than_are_looked_at_first():
    # 100 at one place, beyond the candidates that the search proposes
    x = np.concatenate([np.zeros((100, 3)), np.random.default_rng(0).standard_normal((50, 3))])
    order = np.random.default_rng(1).permutation(150)
    graph = whole("knn(2, space=x, metric=euclidean)", data(x[order]))
    at_nought = np.flatnonzero((x[order] == 0).all(axis=1))
    first, second, third = at_nought[:3]
    assert graph[at_nought[3:]][:, [first, second]].all()
    assert graph[first, [second, third]].all()


def test_neighbors_far_from_the_origin():
    x = 1e7 + np.random.default_rng(0).standard_normal((300, 5))
    near = np.argsort(cdist(x, x) + np.diag(np.full(300, np.inf)), axis=1)[:, :4]
    expected = np.zeros((300, 300), dtype=bool)
    np.put_along_axis(expected, near, True, axis=1)
    graph = whole("knn(4, space=x, metric=euclidean)", data(x))
    np.testing.assert_array_equal(graph, expected | expected.T)


def test_missing_vector_has_no_neighbors_and_is_none():
    x = np.random.default_rng(0).standard_normal((20, 3))
    x[[3, 7], 1] = np.nan
    graph = whole("knn(4, space=x)", data(x))
    assert not graph[[3, 7]].any()
    assert graph[0].sum() >= 4


def test_more_neighbors_than_there_are_samples():
    assert whole("knn(50, space=x)", data(np.eye(4))).sum() == 12
    assert not whole("knn(50, space=x)", data(np.eye(1))).any()


def test_order_of_the_data_set_does_not_matter():
    x = np.random.default_rng(0).integers(0, 3, (60, 2)).astype(float)
    ids = np.random.default_rng(1).choice(2**62, 60, replace=False)
    order = np.random.default_rng(2).permutation(60)
    batch = data(x, ids)
    for text in ("knn(3, space=x)", "geodesic(x, k=2, within=1)", "similarity(x, kernel=sne)"):
        first = rrl.compile(text).bind(data(x, ids))(batch)
        other = rrl.compile(text).bind(data(x[order], ids[order]))(batch)
        torch.testing.assert_close(first, other, rtol=0, atol=0)


def test_neighbors_are_those_of_the_data_set_and_not_of_the_batch():
    x = np.arange(100.0)[:, None]
    program = rrl.compile("knn(1, space=x, metric=euclidean)").bind(data(x))
    part = rrl.Nodes([0, 50, 99], fields={"x": x[[0, 50, 99]]})
    assert not program(part).any()


def test_rows_that_the_data_set_lacks_are_rrl421():
    program = rrl.compile("knn(1, space=x)").bind(data(np.eye(4)))
    strange = rrl.Nodes([1, 77], fields={"x": np.eye(2)})
    only = error_of(lambda: program(strange))
    assert (only.code, only.message) == (
        "RRL421",
        "the dataset to which the recipe is bound has no sample 77",
    )


@pytest.mark.parametrize("text", ["knn(1, space=x)", "geodesic(x, 1, 1)", "similarity(x, sne)"])
def test_recipe_over_the_data_set_must_be_bound(text: str):
    program = rrl.compile(text)
    assert program.requires.bound
    assert program.requires.vectors == ("x",)
    assert error_of(lambda: program(data(np.eye(3)))).code == "RRL403"


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", ["normal", "ties", "clusters", "far", "huge"])
def test_candidates_of_faiss_give_the_exact_neighbors(kind: str, metric: str, monkeypatch):
    pytest.importorskip("faiss")
    random = np.random.default_rng(0)
    x = random.standard_normal((300, 5))
    match kind:
        case "ties":
            x = random.integers(0, 2, (300, 4)).astype(float)
        case "clusters":  # whose distances float32 cannot tell apart
            x = x[:3].repeat(100, axis=0) + 1e-9 * x
        case "far":
            x[0] = 1e9
        case "huge":
            x *= 1e100
    expected = ranked_neighbors(x, 7, metric)
    monkeypatch.setenv("RRL_DSL_NEIGHBORS", "faiss")
    search, used = neighbor_candidates._of_faiss, []
    monkeypatch.setattr(
        neighbor_candidates, "_of_faiss", lambda *given: used.append(given) or search(*given)
    )
    neighbors, _ = neighbor_search.k_nearest(x, 7, metric)
    assert len(used) == 1
    if kind in ("ties", "normal", "huge"):
        np.testing.assert_array_equal(neighbors, expected)
    monkeypatch.setenv("RRL_DSL_NEIGHBORS", "scikit-learn")
    np.testing.assert_array_equal(neighbors, neighbor_search.k_nearest(x, 7, metric)[0])


def ranked_neighbors(x: np.ndarray, k: int, metric: str) -> np.ndarray:
    """The k nearest of each row by all distances, ties to the smaller; the row is not its own."""
    distance = np.linalg.norm(x[:, None] - x, axis=2) / np.abs(x).max()
    if metric == "cosine":
        unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        distance = 1 - unit @ unit.T
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance.round(12), axis=1, kind="stable")[:, :k]


def test_faiss_that_is_asked_for_and_missing_is_rrl502(monkeypatch):
    monkeypatch.setattr(neighbor_candidates, "find_spec", lambda _: None)
    monkeypatch.setenv("RRL_DSL_NEIGHBORS", "faiss")
    only = error_of(lambda: whole("knn(3, space=x)", data(np.eye(20))))
    assert (only.code, only.message) == (
        "RRL502",
        "RRL_DSL_NEIGHBORS is `faiss`, which is not installed",
    )
    assert only.hint == "install it with `pip install 'rrl-dsl[faiss]'`"
    monkeypatch.setenv("RRL_DSL_NEIGHBORS", "fais")
    only = error_of(lambda: whole("knn(3, space=x)", data(np.eye(20))))
    assert (only.code, only.hint) == ("RRL502", "did you mean `faiss`?")


def test_graphs_over_a_data_set_are_kept_on_disk(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path))
    monkeypatch.setattr(neighbor_search, "_WORTH_KEEPING", 10)
    x = np.random.default_rng(0).standard_normal((50, 3))
    first = whole("knn(3, space=x)", data(x))
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.neighbors.NearestNeighbors.fit", None)  # is not called again
        np.testing.assert_array_equal(whole("knn(3, space=x)", data(x)), first)
        with pytest.raises(TypeError):
            whole("knn(3, space=x)", data(x + 1e-9))
        patch.setattr(neighbor_search, "_FORMAT", 10**6)  # another release finds anew
        with pytest.raises(TypeError):
            whole("knn(3, space=x)", data(x))
    assert {path.name for path in tmp_path.iterdir()} >= {"lookups-1000000"}


def test_folder_that_cannot_be_written_is_rrl507_before_any_search(tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(neighbor_search, "_WORTH_KEEPING", 10)
    monkeypatch.setattr("sklearn.neighbors.NearestNeighbors.fit", None)
    only = error_of(lambda: whole("knn(3, space=x)", data(np.eye(20))))
    assert only.code == "RRL507"
    assert only.message.startswith("the cache folder `")
    assert only.hint == "set RRL_DSL_CACHE to a writable folder"


@pytest.mark.parametrize(
    "text",
    [
        "knn(3, space=x)",
        "geodesic(x, k=3, within=1)",
        "similarity(x, kernel=sne, perplexity=4)",
    ],
)
def test_cached_lookups_equal_new_ones(tmp_path: Path, monkeypatch, text: str):
    x = np.random.default_rng(0).standard_normal((50, 3))
    expected = whole(text, data(x))
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path))
    monkeypatch.setattr(neighbor_search, "_WORTH_KEEPING", 10)
    np.testing.assert_array_equal(whole(text, data(x)), expected)
    for module, name in (
        (neighbor_search, "k_nearest"),
        (geodesic_paths, "joined_by_paths"),
        (sne_gaussians, "_all_gaussians"),
    ):
        monkeypatch.setattr(getattr(module, name), "__code__", _fails.__code__)
    np.testing.assert_array_equal(whole(text, data(x)), expected)


def _fails(*_: object) -> tuple:
    raise AssertionError("it was kept")


@pytest.mark.parametrize("k", [20, 10**9])
@pytest.mark.parametrize("text", ["knn({}, space=x)", "geodesic(x, k={}, within=2)"])
def test_more_neighbors_than_there_are_are_all_there_are(text: str, k: int):
    x = np.random.default_rng(0).standard_normal((12, 3))
    graph = whole(text.format(k), data(x))
    np.testing.assert_array_equal(graph, whole(text.format(11), data(x)))


# paths


@pytest.mark.parametrize("within", [0.0, 0.8, 2.5])
def test_paths_are_those_of_isomap(within: float):
    x = np.random.default_rng(3).standard_normal((120, 3))
    steps = kneighbors_graph(x, 4, mode="distance")
    lengths = shortest_path(steps, directed=False)
    graph = whole(rrl.geodesic("x", k=4, within=within), data(x))
    np.testing.assert_array_equal(graph, lengths <= within)


@pytest.mark.parametrize("seed", range(6))
def test_path_is_as_long_there_as_back(seed: int):
    chance = np.random.default_rng(seed)
    line = np.arange(12)[:, None] * 0.1  # sums of tenths differ by the order of their terms
    x = chance.permutation(line) if seed % 2 else chance.integers(0, 9, (60, 2)) * 0.1
    for within in [*(0.1 * np.arange(1, 9)), *np.round(0.1 * np.arange(1, 9), 1)]:
        graph = rrl.geodesic("x", k=3, within=float(within))
        weights = whole(graph, data(x))
        np.testing.assert_array_equal(weights, weights.T)
        rows = Rows(np.arange(len(x)), np.zeros(len(x), dtype=int), {}, {"x": x})
        np.testing.assert_array_equal(weights, evaluate(graph, rows, dataset=rows) > 0)


def test_steps_of_paths_are_whole_numbers_whose_sums_are_exact():
    distances = np.abs(np.random.default_rng(0).standard_normal(1000))
    for within in (0.0, 1e-9, 0.3, 1.0, 1e9):
        lengths, longest = geodesic_paths.path_lengths(np.append(distances, np.inf), within)
        np.testing.assert_array_equal(lengths, np.floor(lengths))
        assert longest == math.floor(longest)
        reached = lengths[:-1] <= longest
        np.testing.assert_array_equal(reached, distances <= within)
        assert lengths[:-1][reached].sum() < 2.0**53
        assert lengths[-1] > longest


def test_path_that_is_too_long_by_rounding_alone_is_not_too_long():
    graph = whole("geodesic(x, k=2, within=0.6)", data(np.arange(12)[:, None] * 0.1))
    apart = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    np.testing.assert_array_equal(graph, apart <= 6)


def test_paths_of_length_nought_and_missing_vectors():
    x = np.array([[0.0, 0], [0, 0], [1, 0], [np.nan, 0]])
    graph = whole("geodesic(x, k=2, within=0)", data(x))
    expected = np.zeros((4, 4), dtype=bool)
    expected[:2, :2] = expected[2, 2] = True
    np.testing.assert_array_equal(graph, expected)


def test_two_views_of_one_sample_are_at_distance_nought():
    x = np.array([[0.0], [5]])
    program = rrl.compile("geodesic(x, k=1, within=1)").bind(data(x))
    rows = rrl.Nodes([0, 0, 1], [0, 1, 0], fields={"x": x[[0, 0, 1]]})
    assert program(rows).tolist() == [
        [True, True, False],
        [True, True, False],
        [False, False, True],
    ]
