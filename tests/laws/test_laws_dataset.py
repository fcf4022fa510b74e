"""The graph over a batch is a submatrix of the graph over the whole dataset.

program(batch)[i, j] == dataset_graph[row_i, row_j]
"""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import (
    IDS,
    datasets,
    nodes_of,
    reference_rows_of,
    settings_of_a_run,
    suits,
    views_of,
)
from random_recipes import Recipe, graph_of, recipes

import rrl_dsl as rrl
from rrl_dsl.backends import reference

MODEST = settings(max_examples=50, deadline=None, derandomize=True, database=None)


@st.composite
def selections(draw: st.DrawFn, rows: int) -> list[int]:
    """Positions of a dataset's rows: any order, any number, some of them twice."""
    return draw(st.lists(st.integers(0, rows - 1), min_size=1, max_size=9))


def bound(recipe: Recipe, dataset: list[Row], seed: int) -> rrl.Program:
    assume(suits(recipe, dataset))
    return rrl.compile(graph_of(recipe), seed=seed).bind(nodes_of(dataset))


def whole_graph(recipe: Recipe, dataset: list[Row], run: dict[str, int]) -> np.ndarray:
    """The graph over three views of every sample, by the reference."""
    rows = reference_rows_of(views_of(dataset, views=3))
    return reference.evaluate(graph_of(recipe), rows, **run, dataset=reference_rows_of(dataset))


def check(weights: torch.Tensor, expected: np.ndarray) -> None:
    """Edges and draws bit for bit; weights of kernels but for their last bit."""
    assert weights.shape == expected.shape
    if weights.dtype == torch.bool:
        np.testing.assert_array_equal(weights.numpy(), expected == 1)
    else:
        np.testing.assert_allclose(weights.numpy(), expected, rtol=2e-7)


@MODEST
@given(st.data(), recipes(bound=True), datasets(), settings_of_a_run)
def test_batch_is_a_sub_matrix_of_the_graph_over_the_data_set(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]
):
    program = bound(recipe, dataset, run["seed"])
    everything, whole = views_of(dataset, views=3), whole_graph(recipe, dataset, run)
    chosen = data.draw(selections(len(everything)))
    batch = nodes_of([everything[at] for at in chosen])
    weights = program(batch, epoch=run["epoch"], step=run["step"])
    check(weights, whole[np.ix_(chosen, chosen)])


@MODEST
@given(st.data(), recipes(bound=True), datasets(), settings_of_a_run)
def test_rows_by_other_columns_are_a_sub_matrix_too(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]
):
    program = bound(recipe, dataset, run["seed"])
    everything, whole = views_of(dataset, views=3), whole_graph(recipe, dataset, run)
    chosen = data.draw(selections(len(everything)))
    columns = data.draw(selections(len(everything)))
    relation = program.relate(
        nodes_of([everything[at] for at in chosen]),
        nodes_of([everything[at] for at in columns]),
        epoch=run["epoch"],
        step=run["step"],
    )
    check(relation.weights, whole[np.ix_(chosen, columns)])


@MODEST
@given(st.data(), recipes(), datasets())
def test_matrix_built_in_bands_is_the_matrix_built_at_once(
    data: st.DataObject, recipe: Recipe, dataset: list[Row]
):
    program = rrl.compile(graph_of(recipe), seed=2**40)
    rows = nodes_of(views_of(dataset, views=3))
    cut = data.draw(st.integers(0, len(rows)))
    bands = [
        program.relate(band, rows).weights.numpy() for band in (rows[:cut], rows[slice(cut, None)])
    ]
    np.testing.assert_array_equal(np.concatenate(bands), program(rows).numpy())


@MODEST
@given(st.randoms(use_true_random=False), recipes(), datasets())
def test_order_of_a_batch_does_not_matter(chance: object, recipe: Recipe, dataset: list[Row]):
    program = rrl.compile(graph_of(recipe), seed=1)
    rows = views_of(dataset)
    order = list(range(len(rows)))
    chance.shuffle(order)
    whole = program(nodes_of(rows)).numpy()
    shuffled = program(nodes_of([rows[at] for at in order])).numpy()
    np.testing.assert_array_equal(shuffled, whole[np.ix_(order, order)])


@MODEST
@given(recipes(), datasets())
def test_a_repeated_row_is_the_same_row(recipe: Recipe, dataset: list[Row]):
    program = rrl.compile(graph_of(recipe), seed=1)
    rows = views_of(dataset)
    once = program(nodes_of(rows)).numpy()
    twice = program(nodes_of([*rows, *rows])).numpy()
    np.testing.assert_array_equal(twice, np.tile(once, (2, 2)))


@pytest.mark.parametrize("text", ["self()", "~self()", "random(0.3)", "cross_view()", "ssl()"])
def test_duplicate_counts_as_self(text: str):
    rows = rrl.Nodes([7, 7, 7, 9], view=[1, 1, 0, 1])
    weights = rrl.compile(text)(rows).numpy()
    assert (weights[0] == weights[1]).all()
    assert weights[0, 1] == weights[0, 0]
    expected = {"self()": True, "~self()": False, "random(0.3)": True, "cross_view()": False}
    assert weights[0, 1] == expected.get(text, True)


@pytest.mark.parametrize(
    "text", ["supervised(frac=0.5)", "random(0.5)", "none() | corrupt(fpr=.5)"]
)
def test_ids_that_differ_in_their_high_word_alone_draw_apart(text: str):
    ids = [2 + (high << 32) for high in range(40)]
    rows = rrl.Nodes(ids, labels={"label": [0] * 40})
    weights = rrl.compile(text)(rows).numpy()
    upper = weights[np.triu_indices(40, 1)]
    assert 0.1 < upper.mean() < 0.9


def test_views_of_a_sample_share_its_draws_and_its_labels():
    program = rrl.compile("supervised(frac=0.5) | corrupt(tpr=0.5, fpr=0.5)", seed=3)
    rows = [Row(sample, view, {"fine": 0, "coarse": 0}) for sample in IDS for view in (0, 1)]
    nodes = rrl.Nodes(
        [row.sample for row in rows], [row.view for row in rows], {"label": [0] * len(rows)}
    )
    weights = program(nodes).numpy()
    first, second = weights[::2, ::2], weights[1::2, 1::2]
    apart = ~np.eye(len(IDS), dtype=bool)
    np.testing.assert_array_equal(first[apart], second[apart])
    np.testing.assert_array_equal(first[apart], weights[::2, 1::2][apart])
