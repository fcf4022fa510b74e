"""Graphs of growing rates are nested, because a draw is compared with a threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import batches, datasets, nodes_of
from random_recipes import graph_of, recipes

import rrl_dsl as rrl

MODEST = settings(max_examples=25, deadline=None, derandomize=True, database=None)

graphs = recipes(size=3, seeded=True).map(graph_of)
rates = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted)
shares = st.tuples(st.floats(1e-6, 1), st.floats(1e-6, 1)).map(sorted)
units = st.sampled_from(["sample", "row"])


@st.composite
def some_rows(draw: st.DrawFn) -> list[Row]:
    return draw(batches(draw(datasets())))


def edges(graph: rrl.Graph, rows: list[Row]) -> np.ndarray:
    return rrl.compile(graph, seed=2**50 + 1)(nodes_of(rows)).numpy() > 0


def lies_in(smaller: rrl.Graph, larger: rrl.Graph, rows: list[Row]) -> bool:
    return bool((edges(smaller, rows) <= edges(larger, rows)).all())


@MODEST
@given(graphs, rates, units, some_rows())
def test_fewer_false_edges_are_a_subset_of_more(
    a: rrl.Graph, rate: list[float], unit: str, rows: list[Row]
):
    few, many = (a | rrl.corrupt(fpr=fpr, unit=unit, seed=5) for fpr in rate)
    assert lies_in(few, many, rows)
    assert lies_in(a, few, rows)


@MODEST
@given(graphs, rates, units, some_rows())
def test_fewer_kept_edges_are_a_subset_of_more(
    a: rrl.Graph, rate: list[float], unit: str, rows: list[Row]
):
    few, many = (a | rrl.keep(share, unit=unit, seed=5) for share in rate)
    assert lies_in(few, many, rows)
    assert lies_in(many, a, rows)


@MODEST
@given(graphs, rates, rates, some_rows())
def test_both_rates_at_once(a: rrl.Graph, tpr: list[float], fpr: list[float], rows: list[Row]):
    few, many = (
        a | rrl.corrupt(tpr=true, fpr=false, seed=5) for true, false in zip(tpr, fpr, strict=True)
    )
    assert lies_in(few, many, rows)


@MODEST
@given(shares, some_rows())
def test_labels_of_a_smaller_fraction_are_a_subset(share: list[float], rows: list[Row]):
    few, many = (rrl.supervised(frac=frac, labels="fine") for frac in share)
    assert lies_in(few, many, rows)
    assert lies_in(many, rrl.supervised(labels="fine"), rows)


@MODEST
@given(rates, some_rows())
def test_random_graphs_are_nested(rate: list[float], rows: list[Row]):
    few, many = (rrl.random(density) for density in rate)
    assert lies_in(few, many, rows)


@MODEST
@given(st.integers(1, 4), datasets())
def test_labels_of_fewer_samples_per_class_are_a_subset(count: int, dataset: list[Row]):
    nodes = nodes_of(dataset)
    few, many = (
        rrl.compile(rrl.supervised(labels="fine", per_class=per_class)).bind(nodes)(nodes).numpy()
        for per_class in (count, count + 1)
    )
    assert (few <= many).all()


def test_per_class_labels_exactly_that_many_of_each_class():
    fine = [sample % 7 for sample in range(200)] + [9, 9, -1, -1]
    dataset = rrl.Nodes(range(204), labels={"fine": fine})
    for count in (1, 5, 20):
        program = rrl.compile(rrl.supervised(labels="fine", per_class=count)).bind(dataset)
        labeled = np.diagonal(program(dataset).numpy())
        known = np.array(fine)
        for label in range(7):
            assert labeled[known == label].sum() == count
        assert labeled[known == 9].sum() == min(count, 2), "smaller classes keep all"
        assert not labeled[known == -1].any(), "an unknown label is no class"


def test_share_of_labels_is_a_subset_of_samples_and_not_of_pairs():
    nodes = rrl.Nodes(range(300), labels={"label": [0] * 300})
    weights = rrl.compile("supervised(frac=0.3)")(nodes).numpy()
    labeled = np.diagonal(weights)
    np.testing.assert_array_equal(weights, np.outer(labeled, labeled))
    assert 60 < labeled.sum() < 120


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_rates_of_nought_and_one_are_exact(rate: float):
    rows = rrl.Nodes(np.arange(1500) * 3)
    off = ~np.eye(1500, dtype=bool)
    for text in (f"random({rate})", f"none() | corrupt(fpr={rate})", f"all() | keep({rate})"):
        weights = rrl.compile(text, seed=11)(rows).numpy()
        assert (weights[off] == bool(rate)).all(), text


@pytest.mark.parametrize(
    ("text", "diagonal"),
    [
        ("random(0.0)", True),
        ("all() | corrupt(tpr=0.0)", True),
        ("none() | corrupt(fpr=1.0)", False),
        ("self() | keep(0.0)", True),
        ("all() | drop_self()", False),
        ("~none()", False),
        ("supervised()", True),
    ],
)
def test_noise_leaves_the_diagonal_alone(text: str, diagonal: bool):
    rows = rrl.Nodes(range(50), labels={"label": [0] * 50})
    assert (np.diagonal(rrl.compile(text)(rows).numpy()) == diagonal).all()
