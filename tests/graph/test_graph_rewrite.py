"""Recipes are simplified by the laws: to the same weights and draws, and this far."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import (
    batches,
    datasets,
    nodes_of,
    reference_rows_of,
    settings_of_a_run,
    spaces_of,
)
from random_recipes import Recipe, graph_of, recipes

import rrl_dsl as rrl
from rrl_dsl.backends import reference
from rrl_dsl.graph.identity import in_order
from rrl_dsl.graph.planner import Planner, compile_plan
from rrl_dsl.graph.rewrite import RULES, rewrite
from rrl_dsl.graph.streams import finished, streams_of
from rrl_dsl.graph.text import text_of
from rrl_dsl.graph.traversal import calls_of, walk

MODEST = settings(max_examples=120, deadline=None, derandomize=True, database=None)

CASES = [
    # rule, before, after
    ("associativity", "ssl() | (self() | cross_view())", "ssl() | self() | cross_view()"),
    ("associativity", "ssl() & (self() & supervised())", "ssl() & self() & supervised()"),
    ("idempotence", "ssl() | self() | ssl()", "ssl() | self()"),
    ("idempotence", "ssl() & ssl()", "ssl()"),
    ("idempotence", "let a = random(.5)\na | a", "random(p=0.5)"),
    ("idempotence", "all() - self() - self()", "all() - self()"),
    ("unit", "ssl() | none()", "ssl()"),
    ("unit", "none() | ssl()", "ssl()"),
    ("unit", "ssl() + none()", "ssl()"),
    ("unit", "none() + ssl() + none()", "ssl()"),
    ("unit", "ssl() - none()", "ssl()"),
    ("unit", "ssl() & all()", "ssl()"),
    ("unit", "all() & all() & ssl()", "ssl()"),
    ("zero", "ssl() & none()", "none()"),
    ("zero", "ssl() | all()", "all()"),
    ("zero", "none() - ssl()", "none()"),
    ("zero", "ssl() - all()", "none()"),
    ("zero", "let a = random(.5)\na - a", "none()"),
    ("zero", "2 * ssl() - ssl()", "2.0 * ssl() - ssl()"),
    ("absorption", "ssl() | (ssl() & random(.5))", "ssl()"),
    ("absorption", "ssl() & (random(.5) | ssl() | self())", "ssl()"),
    ("absorption", "2 * ssl() | (2 * ssl() & self())", "2.0 * ssl()"),
    ("contradiction", "ssl() & ~ssl()", "none()"),
    ("contradiction", "2 * ssl() & self() & ~(2 * ssl())", "none()"),
    ("double complement", "~~cross_view()", "cross_view()"),
    ("double complement", "~~(supervised() | drop_self())", "supervised() | drop_self()"),
    ("double complement", "~all()", "none()"),
    ("scaling", "1 * similarity(x)", "similarity(field=x)"),
    ("scaling", "0 * similarity(x)", "none()"),
    ("scaling", "1 * ssl()", "ssl()"),
    ("scaling", "3 * (2 * similarity(x))", "6.0 * similarity(field=x)"),
    ("scaling", "0.3 * (2 * ssl())", "0.6 * ssl()"),
    ("scaling", "0.1 * (0.3 * ssl())", "0.030000001 * ssl()"),  # 0.03 is another float32
    ("scaling", "5 * none()", "none()"),
    ("identity", "ssl() | keep(1)", "ssl()"),
    ("identity", "ssl() | corrupt()", "ssl()"),
    ("identity", "ssl() | threshold(0)", "ssl()"),
    ("identity", "ssl() | threshold(0.7)", "ssl()"),
    ("identity", "ssl() | clip()", "ssl()"),
    ("identity", "similarity(x) | clip(1)", "similarity(field=x)"),
    ("identity", "3 * ssl() | clip(3)", "3.0 * ssl()"),
    ("identity", "ssl() | power(3)", "ssl()"),
    ("identity", "similarity(x) | power(1)", "similarity(field=x)"),
    ("identity", "ssl() | during()", "ssl()"),
    ("identity", "cross_view() | drop_self()", "cross_view()"),
    ("identity", "ssl() | drop_self() | drop_self()", "ssl() | drop_self()"),
    ("identity", "knn(3) | drop_self()", "knn(k=3)"),
    ("identity", "ssl() | closure() | closure()", "ssl() | closure()"),
    ("nothing to transform", "none() | keep(0.5) | threshold(0) | topk(3) | during(4)", "none()"),
    ("threshold out of reach", "ssl() | threshold(1)", "none()"),
    ("threshold out of reach", "0.5 * ssl() | threshold(0.5)", "none()"),
    ("threshold out of reach", "similarity(x) | threshold(0.99999998)", "none()"),
    ("threshold out of reach", "(0.1 * ssl() + 0.2 * self()) | threshold(0.3)", "none()"),
    ("certain draw", "random(0)", "self()"),
    ("certain draw", "random(1)", "all()"),
    ("certain draw", "supervised() | keep(0)", "supervised() & self()"),
    ("certain draw", "supervised() | corrupt(tpr=0)", "supervised() & self()"),
]
STAY = [
    "2 * ssl() & all()",  # weights above 1
    "2 * ssl() | all()",
    "~~ssl()",  # has a diagonal
    "~~(2 * cross_view())",  # is not binary
    "random(.5) | random(.5)",  # two draws
    "random(.5) & random(.5)",
    "similarity(x) | threshold(0)",
    "similarity(x, kernel=dot) | clip(1)",
    "ssl() | clip(0.5)",
    "supervised() | drop_self()",
    "supervised(frac=linear(1, 1, epochs=3))",
    "random(linear(0, 0, epochs=3))",
    "none() | closure()",  # makes the diagonal
    "none() | corrupt(fpr=0.5)",
    "similarity(x) | keep(0)",
    "step(1, 1, at=3) * ssl()",
    "2 * (3 * similarity(x))",  # of a tiny weight, three times would be rounded first
    "3 * (2 * similarity(x, kernel=dot))",  # twice a huge weight stays at the largest number
    "0.3 * (0.7 * similarity(x))",
    "1e-30 * (1e-30 * ssl())",
    "similarity(x) | threshold(0.99999997)",
    "ssl() - self() - cross_view()",
    "ssl() + ssl()",
    "(ssl() - self()) | (self() - ssl())",
    "0.5 * ssl() | corrupt(fpr=0.5) | threshold(0.7)",  # what noise adds has weight 1
]


def simplified(text: str) -> tuple[rrl.Graph, list[str]]:
    graph, steps = rewrite(finished(rrl.parse(text)))
    return graph, [step.rule for step in steps]


@pytest.mark.parametrize(("rule", "before", "after"), CASES)
def test_rule(rule: str, before: str, after: str):
    graph, rules = simplified(before)
    assert text_of(graph) == after
    if text_of(rrl.parse(before)) != after:
        assert rule in rules


@pytest.mark.parametrize("text", STAY)
def test_graphs_without_an_applicable_rule_are_unchanged(text: str):
    graph = finished(rrl.parse(text))
    after, steps = rewrite(graph)
    assert after == graph
    assert steps == ()


def test_every_rule_has_a_case():
    assert {rule for rule, *_ in RULES} == {rule for rule, _, _ in CASES}


def test_equal_parts_become_one():
    graph, _ = simplified("(supervised() | drop_self()) + 2 * (supervised() | drop_self())")
    calls = [call for call in calls_of(graph) if call.signature.name == "drop_self"]
    assert len(calls) == 1


def test_parts_that_draw_apart_stay_two():
    graph, _ = simplified("(ssl() | keep(.5)) + (ssl() | keep(.5))")
    assert len([call for call in calls_of(graph) if call.facts.draws]) == 2
    graph, _ = simplified("(ssl() | keep(.5, seed=1)) + (ssl() | keep(.5, seed=1))")
    assert len([call for call in calls_of(graph) if call.facts.draws]) == 1


def test_contrast_is_simplified_too():
    graph, rules = simplified("ssl() | none()\ncontrast (all() & ~self()) | none()")
    assert text_of(graph) == "ssl()\ncontrast ~self()"
    assert rules


def test_program_tells_its_steps():
    program = rrl.compile("ssl(views=2) | none() | keep(1.0)")
    assert [str(step) for step in program.steps] == [
        "unit: ssl() | none()  ->  ssl()",
        "identity: ssl() | keep(p=1.0)  ->  ssl()",
    ]
    assert text_of(program.rewritten) == "ssl()"
    assert program.identity == program.graph.identity


def test_type_of_the_weights_is_the_recipe_s():
    program = rrl.compile("2 * ssl() | clip()")
    assert not program.binary
    assert text_of(program.rewritten) == "2.0 * ssl() | clip()"
    once = rrl.compile("(2 * ssl() | clip(2)) & all()")
    assert once(rrl.Nodes([0, 1])).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert once(rrl.Nodes([0, 1])).is_floating_point()


@pytest.mark.parametrize("text", ["1 * ssl()", "0 * similarity(x)", "similarity(x) | clip(0)"])
def test_graph_whose_weights_can_only_be_nought_or_one_is_binary(text: str):
    nodes = rrl.Nodes([0, 1], fields={"x": [[1.0], [2.0]]})
    program = rrl.compile(text)
    assert program.binary
    assert program(nodes).dtype == torch.bool
    left = rrl.compile(f"all() - ({text})")(nodes)
    assert torch.equal(left, ~program(nodes))
    program.plan = compile_plan(finished(program.graph), binary=True)
    assert torch.equal(program(nodes), ~left)


def test_sixty_four_levels_are_simplified_and_doubling_parts_do_not_multiply():
    text = "let a0 = random(.5) | none()\n" + "\n".join(
        f"let a{n + 1} = ~(a{n} & a{n})" for n in range(30)
    )
    graph, _ = simplified(f"{text}\na30")
    assert len(list(walk(graph))) < 40


@pytest.mark.parametrize(
    ("part", "end"),
    [
        ("0.5 * a{0} + 0.5 * a{0}", "threshold(0.5)"),  # a limit for each node
        ("(a{0} | keep(0.5)) & (a{0} | keep(0.6))", "drop_self()"),  # loops for each node
        ("a{0} + a{0}", "threshold(0.5)"),  # 2^20 terms of one sum
        ("(a{0} + a{0}) | clip(a)", "power(2)"),
    ],
)
def test_parts_that_double_are_looked_at_once(part: str, end: str):
    lets = "\n".join(f"let a{n + 1} = {part.format(n)}" for n in range(20))
    text = f"param a = 0.5\nlet a0 = similarity(x)\n{lets}\na20 | {end}"
    started = time.perf_counter()
    program = rrl.compile(text)
    assert len(program.plan.instructions) < 1000
    assert text_of(program.rewritten)
    assert program.identity
    assert time.perf_counter() - started < 5  # 2^20 steps would take minutes


@pytest.mark.parametrize("decimals", [False, True])
@MODEST
@given(data=st.data(), dataset=datasets(), run=settings_of_a_run)
def test_simplified_recipe_has_the_weights_of_the_recipe_to_the_last_bit(
    decimals: bool, data: st.DataObject, dataset: list[Row], run: dict[str, int]
):
    graph = finished(graph_of(data.draw(recipes(size=9, batch=True, decimals=decimals))))
    rows = data.draw(batches(dataset))
    times = {"epoch": run["epoch"], "step": run["step"], "spaces": spaces_of(rows)}
    program = rrl.compile(graph, seed=run["seed"])
    plain = rrl.compile(graph, seed=run["seed"])
    plain.plan = compile_plan(in_order(graph), binary=graph.binary)
    weights = program(nodes_of(rows), **times)
    assert torch.equal(weights, plain(nodes_of(rows), **times))
    after = program.rewritten
    assert set(streams_of(after).values()) <= {0, *streams_of(graph).values()}
    assert len(list(walk(after))) <= len(list(walk(in_order(graph)))) + 1


@MODEST
@given(recipes(size=9, batch=True))
def test_simplifying_twice_changes_nothing_more(recipe: Recipe):
    once, _ = rewrite(finished(graph_of(recipe)))
    again, steps = rewrite(once)
    assert again == once
    assert steps == ()


@MODEST
@given(st.data(), recipes(size=9, batch=True), datasets(), settings_of_a_run)
def test_weights_and_loops_respect_the_static_facts(
    data: st.DataObject, recipe: Recipe, dataset: list[Row], run: dict[str, int]
):
    rows = reference_rows_of(data.draw(batches(dataset)))
    graph = in_order(finished(graph_of(recipe)))
    weights = reference.evaluate(graph, rows, **run)
    weight = Planner().weight(graph)
    assert weights.max() <= weight.high
    if weight.loopless:
        assert not np.diagonal(weights).any()


@pytest.mark.parametrize(
    "text",
    [
        "all() - (ssl() - self())",
        "all() + (ssl() - self())",
        "all() - (ssl() | self())",
        "(all() | ssl()) & self()",
        "ssl() | (self() | keep(p=0.5)) & all()",
        "~(ssl() & self())",
        "2.0 * (ssl() + self())",
        "ssl() | keep(p=0.5) | (self() | keep(p=0.5))",
    ],
)
def test_brackets_stand_where_they_are_needed_and_nowhere_else(text: str):
    assert text_of(rrl.parse(text)) == text


@MODEST
@given(recipes(size=8, batch=True, bound=True))
def test_text_of_a_graph_defines_it(recipe: Recipe):
    graph = graph_of(recipe)
    again = rrl.parse(text_of(graph))
    assert again == graph
    assert text_of(again) == text_of(graph)
