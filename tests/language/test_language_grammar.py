"""The grammar has no conflicts, and every word of the language is a token."""

from importlib.resources import files

import pytest
from lark import Lark

from rrl_dsl.language.lexer import MAX_BYTES, MAX_TOKENS, tokens_of
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source
from rrl_dsl.language.spelling import span_of

GRAMMAR = files("rrl_dsl.grammar").joinpath("rrl.lark").read_text(encoding="utf-8")


def types_of(text: str) -> list[str]:
    return [token.type for token in tokens_of(Source(text))]


def test_grammar_has_no_conflict_and_no_two_terminals_that_match_the_same_text():
    Lark(GRAMMAR, parser="lalr", lexer="basic", strict=True)


def test_strict_mode_would_see_two_terminals_that_match_the_same_text():
    # whether the check above is at work: it needs `interegular`
    clash = GRAMMAR.replace('UNION: "|"', 'UNION: "|"\nWORD: /[a-z]+/').replace(
        "name: NAME", "name: NAME | WORD"
    )
    with pytest.raises(Exception, match=r"[Cc]ollision"):
        Lark(clash, parser="lalr", lexer="basic", strict=True)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("rrl", "RRL"),
        ("param", "PARAM"),
        ("let", "LET"),
        ("import", "IMPORT"),
        ("as", "AS"),
        ("contrast", "CONTRAST"),
        ("true", "TRUE"),
        ("false", "FALSE"),
        ("True", "TRUE"),
        ("False", "FALSE"),
    ],
)
def test_reserved_word_is_its_own_token(word: str, kind: str):
    assert types_of(word) == [kind]
    assert types_of(f"({word})") == ["LPAR", kind, "RPAR"]


@pytest.mark.parametrize("word", ["rrl", "param", "let", "import", "as", "contrast", "true"])
@pytest.mark.parametrize("around", ["{}s", "{}_", "{}1", "_{}", "x{}", "{}é"])
def test_longer_word_that_holds_a_reserved_one_is_a_name(word: str, around: str):
    assert types_of(around.format(word)) == ["NAME"]


def test_every_character_of_a_text_is_in_a_token_or_blank():
    text = "rrl 1\r\nparam a=.5 # c\rlet b =\tssl( views=2 )|@@ keep(a,) & ~ 'x\\'y'\n-1*b+c\f"
    rest = list(text)
    for token in tokens_of(Source(text)):
        span = span_of(token)
        assert text[span.start : span.end] == str(token)
        rest[span.start : span.end] = [" "] * len(token)
    assert set(rest) <= set(" \t\f")


def test_limits_are_those_of_the_reference():
    assert MAX_BYTES == 256 * 1024
    assert MAX_TOKENS == 20_000


def test_an_expression_spans_its_brackets_and_not_the_blanks_around_it():
    text = "  ( ssl() |  self() )  # note"
    recipe, faults = parse(Source(text))
    assert not faults
    (statement,) = recipe.statements
    assert text[statement.span.start : statement.span.end] == "( ssl() |  self() )"
