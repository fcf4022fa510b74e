"""Text in a block or a span of code cannot end it."""

import re

import pytest

from rrl_dsl.language.markdown import code, fenced


@pytest.mark.parametrize("text", ["", "a", "```", "````\n```", "`" * 50 + "\n# x", "~~~\n```rrl\n"])
def test_a_block_is_one_block(text: str) -> None:
    first, *inside, last = fenced(text, "rrl").split("\n")
    fence = first.removesuffix("rrl")
    assert re.fullmatch("`{3,}", fence)
    assert last == fence
    assert "\n".join(inside) == text
    assert not any(line.strip().startswith(fence) for line in inside)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "`a`"),
        ("a`b", "``a`b``"),
        ("`a", "`` `a ``"),
        ("a```b``", "```` a```b`` ````"),
        ("a\nb\x1b", r"`a\nb\x1b`"),
    ],
)
def test_a_span_is_one_span(text: str, expected: str) -> None:
    assert code(text) == expected


def test_a_block_shows_what_does_not_print() -> None:
    assert fenced("a\tb\n\x1b\u202e") == "```\na\tb\n\\x1b\\u202e\n```"
