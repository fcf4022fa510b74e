"""Expectations from label counts equal averages over batches, and are exact without draws."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_recipes import LABELS, Recipe, graph_of, recipes

import rrl_dsl as rrl
from rrl_dsl.backends import dense, reference
from rrl_dsl.backends.edge import edge_function
from rrl_dsl.graph.streams import finished
from rrl_dsl.graph.traversal import calls_of
from rrl_dsl.report.expectation import Expected, expected, is_expected

MODEST = settings(max_examples=60, deadline=None, derandomize=True, database=None)

CHANCE = np.random.default_rng(0)
N = 240
FINE = CHANCE.integers(-1, 6, N)
COARSE = np.where(CHANCE.random(N) < 0.2, -1, FINE // 2)
TABLE = {"fine": FINE, "coarse": COARSE}
PAIRS = 30_000


def measured(graph: rrl.Graph, *, views: int, epoch: int = 0) -> tuple[float, ...]:
    """Degree, edges and density over the whole dataset."""
    rows = reference.Rows(
        np.repeat(np.arange(N), views),
        np.tile(np.arange(views), N),
        {name: np.repeat(label, views) for name, label in TABLE.items()},
    )
    weights = reference.evaluate(graph, rows, epoch=epoch).astype(np.float64)
    np.fill_diagonal(weights, 0)
    total = N * views * (N * views - 1)
    return weights.sum() / len(rows), (weights > 0).sum() / len(rows), (weights > 0).sum() / total


def drawn_pairs(
    graph: rrl.Graph, *, views: int, epoch: int = 0, count: int = PAIRS
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of pairs of two samples, and of two views of one; no two pairs share a sample.

    So each pair has draws of its own, and a mean over them is as exact as their number says.
    """
    chance = np.random.default_rng(1)
    pairs = np.arange(count)
    i, j = chance.integers(N, size=count), chance.integers(N - 1, size=count)
    j += j >= i
    view = chance.integers(views, size=count)
    two = weights_of_pairs(
        graph,
        rows_of(2 * pairs, view, i),
        rows_of(2 * pairs + 1, chance.integers(views, size=count), j),
        epoch,
    )
    if views == 1:
        return two, np.zeros(1)
    step = chance.integers(1, views, size=count)
    one = weights_of_pairs(
        graph, rows_of(pairs, view, i), rows_of(pairs, (view + step) % views, i), epoch
    )
    return two, one


def rows_of(sample: np.ndarray, view: np.ndarray, place: np.ndarray) -> rrl.Nodes:
    return rrl.Nodes(sample, view, {name: label[place] for name, label in TABLE.items()})


def weights_of_pairs(graph: rrl.Graph, rows: rrl.Nodes, cols: rrl.Nodes, epoch: int) -> np.ndarray:
    """The weights of row i and column i, without those of all other pairs."""
    plan = rrl.compile(graph, seed=5).plan
    scalars = dense.scalars_of(plan, seed=5, epoch=epoch, step=0, device=rows.device)
    prepared = dense.prepare(plan, rows, cols, {}, dense.Inputs(scalars, (), fused=False))
    edge = edge_function(plan, plan.result, fused=False)
    return edge(prepared.rows, prepared.cols, scalars, ()).expand(len(rows)).numpy()


def figures(graph: rrl.Graph | str, views: int = 2, samples: int = N, epoch: int = 0) -> Expected:
    graph = rrl.parse(graph) if isinstance(graph, str) else graph
    expectation = expected(graph, TABLE, samples=samples, views=views, epoch=epoch)
    assert expectation is not None
    return expectation


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize(
    "text",
    [
        "ssl()",
        "supervised(labels=fine)",
        "supervised(labels=coarse) - supervised(labels=fine)",
        "supervised(labels=fine) & supervised(labels=coarse) | ssl()",
        "2 * ssl() + supervised(labels=fine) | clip(2)",
        "~(supervised(labels=fine) | cross_view())",
        "all() - self()",
        "none() | during(3)",
    ],
)
def test_without_draws_the_whole_data_set_has_what_is_expected(text: str, views: int):
    graph = rrl.parse(text)
    expectation = figures(graph, views)
    assert (expectation.degree, expectation.edges_per_row, expectation.density) == pytest.approx(
        measured(graph, views=views)
    )


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("none() | corrupt(fpr=0.05)", 0.05 * (2 * N - 1)),
        ("all() | keep(0.3)", 0.3 * (2 * N - 1)),
        ("all() | keep(0.5) | keep(0.5)", 0.25 * (2 * N - 1)),
        ("let a = random(.5)\na & a", 0.5 * (2 * N - 1)),
        ("random(.5) & random(.5)", 0.25 * (2 * N - 1)),
        ("random(.5, seed=1) & random(.25, seed=1)", 0.25 * (2 * N - 1)),
        ("random(.5, seed=1) - random(.25, seed=1)", 0.25 * (2 * N - 1)),
        ("let a = random(.5)\na & ~a", 0),
        ("ssl() | keep(0.5)", 0.5),
    ],
)
def test_draws_are_multiplied_where_they_are_independent_and_only_there(text: str, edges: float):
    assert figures(text).edges_per_row == pytest.approx(edges)


