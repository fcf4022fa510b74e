"""Batches of several views of the same samples: pairs of samples say the weights of all pairs."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import datasets, nodes_of, settings_of_a_run, spaces_of, suits, views_of
from random_recipes import Recipe, graph_of, recipes, text_of

import rrl_dsl as rrl
from rrl_dsl.backends import dense

MODEST = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module", autouse=True)
def small_batches():
    """Few pairs are many, so that small batches are looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "_CACHED_PAIRS", 1)
        yield


@MODEST
@given(
    recipes(),
    datasets(),
    settings_of_a_run,
    st.integers(2, 3),
    st.lists(st.integers(0, 5)),
    st.data(),
)
def test_weights_are_those_of_each_pair(
    recipe: Recipe,
    dataset: list[Row],
    run: dict[str, int],
    views: int,
    again: list[int],
    data: st.DataObject,
):
    assume(suits(recipe, dataset))
    program = rrl.compile(graph_of(recipe), seed=run["seed"])
    assume(not program.requires.bank)
    if program.requires.bound:
        program.bind(nodes_of(dataset))
    samples = data.draw(st.permutations([*dataset, *(dataset[at % len(dataset)] for at in again)]))
    rows = [row for view in range(views) for row in views_of(samples, views)[view::views]]
    nodes = nodes_of(rows)
    nodes.check = False
    found = {"spaces": spaces_of(rows), "epoch": run["epoch"], "step": run["step"]}
    weights = program(nodes, **found)
    each = program.relate(nodes, nodes[:], strategy="dense", **found).weights
    assert weights.dtype == each.dtype
    assert weights.equal(each), text_of(recipe)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("ssl(views=2) | supervised(frac=.3)", [(6, 6)]),
        ("ssl(views=2) | supervised(frac=.3) | corrupt(fpr=.05)", [(6, 6)]),
        ("0.5 * supervised() + similarity(caption)", [(6, 6)]),
        ("ssl(views=2) | corrupt(fpr=.05, unit=row)", [(12, 12)]),
        ("supervised() & cross_view()", [(12, 12)]),
    ],
)
def test_pairs_of_samples_are_evaluated_once(monkeypatch, text: str, sizes: list[tuple[int, int]]):
    evaluated, evaluate = [], dense._evaluate

    def watched(plan, result, rows, cols, inputs):
        evaluated.append((len(rows[0]), len(cols[0])))
        return evaluate(plan, result, rows, cols, inputs)

    monkeypatch.setattr(dense, "_evaluate", watched)
    nodes = rrl.Nodes(
        torch.arange(6).repeat(2),
        torch.arange(2).repeat_interleave(6),
        {"label": torch.tensor([0, 0, 1, 1, -1, 2]).repeat(2)},
        {"caption": torch.randn(6, 3).repeat(2, 1)},
    )
    assert rrl.compile(text)(nodes).shape == (12, 12)
    assert evaluated == sizes
