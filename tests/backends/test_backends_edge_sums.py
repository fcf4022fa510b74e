"""Sums over edges that classes or lists say, against the matrix of the reference backend."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import (
    batches,
    datasets,
    nodes_of,
    reference_rows_of,
    settings_of_a_run,
    spaces_of,
    suits,
)
from random_recipes import Recipe, graph_of, recipes, text_of
from torch import Tensor

import rrl_dsl as rrl
from rrl_dsl.backends import listed_sums, reference
from rrl_dsl.backends.dense import Prepared
from rrl_dsl.backends.known_edges import has_lists, terms_of
from rrl_dsl.backends.relation import Relation
from rrl_dsl.backends.strategy import TILE_PAIRS

MODEST = settings(max_examples=60, deadline=None, derandomize=True, database=None)
BY_CLASS = [
    "ssl(views=2)",
    "supervised()",
    "ssl(views=2) | supervised() | supervised(labels=coarse)",
    "(supervised() & supervised(frac=0.5, labels=coarse)) - ssl(views=2)",
    "~supervised() & cross_view()",
    "supervised() + ssl(views=2)",
    "ssl(views=2) | (supervised() | during(0, 0))",
    "all()",
    "none()",
]
BY_LIST = [
    "knn(2, space=vector)",
    "ssl(views=2) | knn(2, space=vector, directed=true)",
    "ssl(views=2) + 0.5 * knn(2, space=vector)",
    "ssl(views=2) | corrupt(tpr=0.5)",
    "2.5 * ssl(views=2)",
]


@pytest.fixture(scope="module", autouse=True)
def small_tiles():
    """Tiles of 3 x 3 pairs, and edges three at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TILE_PAIRS, "cpu", 9)
        patch.setattr(listed_sums, "_CHUNK", 3)
        yield


def masked_lse(weights: Tensor, logits: Tensor) -> Tensor:
    some = (weights > 0).any(dim=1)
    kept = (weights > 0) | ~some[:, None]
    logs = torch.where(weights > 0, weights, 1.0).log()
    sums = (logits + logs).masked_fill(~kept, -torch.inf).logsumexp(dim=1)
    return torch.where(some, sums, torch.zeros(()).double())


def cross_entropy(weights: Tensor, logits: Tensor, compared: Tensor) -> Tensor:
    kept = compared | ~compared.any(dim=1, keepdim=True)
    logs = logits.masked_fill(~kept, -torch.inf).log_softmax(dim=1)
    return -(weights * torch.where(weights > 0, logs, 0.0)).sum(dim=1)


Q, K = Tensor, Tensor
REDUCTIONS: dict[
    str, tuple[Callable[[Relation, Q, K, bool], Tensor], Callable[[Tensor, Q, K], Tensor]]
] = {
    "degree": (
        lambda r, q, k, own: r.degree(with_self=own) + 0 * q.sum(),
        lambda w, q, k: w.sum(dim=1) + 0 * q.sum(),
    ),
    "dot": (
        lambda r, q, k, own: r.dot(q, k, 3.0, with_self=own),
        lambda w, q, k: (w * (q @ k.T) * 3.0).sum(dim=1),
    ),
    "sqdist": (
        lambda r, q, k, own: r.sqdist(q, k, with_self=own),
        lambda w, q, k: (w * (q[:, None] - k).square().sum(dim=2)).sum(dim=1),
    ),
    "matmul": (
        lambda r, q, k, own: r.matmul(k, with_self=own) + 0 * q.sum(),
        lambda w, q, k: w @ k + 0 * q.sum(),
    ),
    "masked_lse": (
        lambda r, q, k, own: r.masked_lse(q, k, 3.0, with_self=own).nan_to_num(neginf=0.0),
        lambda w, q, k: masked_lse(w, q @ k.T * 3.0),
    ),
}


