"""Which calls draw from which stream, and what shares a draw."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_oracle import Row
from random_batches import nodes_of, reference_rows_of, views_of
from random_recipes import LABELS, NUMBERS, VECTORS, Recipe, graph_of, recipes

import rrl_dsl as rrl
from rrl_dsl.backends import reference
from rrl_dsl.graph.streams import seed_word, stream_word, streams_of, without_false_edges

MODEST = settings(max_examples=60, deadline=None, derandomize=True, database=None)

ROWS = {"sample": np.arange(60), "labels": {"label": np.arange(60) % 3}}
SAMPLES = [
    Row(
        sample,
        labels=dict.fromkeys(LABELS, sample % 3 - 1),
        numbers=dict.fromkeys(NUMBERS, sample / 2),
        vectors=dict.fromkeys(VECTORS, (sample % 2, 1)),
    )
    for sample in range(6)
]


def edges(recipe: rrl.Graph | str, seed: int = 0) -> np.ndarray:
    return rrl.compile(recipe, seed=seed)(rrl.Nodes(**ROWS)).numpy()


def words(text: str) -> list[tuple[str, int]]:
    """The stream of each call, in the order in which they are visited."""
    words = streams_of(rrl.parse(text))
    return [(call.signature.name, word) for call, word in words.items()]


# what shares a draw


def test_object_used_twice_draws_once():
    a = rrl.random(0.5)
    assert (edges(a & a) == edges(a)).all()
    assert not edges(a - a).any()


def test_definition_used_twice_draws_once():
    assert (edges("let a = random(.5)\na & a") == edges("random(.5)")).all()


def test_two_calls_that_look_alike_draw_apart():
    assert edges("random(.5) & random(.5)").sum() < edges("random(.5)").sum()
    assert (edges(rrl.random(0.5) & rrl.random(0.5)) == edges("random(.5) & random(.5)")).all()


def test_the_same_seed_gives_the_same_draws():
    assert (edges("random(.5, seed=3) & random(.5, seed=3)") == edges("random(.5, seed=3)")).all()
    assert (edges("random(.5, seed=3)") != edges("random(.5, seed=4)")).any()


def test_the_same_seed_gives_the_same_draws_across_built_ins():
    kept = edges("all() | drop_self() | keep(.5, seed=3)")
    made = edges("none() | corrupt(fpr=.5, seed=3)")
    assert (kept == made).all()


def test_transform_used_twice_draws_once():
    noise = rrl.corrupt(fpr=0.5)
    assert (edges((rrl.none() | noise) & (rrl.self() | noise)) == edges(rrl.none() | noise)).all()
    apart = (rrl.none() | rrl.corrupt(fpr=0.5)) & (rrl.none() | rrl.corrupt(fpr=0.5))
    assert edges(apart).sum() < edges(rrl.none() | noise).sum()


def test_definition_of_a_transform_used_twice_draws_once():
    text = "let noise = corrupt(fpr=.5)\n(none() | noise) & (none() | noise)"
    assert (edges(text) == edges("none() | corrupt(fpr=.5)")).all()


# which stream


def test_stream_words_are_those_of_every_release():
    assert stream_word("random", 0) == 0x2C5FF964
    assert stream_word("corrupt", 1) == 0xD2934339
    assert seed_word(7) == 0xC446B780


def test_ordinals_count_calls_of_a_name_from_left_to_right_and_inside_out():
    text = "(random(.1) | keep(.2)) & random(.3) | keep(.4) | random(.5)"
    assert words(text) == [
        ("random", stream_word("random", 0)),
        ("keep", stream_word("keep", 0)),
        ("random", stream_word("random", 1)),
        ("keep", stream_word("keep", 1)),
        ("random", stream_word("random", 2)),
    ]


def test_order_of_definitions_does_not_matter():
    text = "let b = random(.2)\nlet a = random(.1)\na | b"
    assert rrl.parse(text) == rrl.parse("random(.1) | random(.2)")


def test_explicit_seed_names_the_stream():
    assert words("random(.5, seed=9)") == [("random", seed_word(9))]
    assert words("random(.5, seed=9) | random(.5)")[1] == ("random", stream_word("random", 1))


@pytest.mark.parametrize(
    "text",
    [
        "random(.5)",
        "supervised(frac=.5) | keep(.9)",
        "let a = random(.3)\n(a | random(.4)) & ~a | corrupt(fpr=.1)",
    ],
)
@pytest.mark.parametrize("stranger", ["ssl()", "self()", "cross_view()", "none()", "all()"])
def test_call_of_another_name_changes_no_stream(text: str, stranger: str):
    *lets, last = text.splitlines()
    longer = "\n".join([*lets, f"{stranger} | ({last})"])
    assert [word for word in words(longer) if word in words(text)] == words(text)


def test_stochastic_call_of_another_name_changes_no_draw():
    alone = edges("all() | keep(.5)")
    beside = edges("(all() | keep(.5)) - (random(.5) & none())")
    assert (alone == beside).all()


def test_seed_of_the_recipe_moves_every_draw():
    for text in ("random(.5)", "supervised(frac=.5)", "all() | keep(.5)"):
        assert (edges(text, seed=0) != edges(text, seed=1)).any()
        assert (edges(text, seed=2**63) == edges(text, seed=2**63)).all()


@MODEST
@given(recipes(size=8, seeded=True))
def test_seed_of_the_recipe_moves_no_draw_of_calls_with_their_own(recipe: Recipe):
    graph = graph_of(recipe)
    rows = reference_rows_of(views_of(SAMPLES))
    one, other = (
        rrl.compile(graph, seed=seed)(nodes_of(views_of(SAMPLES)), epoch=1, step=2)
        for seed in (0, 2**63 + 5)
    )
    np.testing.assert_array_equal(one, other)
    expected = reference.evaluate(graph, rows, seed=9, epoch=1, step=2)
    np.testing.assert_array_equal(one.numpy().astype(np.float32), expected)


@pytest.mark.parametrize("text", ["supervised(per_class=4, seed=1)", "supervised(per_class=4)"])
def test_chosen_samples_follow_the_seed_of_their_own(text: str):
    nodes = rrl.Nodes(**ROWS)
    one, other = (rrl.compile(text, seed=seed).bind(nodes)(nodes) for seed in (0, 1))
    assert np.array_equal(one, other) == ("seed" in text)


def test_one_call_may_be_pinned_while_the_others_move():
    text = "supervised(frac=.5, seed=1) | random(.2)"
    pinned = [edges(f"({text}) & supervised(frac=.5, seed=1)", seed=seed) for seed in (0, 1)]
    assert (pinned[0] == pinned[1]).all()
    assert (edges(text, seed=0) != edges(text, seed=1)).any()


def test_pinned_noise_has_the_same_false_edges_in_every_run():
    noisy = "ssl() | corrupt(fpr=.3, seed=4)"
    false = [
        edges(noisy, seed=s) & ~edges(rrl.compile(noisy).without_noise().graph) for s in (0, 8)
    ]
    assert false[0].any()
    assert (false[0] == false[1]).all()


def test_imported_recipe_keeps_the_seeds_of_its_calls(tmp_path: Path):
    (tmp_path / "base.rrl").write_text("random(.5, seed=3)")
    texts = 'import "base.rrl" as base\nbase', "random(.5, seed=3)"
    one, other = (rrl.parse(text, directory=tmp_path) for text in texts)
    assert (edges(one, seed=1) == edges(other, seed=2)).all()


@MODEST
@given(recipes(size=8), st.sampled_from(["ssl", "none", "all", "self", "cross_view"]))
def test_random_recipe_keeps_its_streams_beside_a_call_that_draws_nothing(
    recipe: Recipe, stranger: str
):
    graph = graph_of(recipe)
    longer = getattr(rrl, stranger)() & (graph | rrl.drop_self())
    before, after = streams_of(graph), streams_of(longer)
    drawn = [call for call in before if call.facts.draws]
    assert [after[call] for call in drawn] == [before[call] for call in drawn]


@MODEST
@given(recipes(size=8))
def test_every_call_has_one_stream(recipe: Recipe):
    words = streams_of(graph_of(recipe))
    unseeded = [word for call, word in words.items() if call.arguments.get("seed") is None]
    assert len(set(unseeded)) == len(unseeded)
    assert all(0 <= word < 2**32 for word in words.values())


# a recipe without its noise


@MODEST
@given(recipes(size=8))
def test_graph_without_false_edges_keeps_every_stream_and_argument_but_fpr(recipe: Recipe):
    graph = graph_of(recipe)
    before, after = streams_of(graph), streams_of(without_false_edges(graph))
    assert list(before.values()) == list(after.values())
    for old, new in zip(before, after, strict=True):
        assert old.signature is new.signature
        assert {**old.arguments, "fpr": 0} == {**new.arguments, "fpr": 0}
        assert not new.arguments.get("fpr")


def test_program_without_noise_has_the_true_edges_that_were_kept():
    program = rrl.compile("supervised() | corrupt(tpr=.7, fpr=.2)", seed=5)
    nodes = rrl.Nodes(**ROWS)
    label = ROWS["labels"]["label"]
    true = label[:, None] == label
    clean = program.without_noise()(nodes).numpy()
    assert (clean == (program(nodes).numpy() & true)).all()
    assert clean.sum() < true.sum()
