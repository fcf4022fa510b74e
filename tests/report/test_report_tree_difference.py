"""Differences of trees: all nodes appear, and common subtrees are unchanged."""

from collections import Counter

import pytest
from hypothesis import given, settings
from random_recipes import graph_of, recipes

import rrl_dsl as rrl
from rrl_dsl.report import tree_difference as module
from rrl_dsl.report.tree import tree_of
from rrl_dsl.report.tree_difference import tree_difference
from rrl_dsl.show.tree import Branch

MODEST = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def difference(one: str, other: str) -> list[str]:
    return [str(line) for line in tree_difference(rrl.parse(one), rrl.parse(other))]


def labels(branch: Branch) -> Counter[str]:
    return sum((labels(child) for child in branch.children), Counter({branch.label: 1}))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("ssl() | self()", "self() | ssl()", []),
        ("ssl(2)", "ssl(3)", ["- ssl()", "+ ssl(views=3)"]),
        (
            "ssl() | supervised()",
            "ssl() | supervised() | keep(.5)",
            ["+ keep(p=0.5)", "    union", "      ssl()", "      supervised()"],
        ),
        (
            "ssl() | supervised() | keep(.5)",
            "supervised(labels=coarse) | ssl() | keep(.9)",
            [
                "- keep(p=0.5)",
                "+ keep(p=0.9)",
                "    union",
                "-     supervised()",
                "+     supervised(labels=coarse)",
                "      ssl()",
            ],
        ),
        (
            "ssl()",
            "(ssl() & cross_view()) | supervised()",
            [
                "+ union",
                "+   intersection",
                "      ssl()",
                "+     cross_view()",
                "+   supervised()",
            ],
        ),
        (
            "all() - ssl()",
            "ssl() - all()",
            ["  difference", "-   all()", "+   ssl()", "-   ssl()", "+   all()"],
        ),
        (
            "ssl() | clip()",
            "ssl() | clip() | clip(max=.5)",
            ["+ clip(max=0.5)", "    clip()", "      ssl()"],
        ),
        (
            "ssl() | clip() | keep(.5) | clip(max=.5)",
            "ssl() | clip()",
            ["- clip(max=0.5)", "-   keep(p=0.5)", "      clip()", "        ssl()"],
        ),
        ("ssl()", "ssl()\ncontrast self()", ["+ graph and contrast", "    ssl()", "+   self()"]),
        ("all()", "none()", ["- all()", "+ none()"]),
        (
            "let a = ssl() & all()\n(a | self()) + a",
            "let a = ssl() & all()\na + a",
            [
                "  sum",
                "    #1 intersection",
                "      ssl()",
                "      all()",
                "-   union",
                "      #1, as above",
                "-     self()",
            ],
        ),
    ],
)
def test_difference_of_two_recipes(one: str, other: str, expected: list[str]):
    assert difference(one, other) == expected


@MODEST
@given(recipes(), recipes())
def test_no_node_is_lost_and_none_made_up(one, other):
    before, after = graph_of(one), graph_of(other)
    lines = tree_difference(before, after)
    if before == after:
        assert lines == []
        return
    trees = labels(tree_of(before)), labels(tree_of(after))
    if any(label.startswith("#") for tree in trees for label in tree):
        return  # a part that occurs once in one tree may occur twice in the other
    for mark, tree in zip("-+", trees, strict=True):
        assert Counter(line.label for line in lines if line.mark in (" ", mark)) == tree


@MODEST
@given(recipes())
def test_a_wrapped_recipe_is_unchanged(recipe):
    graph = graph_of(recipe)
    lines = tree_difference(graph, graph | rrl.clip(max=0.5))
    assert [line.mark for line in lines] == ["+", *" " * (len(lines) - 1)]


def test_the_order_of_random_calls_does_not_change_the_tree():
    lines = difference(
        "(supervised(.5) & self()) | (supervised(.5) - self())",
        "(supervised(.5) - self()) | (supervised(.5) & self())",
    )
    assert lines
    assert {line[0] for line in lines} == {" "}


def test_thousands_of_operands_are_compared_with_a_few_others(monkeypatch):
    compared = []

    def most_alike(node, others):
        compared.append(len(others))
        return real(node, others)

    real = module._most_alike
    monkeypatch.setattr(module, "_most_alike", most_alike)
    one = " | ".join(f"near(a{n},1)" for n in range(2_500))
    other = " | ".join(f"near(b{n}, 1)" for n in range(2_500))
    assert len(difference(one, other)) == 5_001
    assert sum(compared) <= 2_500 * module._LOOKED_AT