def check(relation: Relation, weights: Tensor, own: Tensor, contrast: Tensor | None) -> None:
    """Holds every sum over edges to the matrix (n, m), with its gradient."""
    n, m = weights.shape
    generator = torch.Generator().manual_seed(n * 10 + m)
    alone = relation.cols is relation.rows
    q = torch.randn(n, 3, generator=generator, dtype=torch.float64).requires_grad_()
    k = q if alone else torch.randn(m, 3, generator=generator, dtype=torch.float64).requires_grad_()
    for with_self in (False, True):
        edges = weights if with_self else weights.masked_fill(own, 0.0)
        compared = edges > 0 if contrast is None else (edges > 0) | contrast
        compared = torch.ones_like(own) if contrast is None else compared
        compared = compared | own if with_self else compared & ~own
        entropy = relation.cross_entropy(q, k, 3.0, with_self=with_self)[0]
        pairs = [(entropy, cross_entropy(edges, q @ k.T * 3.0, compared))]
        for reduce, expected in REDUCTIONS.values():
            pairs.append((reduce(relation, q, k, with_self), expected(edges, q, k)))
        for value, wanted in pairs:
            torch.testing.assert_close(value, wanted, rtol=1e-6, atol=1e-6, check_dtype=False)
            slope = torch.linspace(0.5, 1.5, value.numel()).view_as(value)
            given = [q] if alone else [q, k]
            gradients = (
                torch.autograd.grad((sums * slope).sum(), given, allow_unused=True)
                for sums in (value, wanted)
            )
            for one, other in zip(*gradients, strict=True):
                zero = torch.zeros(()).double()
                one, other = (zero if gradient is None else gradient for gradient in (one, other))
                torch.testing.assert_close(one.expand_as(other), other, rtol=1e-6, atol=1e-6)


def same_rows(rows: rrl.Nodes, cols: rrl.Nodes) -> Tensor:
    return (rows.sample[:, None] == cols.sample) & (rows.view[:, None] == cols.view)


@MODEST
@given(st.data(), recipes(), datasets(), settings_of_a_run)
def test_sums_are_those_of_the_matrix(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]
):
    assume(suits(recipe, dataset))
    assume("similarity" not in text_of(recipe))  # whose weights are not the same to the bit
    program = rrl.compile(graph_of(recipe), seed=run["seed"])
    if program.requires.bound:
        program.bind(nodes_of(dataset))
    rows = data.draw(batches(dataset))
    cols = data.draw(st.none() | batches(dataset))
    assume(cols is not None or not program.requires.bank)
    sides = [None if side is None else nodes_of(side) for side in (rows, cols)]
    for nodes in filter(None, sides):
        nodes.check = False
    spaces = spaces_of(rows)
    if cols is not None:
        spaces = {name: (z, spaces_of(cols)[name]) for name, z in spaces.items()}
    relation = program.relate(
        *sides, spaces=spaces, strategy="blocked", epoch=run["epoch"], step=run["step"]
    )
    weights = reference.evaluate(
        graph_of(recipe),
        reference_rows_of(rows),
        None if cols is None else reference_rows_of(cols),
        **run,
        dataset=reference_rows_of(dataset),
    )
    check(
        relation, torch.from_numpy(weights).double(), same_rows(relation.rows, relation.cols), None
    )


def scene(text: str) -> tuple[rrl.Program, rrl.Nodes, rrl.Nodes]:
    """A bound program, rows of which some occur twice, and other columns; unknown labels."""
    chance = np.random.default_rng(3)
    label, coarse = chance.integers(-1, 3, 12), chance.integers(-1, 2, 12)
    vector = chance.normal(size=(12, 3))

    def nodes(samples: list[int], views: list[int]) -> rrl.Nodes:
        labels = {"label": label[samples], "coarse": coarse[samples]}
        return rrl.Nodes(samples, views, labels, {"vector": vector[samples]}, check=False)

    program = rrl.compile(text)
    if program.requires.bound:
        program.bind(nodes([*range(12)], [0] * 12))
    rows = nodes([*range(7), *range(7), 3], [0] * 7 + [1] * 8)
    return program, rows, nodes([*range(4, 12), 4, 5], [0] * 8 + [1] * 2)


