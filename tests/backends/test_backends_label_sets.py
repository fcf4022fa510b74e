"""Several labels per sample: `supervised` and `jaccard` by the definition of sets."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rrl_dsl as rrl
from rrl_dsl.backends.reference import Rows, evaluate
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.training.related_samples import SplitRelations

MODEST = settings(max_examples=40, deadline=None, derandomize=True, database=None)

Sets = list[set[int]]
sets = st.lists(st.sets(st.integers(0, 5), max_size=3), min_size=1, max_size=6)


def array_of(given: Sets, width: int = 3, *, seed: int = 0) -> np.ndarray:
    """The sets as rows, in any order, with labels that occur twice and gaps."""
    draws = np.random.default_rng(seed)
    rows = np.full((len(given), width + 2), -1)
    for row, labels in zip(rows, given, strict=True):
        again = sorted(labels)[:1]
        row[: len(labels) + len(again)] = [*labels, *again]
        draws.shuffle(row)
    return rows


def matrix_of(given: Sets, weight: Callable[[set[int], set[int]], float]) -> np.ndarray:
    return np.array([[weight(a, b) for b in given] for a in given], np.float32)


def shares(a: set[int], b: set[int]) -> float:
    return float(bool(a & b))


def jaccard(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


@pytest.mark.parametrize(
    ("recipe", "weight"),
    [("supervised(labels=tags)", shares), ("similarity(tags, kernel=jaccard)", jaccard)],
)
@MODEST
@given(given_sets=sets)
def test_every_evaluation_is_the_definition(recipe: str, weight: Callable, given_sets: Sets):
    wanted = matrix_of(given_sets, weight)
    program = rrl.compile(recipe)
    nodes = rrl.Nodes(range(len(given_sets)), labels={"tags": array_of(given_sets)})
    assert np.array_equal(program(nodes).float().numpy(), wanted)
    assert np.array_equal(program.to_scipy(nodes).toarray(), wanted)
    blocked = program.relate(nodes, strategy="blocked")
    degree = program.relate(nodes, strategy="dense").degree()  # sums round in another order
    torch.testing.assert_close(blocked.degree(), degree, rtol=1e-6, atol=0)
    sample = np.arange(len(given_sets))
    rows = Rows(sample, np.zeros_like(sample), {"tags": nodes.labels["tags"].numpy()})
    assert np.array_equal(evaluate(rrl.parse(recipe), rows), wanted)


@MODEST
@given(given_sets=sets)
def test_one_label_per_sample_is_a_set_of_one(given_sets: Sets):
    single = np.array([min(labels, default=-1) for labels in given_sets])
    ids = range(len(single))
    plain = rrl.Nodes(ids, labels={"tags": single})
    wide = rrl.Nodes(ids, labels={"tags": single[:, None]})
    for recipe in ("supervised(labels=tags, frac=0.5)", "similarity(tags, kernel=jaccard)"):
        program = rrl.compile(recipe)
        assert torch.equal(program(plain), program(wide))


def test_a_fraction_is_of_samples():
    nodes = rrl.Nodes(range(300), labels={"tags": np.tile([[0, 1]], (300, 1))})
    edges = rrl.compile("supervised(labels=tags, frac=0.3)")(nodes)
    known = edges.diagonal()
    assert 60 < known.sum() < 120
    assert torch.equal(edges, known[:, None] & known)
    plain = rrl.Nodes(range(300), labels={"tags": np.zeros(300, int)})
    assert torch.equal(edges, rrl.compile("supervised(labels=tags, frac=0.3)")(plain))


def test_per_class_counts_a_sample_in_each_of_its_classes():
    tags = np.array([[0, 1], [0, -1], [1, -1], [-1, -1]])
    nodes = rrl.Nodes(range(4), labels={"tags": tags})
    program = rrl.compile("supervised(labels=tags, per_class=2)").bind(nodes)
    assert program(nodes).int().tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0] * 4]


def test_rows_and_columns_of_other_widths():
    rows = rrl.Nodes([0, 1], labels={"tags": [[3, -1], [4, -1]]})
    cols = rrl.Nodes([0, 2], labels={"tags": [[3, -1, -1], [5, 4, 3]]})
    relation = rrl.compile("supervised(labels=tags)").relate(rows, cols)
    assert relation.degree().tolist() == [1, 1]  # without self
    assert rows.followed_by(cols).labels["tags"].tolist() == [
        [3, -1, -1], [4, -1, -1], [3, -1, -1], [5, 4, 3]
    ]  # fmt: skip
    other = rrl.Nodes([0, 2], labels={"tags": [[2], [1]]})
    with pytest.raises(RRLError, match=r"RRL402.*`tags` differs in row 0 and column 0"):
        rrl.compile("supervised(labels=tags)").relate(rows, other)


@pytest.mark.parametrize("wrong", [[[0, -2]], [[0.5, 1]], [[]], [[[1]]]])
def test_labels_that_are_no_sets(wrong: list):
    with pytest.raises(RRLError, match="RRL402"):
        rrl.Nodes([0], labels={"tags": wrong})


def test_two_rows_of_a_sample_have_the_same_set():
    with pytest.raises(RRLError, match=r"RRL402.*`tags` differs in rows 0 and 1"):
        rrl.Nodes([7, 7], [0, 1], labels={"tags": [[1, 2], [1, 3]]})
    rrl.Nodes([7, 7], [0, 1], labels={"tags": [[1, 2], [2, 1]]})


def test_the_sampler_finds_samples_that_share_a_label():
    tags = [[0, 1], [1, 2], [2, -1], [3, -1], [-1, -1]]
    split = rrl.Nodes(range(5), labels={"tags": tags})
    for recipe in ("supervised(labels=tags)", "similarity(tags, kernel=jaccard)"):
        relations = SplitRelations(rrl.compile(recipe), split)
        (comparison,) = relations.by_comparison(0, np.arange(5))
        assert comparison.known.tolist() == [True, True, True, True, False]
        assert sorted({*comparison.of(1, bytearray([1, 0, 1, 1, 1]))}) == [0, 2]
