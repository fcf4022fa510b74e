"""Offsets and positions agree, whatever the text and the code units; changes are made as told."""

import pytest
from editor_client import LINE_END, offset, position
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

from rrl_dsl.editor.documents import Documents
from rrl_dsl.editor.positions import Positions
from rrl_dsl.language.span import Source, Span

MODEST = settings(deadline=None, derandomize=True, database=None, max_examples=150)
ENCODINGS = ("utf-8", "utf-16", "utf-32")
TEXTS = st.lists(
    st.sampled_from(
        [
            *["a", "ssl()", "é", "a\u0301", "😀", "\u2028", "\x0b", "\x0c", "\x85", "\ufeff"],
            *["\n", "\r\n", "\r", "\t", '"', "\ud800"],
        ]
    ),
    max_size=30,
).map("".join)


def within_a_line_end(text: str, place: int) -> bool:
    return any(line_end.start() < place < line_end.end() for line_end in LINE_END.finditer(text))


@pytest.mark.parametrize("encoding", ENCODINGS)
@MODEST
@given(TEXTS)
def test_there_and_back(encoding: str, text: str):
    positions = Positions(Source(text), encoding)
    for place in range(len(text) + 1):
        if not within_a_line_end(text, place):
            assert positions.position(place) == position(text, place, encoding)
            assert positions.offset(positions.position(place)) == place


@pytest.mark.parametrize(("encoding", "character"), [("utf-8", 12), ("utf-16", 9), ("utf-32", 8)])
def test_code_units(encoding: str, character: int):
    text = "x\n# é😀 ok "
    assert Positions(Source(text), encoding).position(len(text)) == types.Position(1, character)


def test_positions_after_the_end_are_the_end():
    positions = Positions(Source("ab\r\n😀\r"), "utf-16")
    assert positions.offset(types.Position(0, 9)) == 2
    assert positions.offset(types.Position(1, 9)) == 5
    assert positions.offset(types.Position(2, 9)) == 6
    assert positions.offset(types.Position(9, 0)) == 6
    assert positions.position(99) == types.Position(2, 0)
    assert positions.position(3) == types.Position(0, 2), "within CRLF"
    assert positions.offset(types.Position(1, 1)) == 5, "within a character"


CHANGES = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), TEXTS), min_size=1, max_size=5)


@pytest.mark.parametrize("encoding", ENCODINGS)
@MODEST
@given(TEXTS, CHANGES)
def test_changes_are_applied_as_the_editor_does(encoding: str, text: str, changes):
    documents = Documents()
    document = documents.open("untitled:a", 1, text)
    events: list[types.TextDocumentContentChangeEvent] = []
    for start, end, new in changes:
        start, end = sorted((start % (len(text) + 1), end % (len(text) + 1)))
        if within_a_line_end(text, start) or within_a_line_end(text, end):
            continue
        ends = position(text, start, encoding), position(text, end, encoding)
        events.append(types.TextDocumentContentChangePartial(types.Range(*ends), new))
        text = text[:start] + new + text[end:]
    document.change(events, encoding)
    assert document.source.text == text


def test_a_change_without_a_range_is_the_whole_text():
    document = Documents().open("untitled:a", 1, "ssl()")
    document.change([types.TextDocumentContentChangeWholeDocument("all()")], "utf-16")
    assert document.source.text == "all()"


def test_spans():
    positions = Positions(Source("a😀b\nc"), "utf-16")
    range_ = positions.range(Span(1, 4))
    assert range_ == types.Range(types.Position(0, 1), types.Position(1, 0))
    assert positions.span(range_) == Span(1, 4)
    assert offset("a😀b\nc", types.Position(0, 3)) == 2
