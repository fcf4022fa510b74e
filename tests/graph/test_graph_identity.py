"""The identity of a recipe: blind to how it was written, awake to everything that matters."""

import json
import re

import pytest
from hypothesis import given, settings
from random_recipes import Recipe, graph_of, recipes, text_of

import rrl_dsl as rrl
from rrl_dsl.graph.identity import canonical

MODEST = settings(max_examples=60, deadline=None, derandomize=True, database=None)

GOLDEN = {
    "ssl(views=2)": "06f498aa71f850715192323d7af6daafcf31602baf4c7f689b17ae5884581d38",
    "ssl(views=2) | supervised(frac=0.3, labels=coarse)": (
        "cc8cb81868b0cbdfa44b33752f53d898138fd925f6db5060faa0fcfd0a87e463"
    ),
    "ssl() | supervised(frac=.3, labels=coarse) | corrupt(fpr=0.05, unit=row, redraw=epoch)": (
        "b780c56e26edced68baa3b4bf855be3e995b994569dedd6682fcd8f85066b72e"
    ),
    "let a = random(0.5)\n(a + 2 * ~a) - cross_view() | threshold(0.5) | keep(0.9, seed=7)": (
        "104060ed85c6886b7de1d7f0d3fdb21fb8d20095c6acec48d804bc10d66698aa"
    ),
    "supervised(labels=fine, per_class=5) & all() | clip(max=0.5) | power(2)"
    " | during(start=3, end=9) | drop_self() | during(1)": (
        "8288d2358920e01bde9d3fb6b7618e69ee6128ca611f079ad2ddc8b6499985ff"
    ),
    "ssl() + self() + ssl()": "53c8e91113f506d3268ccd6c25c233e45be69ed640e168bccde2cbab6084540a",
}


@pytest.mark.parametrize(("text", "identity"), GOLDEN.items())
def test_identity_is_stable_across_releases(text: str, identity: str):
    assert rrl.parse(text).identity == identity


def test_canonical_form_is_the_json_of_the_reference():
    text = "param f = 0.3\nlet u = all()\nssl(views=2) | supervised(f, labels=coarse) | keep(.9)"
    assert json.loads(canonical(rrl.parse(text))) == {
        "language": 1,
        "nodes": [
            {
                "call": "supervised",
                "with": {"frac": 0.3, "labels": "coarse"},
                "stream": 0x56F3B640,
            },
            {"call": "ssl"},
            {"operator": "|", "of": [0, 1]},
            {"call": "keep", "with": {"p": 0.9}, "stream": 0xCD7F00E3, "of": [2]},
        ],
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ssl(views=2)", "# a comment\nssl( views = 2, ) # another"),
        ("ssl(views=2)", "rrl 1\nssl(views=2)"),
        ("ssl(views=2)", "let unused = random(0.5)\nparam f = 3\nssl(views=2)"),
        ("ssl()", "ssl(views=2)"),
        ("ssl(3)", "ssl(views=3)"),
        ("supervised()", "supervised(frac=1.0, labels=label)"),
        ("supervised(frac=1)", "supervised(frac=1.0)"),
        ("supervised(frac=.3, labels=fine)", "supervised(labels='fine', frac=0.30)"),
        ("supervised(seed=3)", "supervised()"),  # all labels known: nothing is drawn
        ("ssl() | keep(0.9)", "ssl() | keep(p=9e-1, unit=sample, redraw=never)"),
        ("ssl() | corrupt()", "ssl() | corrupt(tpr=1.0, fpr=0)"),
        ("ssl() | corrupt(fpr=-0.0)", "ssl() | corrupt()"),
        ("-0.0 * ssl()", "0 * ssl()"),
        ("ssl() | self()", "self() | ssl()"),
        ("ssl() & self()", "self() & ssl()"),
        ("ssl() + 2 * self()", "self() * 2 + ssl()"),
        ("ssl() | self() | all()", "all() | ssl() | self()"),
        ("ssl() | (self() | all())", "(self() | all()) | ssl()"),
        ("ssl() & (self() & all())", "self() & all() & ssl()"),
        ("ssl() + (self() + ssl())", "ssl() + ssl() + self()"),
        ("(ssl() | self()) & all()", "all() & (self() | ssl())"),
        ("let a = ssl()\nlet b = a | self()\nb & a", "(ssl() | self()) & ssl()"),
        ("let n = keep(.9) | drop_self()\nssl() | n", "ssl() | keep(.9) | drop_self()"),
        ("param f = 0.3\nsupervised(frac=f)", "supervised(frac=0.3)"),
        ("let k = 2 * 3\nk * ssl()", "6 * ssl()"),
    ],
)
def test_identity_is_blind_to_how_a_recipe_is_written(one: str, other: str):
    assert rrl.parse(one).identity == rrl.parse(other).identity
    assert rrl.parse(one) == rrl.parse(other)
    assert hash(rrl.parse(one)) == hash(rrl.parse(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ssl(views=2)", "ssl(views=3)"),
        ("supervised(labels=fine)", "supervised(labels=coarse)"),
        ("supervised(frac=0.3)", "supervised(frac=0.31)"),
        ("supervised(frac=0.3)", "supervised(frac=0.3, seed=0)"),
        ("supervised(frac=0.3, seed=0)", "supervised(frac=0.3, seed=1)"),
        ("supervised(per_class=3)", "supervised(per_class=4)"),
        ("ssl() | keep(.9)", "ssl() | keep(.9, unit=row)"),
        ("ssl() | keep(.9)", "ssl() | keep(.9, redraw=epoch)"),
        ("ssl() | keep(.9)", "ssl() | corrupt(tpr=.9)"),  # other streams
        ("ssl() | keep(.9)", "ssl() | keep(.9) | keep(.9)"),
        ("let t = keep(.9)\nssl() | t | t", "ssl() | keep(.9) | keep(.9)"),
        ("ssl() | during(1)", "ssl() | during(1, 2)"),
        ("ssl() | self()", "ssl() & self()"),
        ("ssl() | self()", "ssl() + self()"),
        ("ssl() - self()", "self() - ssl()"),
        ("ssl() + ssl()", "ssl()"),
        ("ssl() + ssl()", "ssl() + ssl() + ssl()"),
        ("ssl() - (all() - self())", "ssl() - all() - self()"),
        ("ssl() | (self() & all())", "(ssl() | self()) & all()"),
        ("2 * ssl()", "3 * ssl()"),
        ("~ssl()", "~~ssl()"),
        ("let a = random(.5)\na | a", "random(.5) | random(.5)"),
        ("let a = random(.5)\na & ~a", "random(.5) & ~random(.5)"),
        ("random(.5) | random(.6)", "random(.6) | random(.5)"),  # the first has the first stream
        ("ssl() | keep(.9) | clip(.5)", "ssl() | clip(.5) | keep(.9)"),
    ],
)
def test_identity_tells_apart_what_differs(one: str, other: str):
    assert rrl.parse(one).identity != rrl.parse(other).identity
    assert rrl.parse(one) != rrl.parse(other)


