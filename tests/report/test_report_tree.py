"""Trees of recipes."""

import rrl_dsl as rrl
from rrl_dsl.report.tree import tree_of
from rrl_dsl.show.tree import tree_lines


def test_a_shared_subgraph_appears_once():
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
