"""`a @ b` by its definition, one path at a time, and its laws."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rrl_dsl as rrl
from rrl_dsl.backends.reference import Rows, evaluate
from rrl_dsl.graph import composition
from rrl_dsl.language.diagnostics import RRLError

MODEST = settings(max_examples=30, deadline=None, derandomize=True, database=None)
SAMPLES = 7

labels = st.lists(st.integers(-1, 2), min_size=SAMPLES, max_size=SAMPLES)
vectors = st.lists(
    st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=SAMPLES, max_size=SAMPLES
)
graphs = st.sampled_from(
    [
        "supervised(labels=p)",
        "supervised(labels=d, frac=0.6)",
        "near(t, 1)",
        "similarity(v)",
        "(0.5 * supervised(labels=p))",
        "(ssl() | random(0.2))",
        "~supervised(labels=d)",
        "knn(2, space=v)",
        "(self() | corrupt(fpr=0.2))",
        "none()",
    ]
)


def nodes_of(p: list[int], d: list[int], v: list[tuple[int, int]]) -> rrl.Nodes:
    fields = {"t": np.arange(SAMPLES) * 0.7, "v": np.array(v) + 0.5}
    return rrl.Nodes(range(SAMPLES), labels={"p": p, "d": d}, fields=fields)


def weights_of(recipe: str, dataset: rrl.Nodes, rows: rrl.Nodes | None = None) -> np.ndarray:
    program = rrl.compile(recipe).bind(dataset)
    return program(dataset if rows is None else rows).float().numpy()


def by_definition(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    there = np.zeros_like(a)
    for i in range(len(a)):
        for j in range(len(a)):
            there[i, j] = max(min(a[i, k], b[k, j]) for k in range(len(a)))
    return np.maximum(there, there.T)


@MODEST
@given(graphs, graphs, labels, labels, vectors)
def test_every_evaluation_is_the_definition(a: str, b: str, p: list, d: list, v: list):
    dataset = nodes_of(p, d, v)
    recipe = f"{a} @ {b}"
    # streams count over the whole recipe: the operands draw as in it
    graph = rrl.compile(recipe).graph
    from rrl_dsl.graph.streams import finished

    left, right = (rrl.compile(operand) for operand in finished(graph).operands)
    wanted = by_definition(
        *(operand.bind(dataset)(dataset).float().numpy() for operand in (left, right))
    )
    program = rrl.compile(recipe).bind(dataset)
    assert np.array_equal(program(dataset).float().numpy(), wanted)
    assert np.array_equal(program.to_scipy(dataset).toarray(), wanted)
    blocked = program.relate(dataset, strategy="blocked")
    torch.testing.assert_close(blocked.degree(), program.relate(dataset).degree())
    few = dataset[torch.tensor([5, 1, 2])]
    assert np.array_equal(program(few).float().numpy(), wanted[np.ix_([5, 1, 2], [5, 1, 2])])
    rows = Rows(
        dataset.sample.numpy(),
        dataset.view.numpy(),
        {name: label.numpy() for name, label in dataset.labels.items()},
        {name: field.numpy() for name, field in dataset.fields.items()},
    )
    assert np.array_equal(evaluate(rrl.parse(recipe), rows, dataset=rows), wanted)


@MODEST
@given(graphs, graphs, graphs, labels, labels, vectors)
def test_laws(a: str, b: str, c: str, p: list, d: list, v: list):
    dataset = nodes_of(p, d, v)
    fixed = [
        text.replace("0.6", "0.6, seed=1").replace("0.2)", "0.2, seed=2)") for text in (a, b, c)
    ]
    a, b, c = fixed
    assert np.array_equal(weights_of(f"{a} @ {b}", dataset), weights_of(f"{b} @ {a}", dataset))
    both = weights_of(f"({a} | {b}) @ {c}", dataset)
    assert np.array_equal(both, weights_of(f"{a} @ {c} | {b} @ {c}", dataset))
    assert not weights_of(f"{a} @ none()", dataset).any()
    assert rrl.parse(f"{a} @ {b}").symmetric
    binary = rrl.parse(a).binary and rrl.parse(b).binary
    assert rrl.parse(f"{a} @ {b}").binary == binary


def test_views_of_a_sample_are_one_node():
    dataset = rrl.Nodes(range(3), labels={"label": [0, 0, 1]})
    rows = rrl.Nodes([0, 0, 1, 2], [0, 1, 0, 1], labels={"label": [0, 0, 0, 1]})
    program = rrl.compile("supervised() @ ssl()").bind(dataset)
    assert torch.equal(program(rows), rrl.compile("supervised()")(rows))


def test_a_composition_is_the_same_graph_in_text_and_in_python():
    graph = rrl.ssl() @ rrl.supervised()
    assert graph == rrl.parse("ssl() @ supervised()") == rrl.supervised() @ rrl.ssl()
    assert graph != rrl.ssl() & rrl.supervised()
    text = "2.0 * ssl() @ (supervised() | ssl()) | ~(ssl() @ (ssl() @ self()))"
    assert str(rrl.parse(text)) == text
    assert rrl.parse("none() @ ssl()") != rrl.none()
    assert rrl.compile("none() @ ssl()").rewritten == rrl.none()
    program = rrl.compile(graph)
    assert program.requires.bound
    assert program.requires.labels == ("label",)
    with pytest.raises(RRLError, match="RRL403"):
        program(rrl.Nodes(range(3)))


def test_too_many_paths(monkeypatch: pytest.MonkeyPatch):
    dataset = rrl.Nodes(range(30), labels={"label": [0] * 30})
    monkeypatch.setattr(composition, "MOST_PATHS", 26_999)
    with pytest.raises(RRLError, match=r"RRL431.*27,000 paths, and the limit is 26,999"):
        rrl.compile("supervised() @ supervised()").bind(dataset)
    monkeypatch.setattr(composition, "MOST_PATHS", 27_000)
    assert rrl.compile("supervised() @ supervised()").bind(dataset)(dataset).all()


def test_errors_of_files_inside_a_composition(tmp_path: Path):
    (tmp_path / "links.csv").write_text("0,9\n")
    graph = rrl.parse('pairs("links.csv") @ ssl()', directory=tmp_path)
    with pytest.raises(RRLError, match="RRL416"):
        rrl.compile(graph).bind(rrl.Nodes(range(3)))


def test_noise_inside_a_composition_is_distinguished_from_its_edges():
    dataset = rrl.Nodes(range(20), labels={"label": np.arange(20) // 2})
    program = rrl.compile("(supervised() | corrupt(fpr=0.2)) @ supervised()").bind(dataset)
    clean = program.without_noise()(dataset)
    assert torch.equal(clean, rrl.compile("supervised()")(dataset))
    assert program(dataset).sum() > clean.sum()
