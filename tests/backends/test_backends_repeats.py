"""Batches of several views of the same samples: pairs of samples say the weights of all pairs."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import datasets, nodes_of, settings_of_a_run, spaces_of, suits, views_of
from random_recipes import Recipe, graph_of, recipes, text_of

import rrl_dsl as rrl
from rrl_dsl.backends import blocked, dense
from rrl_dsl.backends.strategy import TILE_PAIRS
from rrl_dsl.losses import create

MODEST = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module", autouse=True)
def small_batches():
    """Few pairs are many, so that small batches are looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "_CACHED_PAIRS", 1)
        patch.setitem(TILE_PAIRS, "cpu", 4)
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
    options = {"spaces": spaces_of(rows), "epoch": run["epoch"], "step": run["step"]}
    weights = program(nodes, **options)
    directed = program.relate(nodes, nodes[:], strategy="dense", **options).weights
    assert weights.dtype == directed.dtype
    assert weights.equal(directed), text_of(recipe)
    tiled = program.relate(nodes, strategy="blocked", **options)
    for mirrored in (False, True) if program.graph.symmetric else (False,):
        seen = torch.zeros_like(directed)
        for here, there in tiled.tiles(mirrored=mirrored):
            seen[here, there] = tiled.tile(here, there).weights
            if mirrored:
                seen[there, here] = seen[here, there].T.clone()
        assert seen.equal(directed), text_of(recipe)


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


@pytest.mark.parametrize(("kept", "times"), [(2**20, 1), (0, 6)])
def test_tiles_of_other_views_and_of_the_backward_pass_are_those_before(monkeypatch, kept, times):
    monkeypatch.setattr(blocked, "KEPT_BYTES", kept)
    evaluated, weights = [], dense.Prepared.weights

    def watched(self, result, rows=slice(None), cols=slice(None)):
        evaluated.append((rows.start, rows.stop, cols.start, cols.stop))
        return weights(self, result, rows, cols)

    monkeypatch.setattr(dense.Prepared, "weights", watched)
    nodes = rrl.Nodes(torch.arange(6).repeat(2), torch.arange(2).repeat_interleave(6))
    z = torch.randn(12, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    relation = rrl.compile("ssl(views=2) | corrupt(fpr=0.3)").relate(nodes, strategy="blocked")
    torch.autograd.grad(create("simclr")(relation, z), z)
    apart = [pair for pair in evaluated if pair[0] != pair[2] and max(pair) <= 6]
    own = [pair for pair in evaluated if pair[0] % 6 == pair[2] % 6]
    if kept:
        assert len(evaluated) == len(apart) + len(own)  # no pair of other views of two samples
        assert len(apart) == len(set(apart)) == 3
    assert max(evaluated.count(pair) for pair in own) == times


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("ssl(views=2) | supervised() | corrupt(fpr=.05)", False),
        ("(ssl(views=2) + supervised()) | corrupt(fpr=.05)", False),
        ("ssl(views=2) | corrupt(tpr=.5, fpr=.05)", True),  # the diagonal stays
        ("supervised() | corrupt(fpr=.05)", True),  # an unknown label relates no row to itself
    ],
)
def test_false_edges_read_views_only_if_the_diagonal_needs_it(text: str, reads: bool):
    plan = rrl.compile(text).plan
    needed = (plan.instructions[at] for at in plan.needed(plan.result))
    columns = {plan.columns[column].kind for node in needed for column in node.columns}
    assert ("view" in columns) is reads
