from dataclasses import replace

import numpy as np
import pytest

from rrl_dsl.show.sample import GraphSample, Run, percent
from rrl_dsl.show.tiles import mostly_false, tiles


def test_statistics_agree_with_hand_values(small: GraphSample) -> None:
    assert small.degree.tolist() == [2, 1, 2, 2, 1]
    assert small.edges == 4
    assert small.density == 8 / 20
    assert small.isolated == 0
    assert small.false_share == 1 / 4
    assert small.density_within == 4 / 4
    assert small.density_between == 2 / 8
    assert not small.weighted


def test_the_diagonal_counts_nowhere(small: GraphSample) -> None:
    weights = small.weights.copy()
    np.fill_diagonal(weights, 0)
    assert replace(small, weights=weights).summary == small.summary
    assert not small.false_relations.diagonal().any()


def test_summary(small: GraphSample) -> None:
    assert small.summary == (
        "5 rows · 4 edges · density 40% · mean degree 1.6 · isolated 0% · false 25%"
    )


def test_statistics_of_a_graph_without_edges(blank: GraphSample) -> None:
    assert (blank.edges, blank.density, blank.isolated) == (0, 0, 1)
    assert blank.false_share is None
    assert "false" not in blank.summary
    assert replace(blank, false_edges=np.ones((6, 6), dtype=bool)).false_share == 0


def test_an_edge_that_leads_both_ways_or_one_is_one_edge(blank: GraphSample) -> None:
    weights = np.zeros((6, 6))
    weights[[0, 1, 2], [1, 0, 5]] = 1
    directed = replace(blank, weights=weights)
    assert directed.edges == 2
    assert directed.degree.tolist() == [1, 1, 1, 0, 0, 0]


def test_statistics_of_a_single_row() -> None:
    row = np.array([0])
    alone = GraphSample(np.ones((1, 1)), row, ("x",), row, "", "")
    assert (alone.density, alone.isolated, alone.density_within) == (0, 1, None)
    assert alone.summary.startswith("1 row · 0 edges")


def test_degree_and_density_of_a_weighted_graph(blank: GraphSample) -> None:
    weights = np.zeros((6, 6))
    weights[0, 1] = weights[1, 0] = 0.25
    weights[1, 2] = weights[2, 1] = 2.0
    soft = replace(blank, weights=weights)
    assert soft.weighted
    assert soft.degree.tolist() == [0.25, 2.25, 2.0, 0, 0, 0]
    assert soft.edges == 2
    assert soft.isolated == 0.5


def test_by_group_is_stable_and_puts_unknown_rows_last(small: GraphSample) -> None:
    ordered = small.by_group()
    assert ordered.group.tolist() == [0, 0, 1, 1, -1]
    assert ordered.view.tolist() == [0, 1, 0, 1, 0]
    order = [1, 3, 0, 2, 4]
    assert (ordered.weights == small.weights[order][:, order]).all()
    assert np.argwhere(ordered.false_relations).tolist() == [[1, 3], [3, 1]]
    assert ordered.runs() == [Run(0, 0, 2), Run(1, 2, 4), Run(-1, 4, 5)]
    assert [ordered.name_of(run.group) for run in ordered.runs()] == ["ant", "bee", "unknown"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"weights": np.zeros((5, 4))}, "weights must be"),
        ({"weights": np.zeros((0, 0))}, "weights must be"),
        ({"weights": -np.ones((5, 5))}, "nonnegative"),
        ({"weights": np.full((5, 5), np.nan)}, "finite"),
        ({"group": np.array([0, 1])}, "group must be"),
        ({"group": np.array([0, 1, 2, 0, 0])}, "2 names"),
        ({"group": np.array([0, 1, -2, 0, 0])}, "2 names"),
        ({"view": np.array([0])}, "view must be"),
        ({"false_edges": np.zeros((4, 4), dtype=bool)}, "false_edges must be"),
    ],
)
def test_invalid_samples_are_refused(
    small: GraphSample, change: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(small, **change)


def test_percent_keeps_small_shares() -> None:
    assert [percent(share) for share in (1, 0.5284, 0.000977, 0)] == [
        "100%",
        "52.8%",
        "0.0977%",
        "0%",
    ]


def test_tiles_keep_every_cell_and_fill_with_zeros() -> None:
    matrix = np.arange(1, 10).reshape(3, 3)
    cut = tiles(matrix, 2, 2)
    assert cut.tolist() == [[[1, 2, 4, 5], [3, 0, 6, 0]], [[7, 8, 0, 0], [9, 0, 0, 0]]]


def test_a_tile_is_false_when_half_of_its_edges_are() -> None:
    edges = np.array([[True, True], [True, True], [False, False], [True, False]])
    false = np.array([[True, False], [False, False], [False, False], [True, False]])
    assert mostly_false(false, edges).tolist() == [True, False, False, True]
