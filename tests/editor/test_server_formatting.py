"""Edits of whole lines: made, they give the formatted text; an unchanged line has none."""

import pytest
from editor_client import LINE_END, applied
from editor_places import analyzed
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

from rrl_dsl.editor.formatting import formatting
from rrl_dsl.language.edits import line_edits
from rrl_dsl.language.format import format_text
from rrl_dsl.language.span import Source

MODEST = settings(deadline=None, derandomize=True, database=None, max_examples=150)
LINES = st.lists(st.sampled_from(["", "a", "b", "ssl()", "# 😀"]), max_size=8)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@MODEST
@given(LINES, LINES, ENDS)
def test_edits_give_the_other_text(before: list[str], after: list[str], end: str):
    text = end.join(before)
    for edit in reversed(line_edits(text, "\n".join(after))):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    assert LINE_END.split(text) == "\n".join(after).split("\n")
    assert set(LINE_END.findall(text)) <= ({end} if len(before) > 1 else {"\n"})


@MODEST
@given(LINES)
def test_no_edits_where_nothing_changes(lines: list[str]):
    assert line_edits("\r\n".join(lines), "\n".join(lines)) == []


@pytest.mark.parametrize(
    "text",
    [
        "ssl(  views = 2 )|supervised( )\n",
        "# 😀\n\n\n\nlet a=ssl()\na\n\n",
        "let a = ssl()",
        "",
        "\ufeffssl( )\n",
        "rrl 1\nparam frac=.3 # a remark\nssl()|supervised(frac=frac)",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_formatting(text: str, end: str):
    text = text.replace("\n", end)
    edits = formatting(analyzed(text))
    assert edits is not None
    formatted = format_text(Source(text.replace("\ufeff", " ")))
    assert LINE_END.sub("\n", applied(text, edits)) == formatted
    assert not formatting(analyzed(formatted))


def test_only_what_changes_is_edited():
    edits = formatting(analyzed("let a = ssl()\nlet b=ssl()\na | b\n"))
    place = types.Range(types.Position(1, 0), types.Position(1, 11))
    assert edits == [types.TextEdit(place, "let b = ssl()")]


def test_line_ends_stay():
    text = "let a=ssl()\r\na\r\n"
    edits = formatting(analyzed(text))
    assert edits is not None
    assert applied(text, edits) == "let a = ssl()\r\na\r\n"


@pytest.mark.parametrize("text", ["ssl(", "let = ssl()", "x" * 300_000])
def test_a_text_with_errors_stays(text: str):
    assert formatting(analyzed(text)) is None
