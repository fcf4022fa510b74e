"""Trees of recipes, and samples of their graphs."""

import numpy as np
import pytest

import rrl_dsl as rrl
from rrl_dsl.backends import reference
from rrl_dsl.data import digits
from rrl_dsl.report.sample import sample_of
from rrl_dsl.report.tree import tree_of
from rrl_dsl.show.tree import tree_lines

COLUMNS = digits.columns()


def test_part_that_is_used_twice_stands_once():
    graph = rrl.parse("let a = ssl() | keep(.5)\nlet b = a & ~a\n(b | b) + b - self()")
    assert tree_lines(tree_of(graph)) == [
        "difference",
        "├─ sum",
        "│  ├─ union",
        "│  │  ├─ #1 intersection",
        "│  │  │  ├─ #2 keep(p=0.5)",
        "│  │  │  │  └─ ssl()",
        "│  │  │  └─ complement",
        "│  │  │     └─ #2, as above",
        "│  │  └─ #1, as above",
        "│  └─ #1, as above",
        "└─ self()",
    ]


def test_parts_that_double_make_no_larger_tree_than_graph():
    lets = "\n".join(f"let a{n + 1} = (a{n} & a{n}) | self()" for n in range(30))
    graph = rrl.parse(f"let a0 = random(.5) | self()\n{lets}\na30")
    assert len(tree_lines(tree_of(graph))) < 150


def test_contrast_is_a_part_of_the_tree():
    lines = tree_lines(tree_of(rrl.parse("ssl()\ncontrast all() - self()")))
    assert lines == [
        "graph and contrast",
        "├─ ssl()",
        "└─ difference",
        "   ├─ all()",
        "   └─ self()",
    ]


def test_sample_is_a_sub_matrix_of_the_graph_over_the_data_set():
    graph = rrl.parse("ssl() | supervised(frac=.5, labels=coarse) | corrupt(fpr=.05)")
    found = sample_of(graph, COLUMNS, samples=20, seed=3)
    again = reference.evaluate(graph, found.rows, seed=3)
    np.testing.assert_array_equal(found.weights, again)
    assert len(found.rows) == 40
    assert found.rows.view.tolist() == [0, 1] * 20
    assert set(found.rows.sample) <= set(COLUMNS.sample)
    assert found.false is not None
    assert (found.false <= found.related).all()


def test_figures_of_a_sample_count_no_row_with_itself():
    found = sample_of(rrl.ssl(views=3), COLUMNS, samples=10)
    assert (found.edges, found.degree) == (2, 2)
    assert found.density == pytest.approx(2 / 29)
    assert found.false_share is None
    assert sample_of(rrl.self(), COLUMNS, samples=10).edges == 0


def test_more_samples_than_there_are_is_all_of_them():
    assert len(sample_of(rrl.none(), COLUMNS, samples=10**6).rows) == len(COLUMNS.sample)
