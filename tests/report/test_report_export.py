"""Graphs of a batch as files for other programs."""

from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

import rrl_dsl as rrl
from rrl_dsl.data import digits
from rrl_dsl.report import export
from rrl_dsl.report.sample import Sample, sample_of


@pytest.fixture(scope="module")
def sample() -> Sample:
    graph = rrl.parse("0.5 * ssl() | supervised(labels=coarse, frac=.5) | corrupt(fpr=.05)")
    return sample_of(graph, digits.columns(), samples=12)


def test_arrays_hold_the_graph_and_its_rows(sample: Sample, tmp_path: Path):
    export.save(sample, tmp_path / "graph.npz")
    with np.load(tmp_path / "graph.npz") as arrays:
        np.testing.assert_array_equal(arrays["weights"], sample.weights)
        np.testing.assert_array_equal(arrays["sample"], sample.rows.sample)
        np.testing.assert_array_equal(arrays["view"], [0, 1] * 12)
        np.testing.assert_array_equal(arrays["label_coarse"], sample.rows.label("coarse"))
        np.testing.assert_array_equal(arrays["false"], sample.false)


def test_graphml_is_read_back_as_the_same_graph(sample: Sample, tmp_path: Path):
    export.save(sample, tmp_path / "graph.graphml")
    graph = nx.read_graphml(tmp_path / "graph.graphml", node_type=int)
    weights = nx.to_numpy_array(graph, nodelist=range(24))
    np.testing.assert_array_equal(weights, np.where(sample.related, sample.weights, 0))
    names = sample.columns.class_names["coarse"]
    for row, values in graph.nodes(data=True):
        assert values["sample"] == sample.rows.sample[row]
        assert values["label_coarse"] == names[sample.rows.label("coarse")[row]]
    one, other = next((a, b) for a, b, false in graph.edges(data="false") if false)
    assert sample.false is not None
    assert sample.false[one, other]


def test_graphml_is_well_formed_with_any_class_name(sample: Sample, tmp_path: Path):
    strange = [*map(chr, range(32)), "\x7f", "\x85", "\u2028", "\ud800", "\ufffe", "\uffff", "]]>"]
    count = len(sample.columns.class_names["label"])
    for start in range(0, len(strange), count):
        names = [f"a{text}<&b" for text in [*strange[start:], *strange][:count]]
        named = {**sample.columns.class_names, "label": tuple(names)}
        columns = replace(sample.columns, class_names=named)
        export.save(replace(sample, columns=columns), tmp_path / "graph.graphml")
        graph = nx.read_graphml(tmp_path / "graph.graphml", node_type=int)
        for row, values in graph.nodes(data=True):
            name = names[sample.rows.label("label")[row]]
            if all(
                character.isprintable() or character in "\t\n\x7f\x85\u2028" for character in name
            ):
                assert values["label_label"] == name
            else:
                assert values["label_label"] == f"a{ascii(name[1])[1:-1]}<&b"


def test_dot_has_a_line_for_each_row_and_each_edge(sample: Sample, tmp_path: Path):
    export.save(sample, tmp_path / "graph.dot")
    first, *lines, last = (tmp_path / "graph.dot").read_text().splitlines()
    assert (first, last) == ("graph {", "}")
    assert lines[0].startswith(f'  0 ["sample"="{sample.rows.sample[0]}", "view"="0", ')
    assert sum(" -- " in line for line in lines) == np.triu(sample.related).sum()
    assert len(lines) == 24 + np.triu(sample.related).sum()


def test_directed_graph_is_written_as_one(tmp_path: Path):
    graph = rrl.knn(200, space="pixels", directed=True)
    directed = sample_of(graph, digits.columns(), samples=12)
    export.save(directed, tmp_path / "graph.dot")
    first, *lines, _ = (tmp_path / "graph.dot").read_text().splitlines()
    assert first == "digraph {"
    assert (directed.related != directed.related.T).any()
    arrows = {tuple(map(int, line.split(" [")[0].split("->"))) for line in lines if " -> " in line}
    assert arrows == set(map(tuple, np.argwhere(directed.related).tolist()))
