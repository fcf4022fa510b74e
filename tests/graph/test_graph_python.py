"""Recipes built in Python: operators, factors, transforms, and errors."""

import fractions
import operator
from collections.abc import Callable

import numpy as np
import pytest
from python_errors import refusal

import rrl_dsl as rrl


@pytest.mark.parametrize(
    "two",
    [
        2,
        2.0,
        np.float32(2),
        np.float64(2),
        np.int64(2),
        np.uint8(2),
        np.float16(2),
        fractions.Fraction(2),
    ],
    ids=lambda value: type(value).__name__,
)
def test_number_of_any_kind_scales_from_either_side(two: object):
    graph = rrl.ssl()
    assert two * graph == graph * two == rrl.parse("2 * ssl()")
    assert isinstance(two * graph, rrl.Graph)


def test_numpy_scalars_are_arguments():
    assert rrl.ssl(np.int64(3)) == rrl.ssl(3)
    assert rrl.random(np.float64(0.5), seed=np.uint32(4)) == rrl.random(0.5, seed=4)
    assert rrl.ssl() | rrl.threshold(np.int8(0)) == rrl.ssl() | rrl.threshold(0)
    assert rrl.compile("ssl()", seed=np.uint64(2**64 - 1)).seed == 2**64 - 1


@pytest.mark.parametrize(
    ("factor", "code"),
    [
        (-1, "RRL301"),
        (float("nan"), "RRL301"),
        (float("inf"), "RRL301"),
        (10**400, "RRL301"),
        (True, "RRL201"),
        (np.True_, "RRL201"),
        ("2", "RRL201"),
        (None, "RRL201"),
        (2j, "RRL201"),
    ],
)
def test_other_factors_are_refused(factor: object, code: str):
    assert refusal(lambda: rrl.ssl() * factor)[0] == code
    assert refusal(lambda: rrl.ssl().__rmul__(factor))[0] == code


def test_two_graphs_have_no_product():
    code, message = refusal(lambda: rrl.ssl() * rrl.self())
    assert (code, message) == ("RRL201", "`*` takes a number and a graph, not two graphs")


@pytest.mark.parametrize("sign", ["__or__", "__and__", "__add__", "__sub__"])
@pytest.mark.parametrize("other", [3, "ssl", None, [], np.zeros((2, 2))], ids=repr)
def test_only_graphs_are_joined(sign: str, other: object):
    code, message = refusal(lambda: getattr(rrl.ssl(), sign)(other))
    assert code == "RRL201"
    assert "takes two graphs" in message


def test_array_on_the_left_does_not_become_an_array_of_graphs():
    with pytest.raises((TypeError, rrl.RRLError)):
        np.arange(3) * rrl.ssl()
    with pytest.raises((TypeError, rrl.RRLError)):
        np.arange(3) | rrl.keep(0.5)


# transforms


def test_composed_transforms_are_a_transform_and_compose_again():
    noise = rrl.keep(0.9) | rrl.drop_self() | rrl.clip(0.5)
    assert isinstance(noise, rrl.Transform)
    text = "let noise = keep(.9) | drop_self() | clip(.5)\nssl() | noise"
    assert rrl.ssl() | noise == rrl.parse(text)
    assert str(noise) == "keep(p=0.9) | drop_self() | clip(max=0.5)"


def test_transform_reaches_everything_on_its_left():
    a, b = rrl.ssl(), rrl.supervised()
    assert a | b | rrl.drop_self() == (a | b) | rrl.drop_self()
    assert a | (b | rrl.drop_self()) != a | b | rrl.drop_self()


def test_transform_of_more_steps_than_a_graph_has_levels_is_refused():
    noise: rrl.Transform = rrl.keep(0.9)
    for _ in range(62):
        noise = noise | rrl.keep(0.9)
    assert (rrl.ssl() | noise).depth == 64
    assert refusal(lambda: noise | rrl.keep(0.9))[0] == "RRL302"


def test_transform_before_a_graph_is_refused():
    code, message = refusal(lambda: rrl.keep(0.9) | rrl.ssl())
    assert (code, message) == ("RRL203", "`keep` is a transform and needs a graph on its left")


@pytest.mark.parametrize("sign", ["__and__", "__add__", "__sub__"])
def test_other_operators_refuse_a_transform(sign: str):
    assert refusal(lambda: getattr(rrl.ssl(), sign)(rrl.keep(0.9)))[0] == "RRL201"


def test_a_transform_alone_is_not_a_recipe():
    code, _ = refusal(lambda: rrl.compile(rrl.keep(0.9)))
    assert code == "RRL204"


