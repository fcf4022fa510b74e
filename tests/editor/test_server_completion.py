"""What is offered at each kind of place, exactly and in order, and what never is."""

import pytest
from editor_places import BINARY_SOURCES, SCHEDULES, SOURCES, TRANSFORMS, analyzed, items, offered
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types
from random_recipes import recipes, text_of

from rrl_dsl.editor.completion import Ability, complete
from rrl_dsl.editor.fitting import MAX_TOKENS
from rrl_dsl.graph.recipe import analyze
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.span import Source

MODEST = settings(deadline=None, derandomize=True, database=None, max_examples=30)


DEFINE = ["param", "let", "import"]
HEAD = """param share = 0.3
param count = 3
param field = "coarse"
param flag = true
let known = supervised(frac=share)
let noise = corrupt(fpr=0.01)
let soft = 0.5 * known
let ramp = linear(0.1, 1, epochs=10)
"""
GRAPHS = ["known", "soft"]
SCALARS = ["share", "count", "ramp"]


# expressions

ANY_GRAPH = [*GRAPHS, *SOURCES, *SCALARS, *SCHEDULES]
AFTER_A_GRAPH = ["known", "noise", "soft", *SOURCES, *TRANSFORMS, *SCALARS, *SCHEDULES]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("ssl() | ^", AFTER_A_GRAPH),
        ("ssl() |^", AFTER_A_GRAPH),
        ("ssl() |\n  # a remark\n  ^", AFTER_A_GRAPH),
        ("ssl() | (^", AFTER_A_GRAPH),
        ("ssl() | kn^", AFTER_A_GRAPH),
        ("ssl() | kn^own", AFTER_A_GRAPH),
        ("ssl() | ^ | keep(0.9)", AFTER_A_GRAPH),
        ("(^", ANY_GRAPH),
        ("ssl() & ^", ANY_GRAPH),
        ("ssl() + ^", ANY_GRAPH),
        ("contrast ^", ANY_GRAPH),
        ("ssl()\ncontrast ^", ANY_GRAPH),
        ("0.5 * ^", ANY_GRAPH),
        ("ramp * ^", [*GRAPHS, *SOURCES, "share", "count"]),
        ("known * ^", [*SCALARS, *SCHEDULES]),
        ("~^", [*GRAPHS, *SOURCES]),
        ("ssl() - ^", ["known", *BINARY_SOURCES]),
        ("ssl() - (^", ["known", *BINARY_SOURCES]),
        ("let mine = keep(0.9) | ^", ["noise", *TRANSFORMS]),
        ("let mine = noise | ^", ["noise", *TRANSFORMS]),
        ("ssl() | (keep(0.9) | ^", ["noise", *TRANSFORMS]),
        ("ssl() ^", []),
        ("ssl()^", []),
        ("ssl(views=2^", []),
        ("ssl(views=-^", []),
        ("0.3^", []),
        ("# ^", []),
        ("ssl() # ss^", []),
        ("'^", []),
        ('"known^"', []),
        ("let ^", []),
        ("let mine ^", []),
        ("param ^", []),
        ("param mine = ^", ["true", "false"]),
        ("param mine = tr^", ["true", "false"]),
        ("rrl ^", []),
    ],
)
def test_after_some_definitions(text: str, labels: list[str]):
    assert offered(HEAD + text) == labels


def test_a_let_may_be_anything():
    names = ["known", "noise", "soft"]
    scalars = ["share", "count", "field", "flag", "ramp"]
    expected = [*names, *SOURCES, *TRANSFORMS, *scalars, *SCHEDULES]
    assert offered(f"{HEAD}let mine = ^") == expected


def test_what_has_an_error_may_be_anything():
    text = "let bad = supervised(frac=2)\nlet worse = )\nssl() - ^"
    assert offered(text) == ["bad", "worse", *BINARY_SOURCES]


def test_only_what_is_defined_before():
    assert offered("let one = ssl()\nlet two = ^\nlet three = ssl()")[:1] == ["one"]
    assert "three" not in offered("let one = ssl()\nlet two = ^\nlet three = ssl()")


def test_a_definition_is_not_offered_to_itself():
    assert "mine" not in offered("let mine = m^")


def test_a_statement_with_an_error_before_the_place_still_has_offers():
    assert offered("ssl(views=0) | ^") == [*SOURCES, *TRANSFORMS, *SCHEDULES]
    assert offered("let a = ) | ^") == [*SOURCES, *TRANSFORMS, *SCHEDULES]


