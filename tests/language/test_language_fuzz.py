"""Whatever text comes in, `parse` gives a graph or an `RRLError`, and its errors can be shown."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rrl_dsl as rrl
from rrl_dsl.graph.recipe import parameter_value

MODEST = settings(max_examples=150, deadline=None, derandomize=True, database=None)

VALID = [
    "ssl(views=2)",
    "rrl 1\nparam frac = 0.3\nlet known = supervised(frac=frac, labels=coarse)\n"
    "ssl(views=2) | known | corrupt(fpr=0.05, unit=row)",
    "let noise = keep(0.9) | drop_self()\n(ssl() + 2 * all()) & ~self() - random(.1) | noise",
    "# c\nparam t = true\nparam f = 'fine'\nsupervised(labels=f,)\n| clip(max=1e-3) # d",
    "keep(0.9) | threshold(0) | ssl()",
    "import 'a.rrl' as a\na(x=1) | all()\ncontrast a",
]
PIECES = [
    *("|&+-*~(),=#.'\"\\\n\r\t @é\x00\ud800"),
    *("rrl ", "let ", "param ", "import ", "as ", "contrast ", "true", "false"),
    *("ssl(", "keep(", "views=", "seed=", "1e9", "-1", "99999999999999999999", "a", "frac", "()"),
    *("| keep(.5)", " - 2*", "per_class=3", "labels=", "\ufeff", "\r\n"),
]

soups = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
edits = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 12), st.sampled_from(["", *PIECES])),
    min_size=1,
    max_size=4,
)


def outcome(text: str, params: dict[str, object] | None = None) -> rrl.Graph | rrl.RRLError:
    try:
        return rrl.parse(text, params=params)
    except rrl.RRLError as problem:
        return problem


def check(text: str) -> None:
    """Parses a text; whatever is wrong with it must be errors that can be shown in their places."""
    found = outcome(text)
    if isinstance(found, rrl.Graph):
        assert len(found.identity) == 64
        return
    assert 1 <= len(found.diagnostics) <= 100
    for each in found.diagnostics:
        json.dumps(each.to_dict())
        assert each.span is not None
        assert 0 <= each.span.start <= each.span.end <= len(text) + 1
        assert each.render().splitlines()[4].strip(" |^") == ""
    starts = [each.span.start for each in found.diagnostics]
    assert starts == sorted(starts)


@MODEST
@given(st.text(max_size=60))
@example("\ud800")
@example("\x00")
@example("'\\")
def test_any_text_is_a_graph_or_an_error(text: str):
    check(text)


@MODEST
@given(soups)
def test_any_soup_of_tokens_is_a_graph_or_an_error(text: str):
    check(text)


@MODEST
@given(st.sampled_from(VALID), edits)
def test_any_mutated_recipe_is_a_graph_or_an_error(text: str, changes: list[tuple[int, int, str]]):
    for at, removed, added in changes:
        at = at % (len(text) + 1)
        text = text[:at] + added + text[at + removed :]
    check(text)


@pytest.mark.parametrize("text", VALID)
def test_any_beginning_of_a_recipe_is_a_graph_or_an_error(text: str):
    for end in range(len(text)):
        check(text[:end])


@MODEST
@given(st.text(max_size=12), st.none() | st.booleans() | st.floats() | st.text(max_size=5))
def test_any_parameter_is_taken_or_refused_with_an_error(name: str, value: object):
    text = "param frac = 0.3\nparam view = 2\nsupervised(frac=frac) | ssl(view)"
    for params in ({name: value}, {"frac": value}, {"view": value}):
        assert str(outcome(text, params))


@MODEST
@given(st.text(max_size=12))
def test_any_word_of_the_command_line_is_a_value(text: str):
    assert isinstance(parameter_value(text), bool | int | float | str)