def test_weighted_graph_is_not_taken_away():
    assert refusal(lambda: rrl.all() - 2 * rrl.ssl())[0] == "RRL205"
    assert refusal(lambda: rrl.all() - (rrl.ssl() | rrl.clip(0.5)))[0] == "RRL205"
    assert (rrl.all() - (2 * rrl.ssl() | rrl.threshold(0))).binary


@pytest.mark.parametrize(
    ("text", "binary"),
    [
        ("ssl()", True),
        ("ssl() | self()", True),
        ("ssl() & self()", True),
        ("ssl() - self()", True),
        ("ssl() + self()", False),
        ("1 * ssl()", True),
        ("1 * (2 * ssl())", False),
        ("linear(1, 1, epochs=3) * ssl()", False),
        ("0 * similarity(x)", True),
        ("similarity(x) | clip(0)", True),
        ("all() - 1 * ssl()", True),
        ("~(2 * ssl())", True),
        ("2 * ssl() | self()", False),
        ("2 * ssl() - self()", False),
        ("2 * ssl() | threshold(1)", True),
        ("2 * ssl() | keep(.5)", False),
        ("ssl() | corrupt(fpr=.5)", True),
        ("ssl() | clip(1)", True),
        ("ssl() | clip(2)", True),
        ("ssl() | clip(.5)", False),
        ("2 * ssl() | clip(1)", False),
        ("ssl() | power(3) | drop_self() | during(1)", True),
    ],
)
def test_which_graphs_are_binary(text: str, binary: bool):
    assert rrl.parse(text).binary is binary
    assert rrl.compile(text).binary is binary


@pytest.mark.parametrize("read", [rrl.compile, rrl.parse])
@pytest.mark.parametrize("path", ["a/b.rrl", "my recipes/b.rrl", r"C:\b.rrl", "b.rrl\n"])
def test_path_in_place_of_a_text_says_what_reads_files(read: Callable[..., object], path: str):
    code, message = refusal(lambda: read(path))
    assert code == "RRL210"
    assert message.endswith("is the path of a recipe, not its text")
    with pytest.raises(rrl.RRLError, match=r"use `rrl.load\(.*\)` to read the file"):
        read(path)


@pytest.mark.parametrize("value", [None, 3, b"ssl()", ["ssl()"], rrl.ssl(), rrl.ssl])
def test_load_refuses_other_types(value: object):
    assert refusal(lambda: rrl.parse(value))[0] == "RRL210"
    assert refusal(lambda: rrl.load(value))[0] == "RRL210"


def test_load_of_a_text_names_parse():
    message = "`ssl(views=2)` is the text of a recipe, not its path"
    assert refusal(lambda: rrl.load("ssl(views=2)")) == ("RRL210", message)


@pytest.mark.parametrize(
    ("name", "meant"), [("supervized", "supervised"), ("SSL", "ssl"), ("compil", "compile")]
)
def test_misspelled_function_suggests_one(name: str, meant: str):
    with pytest.raises(AttributeError, match=f"`{name}`; did you mean `{meant}`?"):
        getattr(rrl, name)
    assert not hasattr(rrl, "nothing_like_this")


# what Python would take for something else


@pytest.mark.parametrize(
    "build",
    [
        lambda a, b: a and b,
        lambda a, b: a or b,
        lambda a, b: not a,
        lambda a, b: b if a else a,
        lambda a, b: any([a, b]),
    ],
    ids=["and", "or", "not", "if", "any"],
)
def test_graph_and_transform_have_no_truth(build: Callable[..., object]):
    assert refusal(lambda: build(rrl.ssl(), rrl.supervised()))[0] == "RRL201"
    assert refusal(lambda: build(rrl.keep(0.9), rrl.drop_self()))[0] == "RRL201"


@pytest.mark.parametrize("sign", ["|", "&", "+", "-"])
@pytest.mark.parametrize(
    "other", [3, "ssl()", None, [], {}, {1}, rrl.supervised, np.zeros(2)], ids=type
)
def test_left_operands_that_are_not_graphs_are_refused(sign: str, other: object):
    join = {"|": operator.or_, "&": operator.and_, "+": operator.add, "-": operator.sub}[sign]
    code, message = refusal(lambda: join(other, rrl.ssl()))
    assert code == "RRL201"
    assert message.startswith(f"`{sign}` takes two graphs, not ")


def test_function_that_is_not_called_is_named():
    _, message = refusal(lambda: rrl.ssl() | rrl.supervised)
    assert message == "`|` takes two graphs, not the function `supervised`, which is not called"


def test_builtin_sum_needs_a_start_graph():
    graphs = [rrl.ssl(), rrl.supervised()]
    with pytest.raises(rrl.RRLError, match=r"write `sum\(graphs, rrl.none\(\)\)`"):
        sum(graphs)
    program = rrl.compile(sum(graphs, rrl.none()))
    assert program.rewritten == graphs[0] + graphs[1]