def test_a_very_long_statement_is_not_read_again_for_each_word():
    assert offered(" | ".join(["ssl()"] * (MAX_TOKENS // 4 + 1)) + " - ^")[:4] == SOURCES[:4]
    assert "similarity" not in offered(" | ".join(["ssl()"] * (MAX_TOKENS // 4 - 1)) + " - ^")


# statements


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("^", [*SOURCES, "rrl", *DEFINE, *SCHEDULES]),
        ("p^", [*SOURCES, "rrl", *DEFINE, *SCHEDULES]),
        ("# a remark\n^", [*SOURCES, "rrl", *DEFINE, *SCHEDULES]),
        ("rrl 1\n^", [*SOURCES, *DEFINE, *SCHEDULES]),
        ("^\nrrl 1", [*SOURCES, *DEFINE, *SCHEDULES]),
        ("param a = 1\n^", [*SOURCES, *DEFINE, "a", *SCHEDULES]),
        ("^\nssl()", ["rrl", *DEFINE]),
        ("let a = ssl()\n^\na", DEFINE),
        ("ssl()\n^", ["contrast"]),
        ("ssl()\n^\ncontrast all()", []),
        ("ssl()\n^\ncontrast )", []),
        ("ssl()\ncontrast all()\n^", []),
        ("let a = supervised(frac=0.3\nl^", DEFINE),
        ("let a = supervised(\nl^", ["frac=", "labels=", "per_class=", "seed=", *SCHEDULES]),
    ],
)
def test_keywords_only_where_a_statement_may_start(text: str, labels: list[str]):
    assert offered(text) == labels


# arguments

VALUES_OF_FRAC = ["share", "ramp", *SCHEDULES]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("supervised(^", ["frac=", "labels=", "per_class=", "seed=", *VALUES_OF_FRAC]),
        ("supervised(^)", ["frac=", "labels=", "per_class=", "seed=", *VALUES_OF_FRAC]),
        ("supervised(f^", ["frac=", "labels=", "per_class=", "seed=", *VALUES_OF_FRAC]),
        ("supervised(^, seed=1)", ["frac=", "labels=", "per_class=", *VALUES_OF_FRAC]),
        ("supervised(frac=0.3, ^", ["labels=", "seed="]),
        ("supervised(per_class=3, ^)", ["labels=", "seed="]),
        ("supervised(0.3, ^", ["labels=", "seed=", "label", "coarse", "field"]),
        ("supervised(0.3, coarse, ^", ["seed="]),
        ("supervised(frac=^", VALUES_OF_FRAC),
        ("supervised(frac= ^, labels=coarse)", VALUES_OF_FRAC),
        ("supervised(frac=0.5 * ^", VALUES_OF_FRAC),
        ("supervised(frac=(^", VALUES_OF_FRAC),
        ("supervised(fr^=0.3)", ["frac=", "labels=", "per_class=", "seed="]),
        ("supervised(^=0.3)", ["frac=", "labels=", "per_class=", "seed="]),
        ("supervised(labels=^", ["label", "coarse", "field"]),
        ("supervised(labels=co^", ["label", "coarse", "field"]),
        ("supervised(labels=shape) | supervised(labels=^", ["label", "coarse", "shape", "field"]),
        ("supervised(labels=field) | supervised(labels=^", ["label", "coarse", "field"]),
        ("near(time2, 5) | near(^", ["field=", "within=", "time", "time2", "field"]),
        (
            "similarity(v) | knn(3, ^ )",
            [
                *["space=", "metric=", "mutual=", "bank=", "query=", "directed="],
                *["projection", "backbone", "teacher", "pixels", "v", "field"],
            ],
        ),
        ("knn(3, space=^", ["projection", "backbone", "teacher", "pixels", "field"]),
        (
            "knn(^",
            ["k=", "space=", "metric=", "mutual=", "bank=", "query=", "directed=", "count"],
        ),
        ("knn(3, metric=^", ["cosine", "euclidean"]),
        ("knn(3, mutual=^", ["true", "false", "flag"]),
        ("corrupt(^", ["tpr=", "fpr=", "unit=", "redraw=", "seed="]),
        ("ssl() | corrupt(unit=^)", ["sample", "row"]),
        ("ssl() | keep(^", ["p=", "unit=", "redraw=", "seed=", *VALUES_OF_FRAC]),
        ("ssl() | power(^", ["p=", *SCALARS, *SCHEDULES]),
        ("ssl() | topk(^", ["k=", "mutual=", "count"]),
        ("ssl() | threshold(at=^", ["share", "count"]),
        ("linear(^", ["start=", "end=", "epochs=", "share", "count"]),
        ("supervised(frac=linear(0, 1, ^", ["epochs="]),
        ("supervised(frac=linear(0, 1, epochs=^", ["count"]),
        ("none(^", []),
        ("nothing(^", []),
        ("known(^", []),
    ],
)
def test_in_a_call(text: str, labels: list[str]):
    assert offered(HEAD + text) == labels


def test_a_name_that_holds_a_word_is_offered_where_words_are():
    text = 'let pick = "row"\nlet half = 0.5\nssl() | corrupt(unit=pick)\n'
    assert offered(text.replace("=pick", "=^")) == ["sample", "row", "pick"]
    text = 'let pick = "coarse"\nlet half = 0.5\nsupervised(labels=pick) | supervised(labels=^'
    assert offered(text) == ["label", "coarse", "pick"]


def test_values_of_a_transform_that_has_no_graph_yet():
    assert offered(f"{HEAD}keep(^") == ["p=", "unit=", "redraw=", "seed=", *VALUES_OF_FRAC]


def test_arguments_come_with_their_type_and_what_they_are():
    frac, labels, per_class, _, *_ = items("supervised(^")
    assert frac.detail == "Fraction = 1.0, or a schedule"
    assert labels.detail == "Field = label"
    assert per_class.detail == "Int, optional"
    wanted = "a number above 0 and at most 1, or a schedule"
    assert frac.documentation.value == f"The fraction of samples whose label is known.\n\n{wanted}"
    assert frac.text_edit.new_text == "frac="


def test_an_argument_that_has_its_sign_gets_none():
    assert items("supervised(fr^=0.3)")[0].text_edit.new_text == "frac"


# built-ins


def inserted(text: str, label: str, **how: bool) -> str:
    (item,) = (item for item in items(text, **how) if item.label == label)
    return item.text_edit.new_text


def test_a_built_in_is_inserted_as_its_shortest_call():
    assert inserted("^", "knn") == "knn(k=${1:5})$0"
    assert inserted("^", "near") == "near(field=${1:time}, within=${2:5})$0"
    assert inserted("^", "supervised") == "supervised($1)$0"
    assert inserted("^", "none") == "none()$0"
    assert inserted("^", "pairs") == 'pairs(file=${1:"links.csv"})$0'
    assert inserted("^", "near", snippets=False) == "near(field=time, within=5)"
    assert inserted("^", "let", snippets=False) == "let "


def test_a_built_in_that_has_its_brackets_gets_none():
    assert inserted("ss^(views=2)", "ssl") == "ssl"
    assert inserted("ss^l(views=2)", "ssl") == "ssl"


def test_snippets_are_marked_as_such():
    shown = items("s^")
    plain = items("s^", snippets=False)
    assert {item.insert_text_format for item in shown if "$" in item.text_edit.new_text} == {
        types.InsertTextFormat.Snippet
    }
    assert {item.insert_text_format for item in plain} == {None}
    assert not any("$" in item.text_edit.new_text for item in plain)


def test_a_built_in_shows_its_signature_and_what_it_does():
    ssl = next(item for item in items("^") if item.label == "ssl")
    assert ssl.detail == "ssl(views=2)"
    assert ssl.documentation.kind is types.MarkupKind.Markdown
    assert ssl.documentation.value.startswith("Relates the views of one sample.")


def test_a_name_shows_its_kind_and_its_definition():
    known = items(f"{HEAD}ssl() | ^")[0]
    assert known.detail == "binary graph"
    assert known.documentation.value == "```rrl\nlet known = supervised(frac=share)\n```"


def test_the_word_around_the_cursor_is_replaced():
    text = "# 😀\nssl() | kn^own & all()"
    typed = types.Range(types.Position(1, 8), types.Position(1, 10))
    whole = types.Range(types.Position(1, 8), types.Position(1, 13))
    assert items(text)[0].text_edit.range == whole
    edit = items(text, insert_replace=True)[0].text_edit
    assert (edit.insert, edit.replace) == (typed, whole)


@pytest.mark.parametrize("text", ["ssl() | ^known", "supervised(^frac=0.3)", "keep(^0.9)"])
def test_before_a_word_something_is_inserted(text: str):
    edit = items(text)[0].text_edit
    assert edit.range.start == edit.range.end


# laws


@MODEST
@given(recipes(), st.data())
def test_nothing_that_is_offered_is_an_error_of_type(recipe, data):
    head = 'param share = 0.3\nparam by = "coarse"\nlet odd = 2 * ssl()\n'
    text = head + text_of(recipe)
    names = [token.start_pos for token in tokens_of(Source(text)) if token.type == "NAME"]
    cut = text[: data.draw(st.sampled_from([start for start in names if start >= len(head)]))]
    level = cut.count("(") - cut.count(")")
    for item in complete(analyzed(cut), len(cut), Ability()):
        if item.label.endswith("="):
            continue
        word = item.text_edit.new_text
        whole = (f"{cut}{word}{more}{')' * level}" for more in ("", " * ssl()"))
        wrong = [
            {fault.code for fault in analyze(Source(completed)).faults if fault.code[3] == "2"}
            for completed in whole
        ]
        if cut.rstrip().endswith((",", "(", "=")):  # the call may lack other arguments
            wrong = [codes - {"RRL208"} for codes in wrong]
        assert not all(wrong), word
