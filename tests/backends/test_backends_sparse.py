"""The sparse graph of many rows: the dense one, without a look at every pair."""

import resource
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

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
    settings_of_a_run,
    spaces_of,
    suits,
)
from random_recipes import Recipe, graph_of, recipes

import rrl_dsl as rrl
from rrl_dsl.backends import sparse
from rrl_dsl.backends.dense import Prepared
from rrl_dsl.language.machine import available_memory

MODEST = settings(max_examples=150, deadline=None, derandomize=True, database=None)


@st.composite
def bound_programs(draw: st.DrawFn) -> tuple[rrl.Program, list[Row], dict[str, int]]:
    """A program bound to its dataset, a batch, and the seed, epoch and step of a run."""
    dataset, run = draw(datasets()), draw(settings_of_a_run)
    recipe: Recipe = draw(recipes(size=8, bound=True, batch=True))
    assume(suits(recipe, dataset))
    program = rrl.compile(graph_of(recipe), seed=run.pop("seed")).bind(nodes_of(dataset))
    return program, draw(batches(dataset, most=9)), run


@st.composite
def listed_programs(draw: st.DrawFn) -> tuple[rrl.Program, list[Row], dict[str, int]]:
    """The same with recipes that read files of pairs."""
    run = draw(settings_of_a_run)
    program = rrl.compile(graph_of(draw(recipes(size=8, batch=True))), seed=run.pop("seed"))
    return program, draw(batches(draw(datasets()), most=9)), run


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "BAND_PAIRS", 7)
    monkeypatch.setattr(sparse, "_CHUNK_BYTES", 400)


@MODEST
@pytest.mark.usefixtures("small_bands")
@given(bound_programs() | listed_programs())
def test_sparse_graph_is_the_dense_one_to_the_bit(
    case: tuple[rrl.Program, list[Row], dict[str, int]],
):
    program, rows, run = case
    nodes, spaces = nodes_of(rows), spaces_of(rows)
    dense = program(nodes, spaces=spaces, **run).numpy()
    matrix = program.to_scipy(nodes, spaces=spaces, **run)
    assert matrix.dtype == np.float32
    assert matrix.has_canonical_format
    assert matrix.nnz == np.count_nonzero(dense)
    np.testing.assert_array_equal(matrix.toarray(), dense.astype(np.float32))


# which pairs are looked at


def classes(samples: int) -> rrl.Nodes:
    """Two views of each sample, in 10 classes as large as one another, and samples in a line."""
    rows = torch.arange(samples).repeat(2)
    views = torch.arange(2).repeat_interleave(samples)
    time = rows.double() / 4
    vector = torch.stack([time.cos(), time.sin()], dim=1)
    return rrl.Nodes(rows, views, {"label": rows % 10}, {"time": time, "vector": vector})


@pytest.mark.parametrize(
    ("text", "pairs"),  # of 200 rows; 20 of a class, 2 of a sample
    [
        ("ssl()", 400),
        ("supervised()", 4000),
        ("supervised(frac=0.5)", 2000),
        ("ssl() | supervised()", 4000),
        ("ssl() & supervised()", 400),
        ("supervised() & ssl()", 400),
        ("ssl() - supervised()", 400),
        ("ssl() + 0.5 * supervised() | clip(1.2) | power(2)", 4000),
        ("ssl() | (supervised() | keep(0.5) | drop_self())", 4000),
        ("supervised() | corrupt(tpr=0.5)", 4000),
        ("similarity(vector) & supervised()", 4000),
        ("similarity(vector, kernel=rbf) & ssl() | threshold(0.2)", 400),
        ("near(time, 0.25)", 4 * (100 + 2 * 99)),
        ("knn(2, space=vector)", 200 * 2 * 4),  # of either list, at most 4 samples
        ("knn(2, space=vector, directed=true)", 200 * 2 * 2),
        ("ssl() & ~supervised()", 400),
        ("random(0.5) & ssl()", 400),
        ("supervised() | during(1, 2)", 0),
        ("ssl() | (random(0.5) | during(1, 2))", 400),
        ("supervised() | topk(1)", 200 * 2),
        ("none()", 0),
    ],
)
def test_pairs_without_an_edge_are_not_looked_at(
    text: str, pairs: int, monkeypatch: pytest.MonkeyPatch
):
    nodes = classes(100)
    program = rrl.compile(text, seed=1).bind(classes(100)[:100])
    dense = program(nodes).float().numpy()
    looked_at = []
    weights_at = sparse.weights_at

    def counted(prepared: Prepared, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        looked_at.append(len(rows))
        return weights_at(prepared, rows, cols)

    whole = Prepared.weights
    monkeypatch.setattr(sparse, "weights_at", counted)
    monkeypatch.setattr(Prepared, "weights", lambda *_: pytest.fail("every pair is looked at"))
    matrix = program.to_scipy(nodes)
    monkeypatch.setattr(Prepared, "weights", whole)
    assert np.count_nonzero(dense) <= sum(looked_at) <= pairs
    np.testing.assert_array_equal(matrix.toarray(), dense)


# threads


@pytest.mark.parametrize("text", ["supervised() | corrupt(tpr=0.7, fpr=0.05)", "supervised()"])
def test_threads_find_the_edges_of_one_thread(text: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sparse, "BAND_PAIRS", 2_000)
    before, shown, threads = torch.get_num_threads(), [], set()
    weights = sparse._Pairs.edges

    def seen(self, band):
        threads.add(threading.get_ident())
        return weights(self, band)

    monkeypatch.setattr(sparse._Pairs, "edges", seen)

    def progress(bands):
        for band in bands:
            yield band
            shown.append(band)

    try:
        torch.set_num_threads(3)
        matrix = rrl.compile(text, seed=1).to_scipy(classes(100), progress=progress)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert [row for band in shown for row in range(band.start, band.stop)] == list(range(200))
    assert threading.get_ident() not in threads
    expected = rrl.compile(text, seed=1)(classes(100)).float().numpy()
    np.testing.assert_array_equal(matrix.toarray(), expected)


# memory


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("all()", "40,000"),
        ("supervised() | ssl()", "4,000"),  # a pair that both have is one edge
        ("random(0.5, seed=3)", "20,"),
    ],
)
def test_graph_that_does_not_fit_is_refused_with_the_edges_to_expect(
    text: str, edges: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sparse, "available_memory", lambda: 60_000)
    with pytest.raises(rrl.RRLError) as refused:
        rrl.compile(text).to_scipy(classes(100))
    [fault] = refused.value.diagnostics
    assert fault.code == "RRL515"
    assert f"the graph over 200 rows, which has about {edges}" in fault.message


def test_graph_with_few_edges_among_many_candidates_fits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sparse, "available_memory", lambda: 60_000)  # 16 a pair of 4,000
    matrix = rrl.compile("supervised() | keep(0.01)").to_scipy(classes(100))
    assert matrix.nnz < 1000


def test_available_memory_is_what_a_limit_leaves():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = available_memory()
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**26, hard))
    try:
        left = available_memory()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert before is not None
    assert left is not None
    assert 2**25 < left <= 2**26 < before


# progress


def test_progress_goes_through_every_row_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sparse, "BAND_PAIRS", 1000)
    seen: list[slice] = []

    def progress(bands: Sequence[slice]) -> Iterator[slice]:
        for band in bands:
            seen.append(band)
            yield band

    rrl.compile("supervised()").to_scipy(classes(100), progress=progress)
    assert [row for band in seen for row in range(200)[band]] == list(range(200))
    assert len(seen) == 4  # 20 pairs a row
