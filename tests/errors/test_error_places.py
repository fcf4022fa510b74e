"""Positions in texts that Markdown cannot contain: line ends, byte order marks, tabs."""

import pytest

import rrl_dsl as rrl
from rrl_dsl.language.diagnostics import Diagnostic
from rrl_dsl.language.span import Source, Span

LINE_ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}


def errors_of(text: str) -> list[Diagnostic]:
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse(text, name="recipe.rrl")
    return list(caught.value.diagnostics)


def place(diagnostic: Diagnostic) -> tuple[int, int]:
    start = diagnostic.to_dict()["start"]
    return start["line"], start["column"]


@pytest.mark.parametrize("end", LINE_ENDS.values(), ids=LINE_ENDS)
def test_lines_are_counted_alike_for_every_line_end(end: str):
    text = end.join(["let a = ssl(views=0)", "", "# note", "a", "| slef()", ""])
    assert [(diagnostic.code, place(diagnostic)) for diagnostic in errors_of(text)] == [
        ("RRL301", (1, 19)),
        ("RRL101", (5, 3)),
    ]


@pytest.mark.parametrize("end", LINE_ENDS.values(), ids=LINE_ENDS)
def test_unfinished_pipeline_points_just_after_its_last_token(end: str):
    (only,) = errors_of(f"ssl(views=2) |{end}")
    assert only.code == "RRL009"
    assert place(only) == (1, 15)
    assert only.render().splitlines()[3:5] == ["1 | ssl(views=2) |", "  |               ^"]


def test_line_ends_may_be_mixed():
    (only,) = errors_of("# a\r\n# b\r# c\n\r\nslef()")
    assert place(only) == (5, 1)


def test_carriage_return_is_not_shown():
    (only,) = errors_of("slef()\r\n| ssl()\r\n")
    assert "\r" not in only.render()


def test_byte_order_mark_moves_no_column():
    (only,) = errors_of("\ufeffslef()")
    assert place(only) == (1, 1)
    assert only.render().splitlines()[3] == "1 | slef()"


def test_byte_order_mark_in_the_middle_is_an_error_that_shows_it():
    (only,) = errors_of("ssl()\ufeff | self()")
    assert only.code == "RRL001"
    assert r"`\ufeff`" in only.render()


def test_tab_counts_as_one_column_and_shows_as_one_space():
    (only,) = errors_of("\t\tssl(\tviews=0)")
    assert place(only) == (1, 14)
    assert only.render().splitlines()[3:5] == ["1 |   ssl( views=0)", "  |              ^"]


def test_caret_stays_under_its_token_in_a_line_of_a_hundred_thousand_characters():
    side = [f"supervised(labels={'a' * 40})"] * 1_000
    text = " | ".join([*side, "slef()", *side])
    assert len(text) > 100_000
    (only,) = errors_of(text)
    source_line, carets = only.render().splitlines()[3:5]
    assert len(source_line) < 120
    assert source_line[carets.index("^") : carets.rindex("^") + 1] == "slef"


def test_a_very_long_word_is_shortened_in_the_message():
    (only,) = errors_of("a" * 100_000)
    assert only.code == "RRL101"
    assert len(only.render()) < 500


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\u200b", "\u2028", "\u202e", "\ud800"])
def test_no_message_sends_a_control_character_to_the_terminal(char: str):
    for text in (f"ssl() {char}", f'supervised(frac="{char}")', f"ssl( # {char}"):
        for diagnostic in errors_of(text):
            assert char not in diagnostic.render()


def test_control_characters_in_the_name_of_a_file_are_escaped():
    shown = Diagnostic("RRL015", "empty", Span(0, 1), Source("", "a\x1b[2J.rrl")).render()
    assert "\x1b" not in shown


def test_diagnostic_as_data_carries_code_place_and_hint():
    (only,) = errors_of("ssl(views=2)\n| supervized()")
    assert only.to_dict() == {
        "code": "RRL101",
        "severity": "error",
        "message": "there is no built-in `supervized`",
        "hint": "did you mean `supervised`?",
        "file": "recipe.rrl",
        "start": {"line": 2, "column": 3},
        "end": {"line": 2, "column": 13},
        "fix": [
            {
                "start": {"line": 2, "column": 3},
                "end": {"line": 2, "column": 13},
                "text": "supervised",
            }
        ],
    }


@pytest.mark.parametrize(
    ("wrong", "hint", "fixed"),
    [
        ("SSL(views=2)", "write `ssl`", "ssl(views=2)"),
        ("ssl(views=2.0)", "write `2`", "ssl(views=2)"),
        ("ssl(views 2)", "add `=`", "ssl(views= 2)"),
        ("ssl(views=2", "add the `)`", "ssl(views=2)"),
        ("supervised(.3 coarse)", "add `,`", "supervised(.3, coarse)"),
        ("ssl() || self()", "write `|`", "ssl() | self()"),
        ("ssl() | drop_self", "write `drop_self()`", "ssl() | drop_self()"),
        ("rrl 2\nssl()", "write `rrl 1`", "rrl 1\nssl()"),
        ("let a = ssl()\na()", "write `a`", "let a = ssl()\na"),
        ("let ssl = self()\nssl", "use another name, such as `ssl_`", "let ssl_ = self()\nssl_"),
        ("keep(.5) | ssl()", "write `ssl() | keep(.5)`", "ssl() | keep(.5)"),
        (
            "keep(.5) | (ssl() & self())",
            "write `(ssl() & self()) | keep(.5)`",
            "(ssl() & self()) | keep(.5)",
        ),
        ("keep(1)", "write `ssl(views=2) | keep(1)`", "ssl(views=2) | keep(1)"),
        ("ssl() - 2*self()", "`threshold(0)`", "ssl() - (2*self() | threshold(0))"),
    ],
)
def test_hint_when_applied_gives_a_recipe(wrong: str, hint: str, fixed: str):
    assert any(hint in (diagnostic.hint or "") for diagnostic in errors_of(wrong))
    rrl.parse(fixed)