def test_calls_with_seeds_of_their_own_change_places_freely():
    one = rrl.parse("random(.5, seed=1) | random(.6, seed=2)")
    assert one == rrl.parse("random(.6, seed=2) | random(.5, seed=1)")


@MODEST
@given(recipes(size=8, bound=True, batch=True))
def test_text_and_python_give_the_same_graph(recipe: Recipe):
    built, read = graph_of(recipe), rrl.parse(text_of(recipe))
    assert canonical(built) == canonical(read)
    assert built == read
    assert built.binary == read.binary
    assert built.depth == read.depth


@MODEST
@given(recipes(size=8))
def test_identity_is_a_sha_256_and_does_not_change_by_asking(recipe: Recipe):
    graph = graph_of(recipe)
    assert re.fullmatch(r"[0-9a-f]{64}", graph.identity)
    assert graph.identity == graph_of(recipe).identity == rrl.compile(graph).identity


@pytest.mark.parametrize(
    ("text", "graph"),
    [
        ("ssl(views=2)", lambda: rrl.ssl(views=2)),
        ("ssl(2) | supervised(.3, coarse)", lambda: rrl.ssl(2) | rrl.supervised(0.3, "coarse")),
        ("ssl() & ~self()", lambda: rrl.ssl() & ~rrl.self()),
        ("2 * ssl() + self() * .5", lambda: 2 * rrl.ssl() + rrl.self() * 0.5),
        ("all() - self() - ssl()", lambda: rrl.all() - rrl.self() - rrl.ssl()),
        ("ssl() | keep(.9) | drop_self()", lambda: rrl.ssl() | rrl.keep(0.9) | rrl.drop_self()),
        ("ssl() | (keep(.9) | clip())", lambda: rrl.ssl() | (rrl.keep(0.9) | rrl.clip())),
        ("supervised(per_class=3, seed=4)", lambda: rrl.supervised(per_class=3, seed=4)),
        ("supervised()", lambda: rrl.supervised(per_class=None, seed=None)),
        (
            "cross_view() | random(.1) & none()",
            lambda: rrl.cross_view() | rrl.random(0.1) & rrl.none(),
        ),
        ("ssl() | during(2, 5) | power(2)", lambda: rrl.ssl() | rrl.during(2, 5) | rrl.power(2)),
        (
            "ssl() | corrupt(tpr=.9, fpr=.1, unit=row, redraw=step, seed=1)",
            lambda: rrl.ssl() | rrl.corrupt(tpr=0.9, fpr=0.1, unit="row", redraw="step", seed=1),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_written_recipe_is_what_python_builds(text: str, graph: object):
    assert rrl.parse(text) == graph()
