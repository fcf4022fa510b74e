"""What a program finds once over the whole data set: pairs, neighbours, paths, affinities."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors, kneighbors_graph

import rrl_dsl as rrl
from rrl_dsl.backends import neighbours
from rrl_dsl.backends.reference import Rows, evaluate


def data(x: np.ndarray, ids: np.ndarray | None = None) -> rrl.Nodes:
    ids = np.arange(len(x)) if ids is None else ids
    return rrl.Nodes(ids, labels={"label": ids % 3}, fields={"x": x})


def whole(recipe: str | rrl.Graph, dataset: rrl.Nodes) -> np.ndarray:
    return rrl.compile(recipe).bind(dataset)(dataset).numpy()


def error_of(ask) -> object:
    with pytest.raises(rrl.RRLError) as caught:
        ask()
    return caught.value.diagnostics[0]


# neighbours


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("mutual", [False, True])
def test_neighbours_over_a_data_set_are_those_of_scikit_learn(metric: str, mutual: bool):
    x = np.random.default_rng(0).standard_normal((700, 6))
    near = NearestNeighbors(n_neighbors=6, metric=metric).fit(x).kneighbors(return_distance=False)
    expected = np.zeros((700, 700), dtype=bool)
    np.put_along_axis(expected, near[:, :5], True, axis=1)
    both = expected & expected.T if mutual else expected | expected.T
    found = whole(rrl.knn(5, space="x", metric=metric, mutual=mutual), data(x))
    np.testing.assert_array_equal(found, both)


def test_among_equally_near_samples_the_smaller_come_first():
    found = whole("knn(3, space=x)", data(np.ones((200, 4))))
    assert found[0].all() ^ True  # not its own neighbour
    assert found[:, :3].sum() == 3 * 200 - 3
    assert not found[4:, 4:].any()


def test_more_equally_near_samples_than_are_looked_at_first():
    # 100 at one place, beyond the candidates that the search proposes
    x = np.concatenate([np.zeros((100, 3)), np.random.default_rng(0).standard_normal((50, 3))])
    order = np.random.default_rng(1).permutation(150)
    found = whole("knn(2, space=x, metric=euclidean)", data(x[order]))
    at_nought = np.flatnonzero((x[order] == 0).all(axis=1))
    first, second, third = at_nought[:3]
    assert found[at_nought[3:]][:, [first, second]].all()
    assert found[first, [second, third]].all()


def test_samples_that_lie_far_from_nought_are_told_apart():
    x = 1e7 + np.random.default_rng(0).standard_normal((300, 5))
    near = np.argsort(cdist(x, x) + np.diag(np.full(300, np.inf)), axis=1)[:, :4]
    expected = np.zeros((300, 300), dtype=bool)
    np.put_along_axis(expected, near, True, axis=1)
    found = whole("knn(4, space=x, metric=euclidean)", data(x))
    np.testing.assert_array_equal(found, expected | expected.T)


def test_missing_vector_has_no_neighbours_and_is_none():
    x = np.random.default_rng(0).standard_normal((20, 3))
    x[[3, 7], 1] = np.nan
    found = whole("knn(4, space=x)", data(x))
    assert not found[[3, 7]].any()
    assert found[0].sum() >= 4


def test_more_neighbours_than_there_are_samples():
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


def test_neighbours_are_those_of_the_data_set_and_not_of_the_batch():
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
        "the data set that the recipe is bound to has no sample 77",
    )


@pytest.mark.parametrize("text", ["knn(1, space=x)", "geodesic(x, 1, 1)", "similarity(x, sne)"])
def test_recipe_over_the_data_set_must_be_bound(text: str):
    program = rrl.compile(text)
    assert program.requires.bound
    assert program.requires.vectors == ("x",)
    assert error_of(lambda: program(data(np.eye(3)))).code == "RRL403"


def test_graphs_over_a_data_set_are_kept_on_disk(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path))
    monkeypatch.setattr(neighbours, "_WORTH_KEEPING", 10)
    x = np.random.default_rng(0).standard_normal((50, 3))
    first = whole("knn(3, space=x)", data(x))
    with monkeypatch.context() as patch:
        patch.setattr("sklearn.neighbors.NearestNeighbors.fit", None)  # is not called again
        np.testing.assert_array_equal(whole("knn(3, space=x)", data(x)), first)
        with pytest.raises(TypeError):
            whole("knn(3, space=x)", data(x + 1e-9))
        patch.setattr(neighbours, "_FORMAT", 10**6)  # another release finds anew
        with pytest.raises(TypeError):
            whole("knn(3, space=x)", data(x))
    assert {each.name for each in tmp_path.iterdir()} >= {"lookups-1000000"}


def test_folder_that_cannot_be_written_is_rrl507_before_any_search(tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(neighbours, "_WORTH_KEEPING", 10)
    monkeypatch.setattr("sklearn.neighbors.NearestNeighbors.fit", None)
    only = error_of(lambda: whole("knn(3, space=x)", data(np.eye(20))))
    assert only.code == "RRL507"
    assert only.message.startswith("what is found of a data set is kept in `")
    assert only.hint == "set RRL_DSL_CACHE to a folder that can"


@pytest.mark.parametrize(
    "text",
    [
        "knn(3, space=x)",
        "geodesic(x, k=3, within=1)",
        "similarity(x, kernel=sne, perplexity=4)",
    ],
)
def test_what_is_kept_is_what_was_found(tmp_path: Path, monkeypatch, text: str):
    x = np.random.default_rng(0).standard_normal((50, 3))
    expected = whole(text, data(x))
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path))
    monkeypatch.setattr(neighbours, "_WORTH_KEEPING", 10)
    np.testing.assert_array_equal(whole(text, data(x)), expected)
    for name in ("k_nearest", "_geodesic", "_gaussians"):
        monkeypatch.setattr(f"rrl_dsl.backends.neighbours.{name}.__code__", _fails.__code__)
    np.testing.assert_array_equal(whole(text, data(x)), expected)


def _fails(*_: object) -> tuple:
    raise AssertionError("it was kept")


@pytest.mark.parametrize("k", [20, 10**9])
@pytest.mark.parametrize("text", ["knn({}, space=x)", "geodesic(x, k={}, within=2)"])
def test_more_neighbours_than_there_are_are_all_there_are(text: str, k: int):
    x = np.random.default_rng(0).standard_normal((12, 3))
    found = whole(text.format(k), data(x))
    np.testing.assert_array_equal(found, whole(text.format(11), data(x)))


# paths


@pytest.mark.parametrize("within", [0.0, 0.8, 2.5])
def test_paths_are_those_of_isomap(within: float):
    x = np.random.default_rng(3).standard_normal((120, 3))
    steps = kneighbors_graph(x, 4, mode="distance")
    lengths = shortest_path(steps, directed=False)
    found = whole(rrl.geodesic("x", k=4, within=within), data(x))
    np.testing.assert_array_equal(found, lengths <= within)


@pytest.mark.parametrize("seed", range(6))
def test_path_is_as_long_there_as_back(seed: int):
    chance = np.random.default_rng(seed)
    line = np.arange(12)[:, None] * 0.1  # sums of tenths differ by the order of their terms
    x = chance.permutation(line) if seed % 2 else chance.integers(0, 9, (60, 2)) * 0.1
    for within in [*(0.1 * np.arange(1, 9)), *np.round(0.1 * np.arange(1, 9), 1)]:
        graph = rrl.geodesic("x", k=3, within=float(within))
        found = whole(graph, data(x))
        np.testing.assert_array_equal(found, found.T)
        rows = Rows(np.arange(len(x)), np.zeros(len(x), dtype=int), {}, {"x": x})
        np.testing.assert_array_equal(found, evaluate(graph, rows, dataset=rows) > 0)


def test_steps_of_paths_are_whole_numbers_whose_sums_are_exact():
    distances = np.abs(np.random.default_rng(0).standard_normal(1000))
    for within in (0.0, 1e-9, 0.3, 1.0, 1e9):
        lengths, longest = neighbours.path_lengths(np.append(distances, np.inf), within)
        np.testing.assert_array_equal(lengths, np.floor(lengths))
        assert longest == math.floor(longest)
        reached = lengths[:-1] <= longest
        np.testing.assert_array_equal(reached, distances <= within)
        assert lengths[:-1][reached].sum() < 2.0**53
        assert lengths[-1] > longest


def test_path_that_is_too_long_by_rounding_alone_is_not_too_long():
    found = whole("geodesic(x, k=2, within=0.6)", data(np.arange(12)[:, None] * 0.1))
    apart = np.abs(np.subtract.outer(np.arange(12), np.arange(12)))
    np.testing.assert_array_equal(found, apart <= 6)


def test_paths_of_length_nought_and_missing_vectors():
    x = np.array([[0.0, 0], [0, 0], [1, 0], [np.nan, 0]])
    found = whole("geodesic(x, k=2, within=0)", data(x))
    expected = np.zeros((4, 4), dtype=bool)
    expected[:2, :2] = expected[2, 2] = True
    np.testing.assert_array_equal(found, expected)


def test_two_views_of_one_sample_are_at_distance_nought():
    x = np.array([[0.0], [5]])
    program = rrl.compile("geodesic(x, k=1, within=1)").bind(data(x))
    rows = rrl.Nodes([0, 0, 1], [0, 1, 0], fields={"x": x[[0, 0, 1]]})
    assert program(rows).tolist() == [
        [True, True, False],
        [True, True, False],
        [False, False, True],
    ]


# affinities


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
    found = whole(rrl.similarity("x", kernel="sne", perplexity=perplexity), data(x))
    np.testing.assert_allclose(found, joint_probabilities(x, perplexity), rtol=1e-5, atol=1e-9)
    assert abs(found.sum() - 1) < 1e-5


def test_affinities_are_those_of_scikit_learn():
    from scipy.spatial.distance import squareform
    from sklearn.manifold._t_sne import _joint_probabilities

    x = np.random.default_rng(6).standard_normal((60, 4))
    peer = squareform(_joint_probabilities(cdist(x, x, "sqeuclidean"), 10.0, 0))
    found = whole("similarity(x, kernel=sne, perplexity=10)", data(x))
    np.testing.assert_allclose(
        found, peer, rtol=1e-3, atol=1e-6
    )  # sklearn stops at 1e-5 of entropy


def test_missing_vectors_and_own_views_have_no_affinity():
    x = np.random.default_rng(7).standard_normal((12, 2))
    x[4] = np.nan
    found = whole("similarity(x, kernel=sne, perplexity=3)", data(x))
    assert not found[4].any()
    assert abs(found.sum() - 1) < 1e-5
    program = rrl.compile("similarity(x, kernel=sne, perplexity=3)").bind(data(x))
    views = rrl.Nodes([1, 1], [0, 1], fields={"x": x[[1, 1]]})
    assert not program(views).any()


def test_perplexity_beyond_the_data_set_is_rrl420():
    program = rrl.compile("similarity(x, kernel=sne, perplexity=30)")
    only = error_of(lambda: program.bind(data(np.eye(20))))
    assert (only.code, only.message, only.hint) == (
        "RRL420",
        "a perplexity of 30 wants more than 20 samples with a vector",
        "lower it, to less than 19",
    )


def sne(x: np.ndarray, perplexity: float) -> np.ndarray:
    return whole(rrl.similarity("x", kernel="sne", perplexity=perplexity), data(x))


def uniform(neighbours: np.ndarray) -> np.ndarray:
    """p_ij where each sample has equal shares of its neighbours, (n, n) bool."""
    given = neighbours / neighbours.sum(axis=1, keepdims=True)
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
def test_affinities_sum_to_one_whatever_the_vectors(seed: int, perplexity: float):
    rng = np.random.default_rng(seed)
    captions = rng.standard_normal((3, 16))[[0] * 15 + [1] * 14 + [2]].astype(np.float32)
    blank = np.where(rng.random((30, 64)) < 0.02, 255.0, 0.0)
    one_hot = np.eye(10)[rng.integers(0, 10, 30)]
    uneven = rng.standard_normal((30, 2)) * 10.0 ** rng.integers(-9, 9, (30, 1))
    for x in (captions, blank, one_hot, uneven, np.arange(30.0)[:, None]):
        found = sne(x.astype(np.float64), perplexity)
        assert abs(found.sum(dtype=np.float64) - 1) < 1e-5
        assert found.max() <= 1 / 30 + 1e-7  # (1 + 1) / 2n
        np.testing.assert_array_equal(found, found.T)


def test_the_perplexity_is_reached_wherever_a_bandwidth_has_it():
    x = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 16.0])[:, None]
    np.testing.assert_allclose(sne(x, 2.5), joint_probabilities(x, 2.5), rtol=1e-6, atol=1e-9)
    # nearly equal samples, whose bandwidth is some 1e-8 of the data's
    x[1] = 1e-8
    x[2] = -2e-8
    assert abs(sne(x, 1.5).sum() - 1) < 1e-6


# pairs


def links(tmp_path: Path, text: str) -> str:
    path = tmp_path / "links.csv"
    path.write_text(text)
    return str(path)


def test_pair_that_stands_twice_has_its_larger_weight(tmp_path: Path):
    file = links(tmp_path, "a,b,weight\n0,1,0.25\n1,0,0.5\n0,1,0.125\n2,0,0\n")
    found = rrl.compile(rrl.pairs(file))(rrl.Nodes([0, 1, 2]))
    assert found.tolist() == [[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_views_of_listed_samples_are_related_and_those_of_one_sample_are_not(tmp_path: Path):
    program = rrl.compile(rrl.pairs(links(tmp_path, "5,7\n")))
    found = program(rrl.Nodes([5, 5, 7], [0, 1, 0]))
    assert found.tolist() == [[True, False, True], [False, True, True], [True, True, True]]


def test_empty_file_of_pairs_but_for_its_header_relates_nothing(tmp_path: Path):
    found = rrl.compile(rrl.pairs(links(tmp_path, "a,b\n")))(rrl.Nodes([0, 1]))
    assert found.tolist() == [[True, False], [False, True]]


def test_pairs_need_no_data_set_and_are_checked_against_one(tmp_path: Path):
    program = rrl.compile(rrl.pairs(links(tmp_path, "a,b\n0,1\n\n1,77\n")))
    assert not program.requires.bound
    assert program(rrl.Nodes([0, 1])).all()
    only = error_of(lambda: program.bind(rrl.Nodes([0, 1])))
    assert only.code == "RRL416"
    assert only.render().splitlines() == [
        "error[RRL416]: the data set has no sample 77",
        f" --> {tmp_path / 'links.csv'}:4:3",
        "  |",
        "4 | 1,77",
        "  |   ^^",
        "  = help: an id is the place of a sample in its data set, or the path of an image",
    ]
    program.bind(rrl.Nodes([0, 1]), others=torch.tensor([77]))


def test_first_pair_of_the_file_that_names_what_is_lacking_is_shown(tmp_path: Path):
    program = rrl.compile(rrl.pairs(links(tmp_path, "a,b\n0,1\n0,99\n98,1\n1,97\n")))
    only = error_of(lambda: program.bind(rrl.Nodes([0, 1])))
    assert only.message == "the data set has no sample 99; 2 more pairs name what it lacks"
    assert only.to_dict()["start"] == {"line": 3, "column": 3}


def test_hundreds_of_pairs_of_one_sample(tmp_path: Path):
    program = rrl.compile(rrl.pairs(links(tmp_path, "".join(f"0,{i}\n" for i in range(1, 900, 2)))))
    found = program(rrl.Nodes(np.arange(1000)))[0].numpy()
    np.testing.assert_array_equal(np.flatnonzero(found), [0, *range(1, 900, 2)])


@pytest.mark.filterwarnings("error")
def test_bandwidths_of_huge_vectors_are_those_of_others_in_their_unit():
    vectors = np.random.default_rng(0).normal(size=(40, 3))
    precision, normaliser, reach = neighbours.affinities(vectors, 5.0).T
    huge = neighbours.affinities(vectors * 2.0**500, 5.0).T
    np.testing.assert_allclose(huge[0], precision * 2.0**-1000, rtol=1e-9)
    np.testing.assert_allclose(huge[1], normaliser, rtol=1e-9)
    assert (huge[2] == reach).all()