@pytest.mark.parametrize("text", [*BY_CLASS, *BY_LIST])
@pytest.mark.parametrize("square", [True, False])
def test_no_weight_of_other_pairs_is_evaluated(monkeypatch, text: str, square: bool):
    program, rows, cols = scene(text)
    relation = program.relate(rows, None if square else cols, strategy="blocked")
    dense = program.relate(rows, None if square else cols, strategy="dense")
    at = {"seed": 0, "epoch": 0, "step": 0}
    assert (terms_of(program.plan, **at) is not None) == (text in BY_CLASS)
    assert has_lists(program.plan, **at) or text in BY_CLASS
    weights = dense.weights.double()
    own = same_rows(relation.rows, relation.cols)
    check(relation, weights, own, None)
    assert (relation.degree() == 0).equal(weights.masked_fill(own, 0.0).sum(dim=1) == 0)
    monkeypatch.setattr(Prepared, "weights", lambda *_: pytest.fail("a tile is evaluated"))
    other = program.relate(rows, None if square else cols, strategy="blocked")
    q, k = torch.randn(len(rows), 3), torch.randn(len(other.cols), 3)
    for name, (reduction, _) in REDUCTIONS.items():
        if name != "masked_lse" or text in BY_LIST:
            reduction(other, q, k, False)
    other.cross_entropy(q, k, 2.0)
    other.lse(q, k, 2.0)
    other.restricted(torch.tensor([1, 0, 5]), torch.tensor([2, 4])).dot(q[[1, 0, 5]], k[[2, 4]])


@pytest.mark.parametrize("text", ["ssl(views=2) | supervised()", "knn(2, space=vector)"])
def test_contrast_says_what_is_compared(text: str):
    contrasted = f"{text}\ncontrast cross_view() & ~supervised(labels=coarse)"
    program, rows, _ = scene(contrasted)
    relation = program.relate(rows, strategy="blocked")
    dense = program.relate(rows, strategy="dense")
    weights = dense.weights.double()
    check(relation, weights, same_rows(rows, rows), dense.contrast)


def test_false_edges_are_neither_classes_nor_listed():
    plan = rrl.compile("ssl(views=2) | corrupt(fpr=0.1)").plan
    assert terms_of(plan, seed=0, epoch=0, step=0) is None
    assert not has_lists(plan, seed=0, epoch=0, step=0)


def test_a_graph_of_many_classes_is_not_summed_by_class():
    terms = " | ".join(f"supervised(frac=0.{i}, labels=label)" for i in range(1, 8))
    assert terms_of(rrl.compile(terms).plan, seed=0, epoch=0, step=0) is None


def test_distances_of_near_vectors_far_from_the_origin_are_not_lost():
    rows = rrl.Nodes(torch.arange(4).repeat(2), torch.arange(2).repeat_interleave(4))
    relation = rrl.compile("ssl(views=2)").relate(rows, strategy="blocked")
    z = 1000 + torch.randn(8, 3, generator=torch.Generator().manual_seed(0)).double() * 1e-3
    expected = (z - z.roll(4, 0)).square().sum(dim=1)
    torch.testing.assert_close(relation.sqdist(z, z), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("strategy", ["dense", "blocked"])
def test_rows_of_one_label_share_it_with_columns_of_several(strategy: str):
    rows = rrl.Nodes(torch.arange(3), None, {"label": torch.tensor([0, 2, -1])})
    several = torch.tensor([[0, 1], [2, 0], [-1, -1]])
    cols = rrl.Nodes(torch.arange(3) + 3, None, {"label": several})
    for one, other, degrees in ((rows, cols, [2, 1, 0]), (cols, rows, [1, 2, 0])):
        relation = rrl.compile("supervised()").relate(one, other, strategy=strategy)
        assert relation.degree().tolist() == degrees