def test_labels_known_of_both_samples_of_a_pair():
    alone = figures("supervised(labels=fine)", views=1).edges_per_row
    half = figures("supervised(labels=fine, frac=0.5)", views=1).edges_per_row
    assert half == pytest.approx(alone / 4)
    views = figures("supervised(labels=fine, frac=0.5) & ssl()", views=2)
    assert views.edges_per_row == pytest.approx(0.5 * (FINE >= 0).mean())


def test_share_of_false_edges_on_the_digits_is_what_the_reference_says():
    # 1,437 digits in three coarse classes, 512 rows: about 60 % false
    from sklearn.datasets import load_digits

    coarse = np.array([0, 1, 2, 2, 1, 2, 0, 1, 0, 0])[load_digits().target]
    graph = rrl.parse("ssl() | supervised(frac=.3, labels=coarse) | corrupt(fpr=.05)")
    expectation = expected(graph, {"coarse": coarse}, samples=256, views=2)
    assert expectation.false == pytest.approx(0.6, abs=0.02)
    assert figures("ssl() | keep(0.5)").false is None


def test_epoch_moves_schedules():
    text = "all() | keep(linear(0, 1, epochs=10))"
    assert [figures(text, epoch=epoch).density for epoch in (0, 5, 20)] == pytest.approx(
        [0, 0.5, 1]
    )


@pytest.mark.parametrize(
    "text",
    ["near(time, 1)", "similarity(x)", "knn(3)", "supervised(per_class=3)", "ssl() | topk(2)"],
)
def test_other_graphs_have_no_expectation(text: str):
    assert not is_expected(rrl.parse(text))


def test_too_many_draws_are_none():
    text = " | ".join(["random(0.5)"] * 30)
    assert expected(rrl.parse(text), {}, samples=9, views=1) is None


def test_many_labels_cost_no_more_than_their_counts():
    ids = np.arange(50_000) // 3
    graph = rrl.supervised(labels="patient") - rrl.ssl()
    expectation = expected(graph, {"patient": ids}, samples=256, views=2)
    assert expectation.edges_per_row == pytest.approx(2 * 255 * 2 / 49_999, rel=1e-3)


@MODEST
@given(recipes(size=5), st.integers(1, 3), st.sampled_from([0, 1, 2]))
def test_random_recipe_has_on_average_what_is_expected(recipe: Recipe, views: int, epoch: int):
    graph = graph_of(recipe)
    assume(is_expected(graph))
    expectation = expected(graph, TABLE, samples=N, views=views, epoch=epoch)
    assume(expectation is not None)
    if any(call.facts.draws for call in calls_of(finished(graph))):
        two, one = drawn_pairs(graph, views=views, epoch=epoch)
        check_mean(expectation.degree, two, one, views)
        check_mean(expectation.edges_per_row, two > 0, one > 0, views)
    else:
        degree, edges, density = measured(graph, views=views, epoch=epoch)
        assert (expectation.degree, expectation.edges_per_row) == pytest.approx(
            (degree, edges), rel=1e-9
        )
        assert expectation.density == pytest.approx(density, rel=1e-9)
    assert expectation.density == pytest.approx(expectation.edges_per_row / (N * views - 1))


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize(
    "text",
    [
        "supervised(labels=fine, frac=0.8) | ssl()",
        "random(0.3) | keep(0.5)",
        "(0.3 * ssl() + 0.7 * supervised(labels=coarse)) | corrupt(tpr=0.8, fpr=0.1, unit=row)",
        "(random(0.5) + 2 * random(0.5)) | threshold(1.5) | keep(0.9)",
    ],
)
def test_expectation_is_right_within_two_percent(text: str, views: int):
    graph = rrl.parse(text)
    two, one = drawn_pairs(graph, views=views, count=1_000_000)
    expectation = figures(graph, views)
    slack = check_mean(expectation.edges_per_row, two > 0, one > 0, views)
    assert slack < 0.02 * expectation.edges_per_row, "or the test would not see an error of 2 %"
    assert check_mean(expectation.degree, two, one, views) < 0.02 * expectation.degree


def check_mean(expected: float, two: np.ndarray, one: np.ndarray, views: int) -> float:
    """Holds an expectation to the mean over pairs; gives how much the two may differ.

    That is four standard errors, what float32 rounds away, and a dozen pairs of the rarest kind.
    """
    mean = slack = 0.0
    for count, weights in (((N - 1) * views, two), (views - 1, one)):
        mean += count * weights.mean(dtype=float)
        spread = weights.std(dtype=float) or 12 / np.sqrt(len(weights))
        slack += count * 4 * spread / np.sqrt(len(weights))
    assert abs(expected - mean) <= slack + 1e-6 * mean
    return slack


def test_labels_of_the_tests_are_those_of_the_recipes():
    assert set(TABLE) == set(LABELS)
    assert Row(0).labels == {}
