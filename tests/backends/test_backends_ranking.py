"""Nearest rows, heaviest edges and components, against slow and plain ways to find them."""

import itertools

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.backends import arrays, tensors
from rrl_dsl.backends.dense import universe
from rrl_dsl.graph.builtins.closure import Components

MODEST = settings(max_examples=60, deadline=None, derandomize=True, database=None)

matrices = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.sampled_from([0.0, 1.0, 1.0, 2.0, np.inf]),
)


@MODEST
@given(matrices, st.integers(1, 12))
def test_smallest_takes_the_first_of_equal_values_and_no_infinite_one(values: np.ndarray, k: int):
    smallest = tensors.smallest(torch.from_numpy(values), k)
    assert smallest.shape == (len(values), min(k, values.shape[1]))
    assert np.array_equal(np.sort(arrays.smallest(values, k)), np.sort(smallest))
    for row, list_ in zip(values, smallest.tolist(), strict=True):
        order = [int(at) for at in np.argsort(row, kind="stable") if np.isfinite(row[at])][:k]
        assert sorted(order) == sorted(at for at in list_ if at >= 0)


@pytest.mark.parametrize("text", ["knn({})", "similarity(x) | topk({})"])
def test_more_than_there_are_rows_is_all_of_them_and_as_soon(text: str):
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    rows, spaces = rrl.Nodes(torch.arange(12), fields={"x": x}), {"projection": x}
    program = rrl.compile(text.format(2**31 - 1))
    prepared = program._prepare(rows, rows, spaces, 0, 0, 144)
    assert max(column.shape[-1] for column in prepared.rows if column.ndim == 2) <= 12
    few = rrl.compile(text.format(12))(rows, spaces=spaces)
    assert torch.equal(program(rows, spaces=spaces), few)


def components_of(graph: nx.Graph) -> list[set[int]]:
    edges = torch.from_numpy(nx.to_numpy_array(graph))
    nodes = rrl.Nodes(np.arange(len(graph)))
    batch = universe(nodes, nodes, {}).batch(lambda instruction, rows: edges[rows], ())
    components = Components((0,)).find(tensors, batch)
    return [
        set(np.flatnonzero(components.numpy() == component))
        for component in components.unique().tolist()
    ]


@pytest.mark.parametrize("rows", [1, 2, 3, 17, 600])
def test_components_of_paths_however_their_rows_are_numbered(rows: int):
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(rows)
        path = nx.Graph()
        path.add_nodes_from(range(rows))
        path.add_edges_from(itertools.pairwise(order))
        assert components_of(path) == [set(range(rows))]


def test_components_of_a_path_that_joins_one_tree_a_round():
    # stars whose centers have the largest numbers, hung one on the next by their leaves
    graph = nx.empty_graph(72)
    for level in range(8):
        nx.add_star(graph, [71 - level, *range(level * 8, level * 8 + 8)])
        graph.add_edge(level * 8, max(0, level * 8 - 1))
    assert components_of(graph) == [set(range(72))]


@MODEST
@given(st.integers(1, 40), st.floats(0, 0.2), st.integers(0, 1000))
def test_components_of_random_graphs(rows: int, p: float, seed: int):
    graph = nx.gnp_random_graph(rows, p, seed=seed)
    assert components_of(graph) == sorted(map(set, nx.connected_components(graph)), key=min)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbors_of_more_rows_than_a_tile_holds(metric: str):
    from sklearn.neighbors import NearestNeighbors

    z = np.random.default_rng(0).standard_normal((1500, 8))
    graph = rrl.compile(rrl.knn(4, metric=metric))(
        rrl.Nodes(np.arange(1500)), spaces={"projection": torch.from_numpy(z)}
    )
    near = NearestNeighbors(n_neighbors=5, metric=metric).fit(z).kneighbors(return_distance=False)
    expected = np.zeros((1500, 1500), dtype=bool)
    np.put_along_axis(expected, near[:, :4], True, axis=1)
    np.testing.assert_array_equal(graph.numpy(), expected | expected.T)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("rows", "width"), [(33, 384), (301, 67), (1000, 500)])
def test_equal_vectors_are_equally_far_at_every_place_in_a_product(
    metric: str, rows: int, width: int
):
    chance = np.random.default_rng(1)
    distinct = F.normalize(torch.from_numpy(chance.standard_normal((3, width))), dim=1)
    of = torch.from_numpy(chance.integers(0, 3, rows))
    distance = tensors.ranked_distance(distinct[of], distinct[of], metric)
    for i, j in itertools.product(range(3), repeat=2):
        assert len(distance[of == i][:, of == j].unique()) == 1


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_distances_are_the_same_numbers_in_numpy(metric: str):
    z = F.normalize(torch.from_numpy(np.random.default_rng(2).standard_normal((40, 6))), dim=1)
    expected = tensors.ranked_distance(z, z, metric).numpy()
    np.testing.assert_allclose(arrays.ranked_distance(z.numpy(), z.numpy(), metric), expected)


def test_a_repeated_row_counts_once_among_the_heaviest():
    nodes = rrl.Nodes([0, 1, 1, 1, 2], fields={"x": [[1.0, 0], [1, 0], [1, 0], [1, 0], [0, 1]]})
    graph = rrl.compile("(similarity(x) | drop_self() | topk(2)) | threshold(0)")(nodes)
    assert graph[0].tolist() == [False, True, True, True, False]
    both = rrl.compile("similarity(x, kernel=exp) | drop_self() | topk(2, mutual=true)")(nodes) > 0
    assert both[0].tolist() == [False, True, True, True, True], "not one row three times"


def test_a_repeated_row_counts_once_among_the_nearest():
    nodes = rrl.Nodes([0, 1, 1, 1, 2])
    z = torch.tensor([[1.0, 0], [1, 0], [1, 0], [1, 0], [0, 1]])
    graph = rrl.compile("knn(2)")(nodes, spaces={"projection": z})
    assert graph[0].tolist() == [False, True, True, True, True]


def test_first_of_two_rows_with_one_identity_lends_its_embedding():
    rows, bank = rrl.Nodes([0, 1]), rrl.Nodes([0, 1, 1, 5])
    z, old = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([[1.0, 0], [0, 1], [1, 0], [1, 0.1]])
    program = rrl.compile("knn(1, bank=2)")
    relation = program.relate(rows, bank, spaces={"projection": (z, old)})
    assert relation.weights.tolist() == [[False, False, False, True], [False, False, False, True]]


@pytest.mark.parametrize("text", ["knn(3)", "ssl() | topk(2)", "ssl() | closure()"])
def test_no_rows_give_an_empty_graph(text: str):
    none = torch.empty(0, 4)
    graph = rrl.compile(text)(rrl.Nodes(np.zeros(0, np.int64)), spaces={"projection": none})
    assert graph.shape == (0, 0)


def test_neither_a_row_nor_the_view_it_asks_for_takes_one_of_the_places():
    rows = rrl.Nodes([0, 0, 1, 1], [0, 1, 0, 1])
    z = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    lists = [3, 3, 1, 1]  # of rows 1, 0, 3 and 2, in the other sample
    near = torch.zeros(4, 4, dtype=torch.bool).scatter_(1, torch.tensor(lists)[:, None], True)
    graph = rrl.compile("knn(1, query=other)")(rows, spaces={"projection": z})
    assert torch.equal(graph, near | near.T)
