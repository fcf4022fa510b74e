"""Samples of a recipe's graph over a dataset, small or large."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import datasets, reference_rows_of
from random_recipes import Recipe, graph_of, recipes

import rrl_dsl as rrl
from rrl_dsl.backends import reference
from rrl_dsl.data import digits
from rrl_dsl.data.columns import Columns
from rrl_dsl.graph.builtins.geodesic import Geodesic
from rrl_dsl.report.figures import figures_of, in_words
from rrl_dsl.report.sample import sample_of

COLUMNS = digits.columns()
MODEST = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def columns(count: int, width: int = 8) -> Columns:
    x = np.random.default_rng(0).standard_normal((count, width))
    names = {"label": tuple("abcd")}
    return Columns("many", np.arange(count), {"label": np.arange(count) % 4}, names, {"x": x})


def test_sample_is_a_sub_matrix_of_the_graph_over_the_data_set():
    graph = rrl.parse("ssl() | supervised(frac=.5, labels=coarse) | corrupt(fpr=.05)")
    sample = sample_of(graph, COLUMNS, samples=20, seed=3)
    again = reference.evaluate(graph, sample.rows, seed=3)
    np.testing.assert_array_equal(sample.weights, again)
    assert len(sample.rows) == 40
    assert sample.rows.view.tolist() == [0, 1] * 20
    assert set(sample.rows.sample) <= set(COLUMNS.sample)
    assert sample.false is not None
    assert (sample.false <= sample.related).all()


def test_figures_of_a_sample_count_no_row_with_itself():
    sample = sample_of(rrl.ssl(views=3), COLUMNS, samples=10)
    assert (sample.edges_per_row, sample.degree) == (2, 2)
    assert sample.density == pytest.approx(2 / 29)
    assert sample.false_share is None
    assert sample_of(rrl.self(), COLUMNS, samples=10).edges_per_row == 0


def test_more_samples_than_there_are_is_all_of_them():
    assert len(sample_of(rrl.none(), COLUMNS, samples=10**6).rows) == len(COLUMNS.sample)


@MODEST
@given(recipes(bound=True, size=4), datasets(), st.integers(1, 6))
def test_sample_has_the_edges_of_the_graph_over_the_data_set(
    recipe: Recipe, dataset: list[Row], samples: int
):
    rows, graph = reference_rows_of(dataset), graph_of(recipe)
    classes = dict.fromkeys(rows.labels, ("a", "b", "c"))
    columns = Columns("few", rows.sample, rows.labels, classes, rows.fields)
    try:
        sample = sample_of(graph, columns, samples=samples)
    except rrl.RRLError as problem:
        # too few samples for a perplexity, as a program finds too
        nodes = rrl.Nodes(rows.sample, rows.view, rows.labels, rows.fields)
        with pytest.raises(rrl.RRLError, match=f"RRL420.*{problem.diagnostics[0].message}"):
            rrl.compile(graph).bind(nodes)
        return
    expected = reference.evaluate(graph, sample.rows, dataset=rows)
    np.testing.assert_array_equal(sample.weights, expected)


@pytest.mark.parametrize(
    "text",
    [
        "knn(5, space=x)",
        "knn(9, space=x, metric=euclidean, mutual=true)",
        "geodesic(x, k=4, within=1.5)",
        "similarity(x, kernel=sne)",
        "supervised(per_class=7)",
    ],
)
def test_sample_has_the_edges_of_the_bound_program(text: str):
    table = columns(700)
    table.fields["x"][::9] = np.nan
    sample = sample_of(rrl.parse(text), table, samples=150, views=2)
    data = rrl.Nodes(table.sample, None, table.labels, table.fields)
    rows = rrl.Nodes(sample.rows.sample, sample.rows.view, sample.rows.labels, sample.rows.fields)
    weights = rrl.compile(text).bind(data)(rows).float().numpy()
    assert sample.related.any()
    np.testing.assert_allclose(sample.weights, weights, rtol=1e-6)
    np.testing.assert_array_equal(sample.weights > 0, weights > 0)


@pytest.mark.parametrize("text", ["knn(5, space=x)", "similarity(x, sne)", "geodesic(x, 5, 1)"])
def test_sample_of_a_large_data_set_is_found_soon(text: str, tmp_path, monkeypatch):
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path))
    table = columns(50_000)
    started = time.perf_counter()
    sample = sample_of(rrl.parse(text), table, samples=64)
    assert sample.rows.view.tolist() == [0] * 64
    assert time.perf_counter() - started < 20  # all pairs of samples would take minutes


def test_paths_over_a_subset_are_reported(monkeypatch):
    graph = rrl.parse("geodesic(x, k=4, within=1.5) | ssl()")
    assert sample_of(graph, columns(300), samples=50).paths_over is None
    whole = sample_of(graph, columns(300), samples=50)
    monkeypatch.setattr(Geodesic, "subset", 200)
    part = sample_of(graph, columns(300), samples=50)
    assert part.paths_over == 200
    assert 0.5 < part.edges_per_row / whole.edges_per_row < 1.5
    assert part.picture("title", "", "label").title == "title, paths over 200 samples"
    assert whole.picture("title", "", "label").title == "title"
    figures = figures_of(graph, columns(300), samples=50)
    assert "paths are computed over only 200 samples of the dataset" in in_words(figures)
    assert sample_of(rrl.knn(3, space="x"), columns(300), samples=50).paths_over is None


def test_sample_of_a_data_set_too_small_for_the_perplexity_is_rrl420():
    with pytest.raises(rrl.RRLError) as caught:
        sample_of(rrl.similarity("x", kernel="sne", perplexity=30), columns(20), samples=8)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["RRL420"]


def with_pixels(pixels: np.ndarray) -> Columns:
    return Columns("mine", np.arange(len(pixels)), {}, {}, {"pixels": pixels})


def test_vectors_in_pixels_replace_embeddings():
    sample = sample_of(rrl.knn(2), with_pixels(np.eye(8)), samples=8)
    assert sample.from_pixels


def test_numbers_in_pixels_are_rrl417():
    with pytest.raises(rrl.RRLError) as caught:
        sample_of(rrl.knn(2), with_pixels(np.arange(8.0)), samples=8)
    (only,) = caught.value.diagnostics
    assert (only.code, only.message) == (
        "RRL417",
        "`pixels` of the dataset `mine` contains numbers, not vectors",
    )
