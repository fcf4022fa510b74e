"""Which line breaks end a statement; blanks and comments do not matter."""

import random

import pytest

import rrl_dsl as rrl
from rrl_dsl.language import syntax
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source

LINE_ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r"}

OPERATORS = {"UNION", "INTERSECTION", "PLUS", "MINUS", "TIMES", "COMPOSITION"}

RECIPE = (
    "let known = supervised(frac=0.3, labels=coarse)\n"
    "ssl(views=2) | (known & ~self()) + 2 * cross_view() - random(0.5) | corrupt(fpr=0.05,)"
)


def statements_of(text: str) -> list[str]:
    """The kinds of a text's statements."""
    recipe, _ = parse(Source(text))
    return [type(statement).__name__ for statement in recipe.statements]


@pytest.mark.parametrize("sign", ["|", "&", "+", "-"])
@pytest.mark.parametrize("end", LINE_ENDS.values(), ids=LINE_ENDS)
def test_break_before_and_after_a_binary_operator_ends_nothing(sign: str, end: str):
    flat = rrl.parse(f"ssl() {sign} self()")
    assert rrl.parse(f"ssl(){end}{sign} self()") == flat
    assert rrl.parse(f"ssl() {sign}{end}self()") == flat
    assert rrl.parse(f"ssl(){end}{end}{sign}{end}# note{end}  self()") == flat


def test_break_around_the_sign_of_a_product_ends_nothing():
    assert rrl.parse("2\n* ssl()") == rrl.parse("2 *\nssl()") == 2 * rrl.ssl()


def test_break_after_an_equals_sign_ends_nothing():
    text = "param f =\n0.3\nlet known =\n\n# note\nsupervised(frac=\nf)\nknown"
    assert rrl.parse(text) == rrl.supervised(frac=0.3)


def test_break_before_an_equals_sign_ends_a_statement():
    assert statements_of("let known\n= ssl()") == ["Broken", "Broken"]


def test_break_inside_brackets_ends_nothing():
    text = "(\nssl\n(\nviews\n=\n2\n,\n)\n|\n~\n(\nself\n(\n)\n)\n)"
    assert rrl.parse(text) == rrl.ssl(views=2) | ~rrl.self()


@pytest.mark.parametrize("start", ["(self())", "~self()", "self()", "2 * self()", "'a'", "true"])
def test_line_that_no_operator_joins_starts_a_statement(start: str):
    assert statements_of(f"ssl()\n{start}") == ["Result", "Result"]


def test_line_may_start_with_a_bracket_or_tilde_after_an_operator():
    assert rrl.parse("ssl() |\n(self())") == rrl.ssl() | rrl.self()
    assert rrl.parse("ssl() |\n~self()") == rrl.ssl() | ~rrl.self()


def test_line_that_starts_with_a_minus_continues_the_statement():
    assert rrl.parse("ssl()\n- self()") == rrl.ssl() - rrl.self()


@pytest.mark.parametrize("keyword", ["let a = ssl()", "param a = 1", "rrl 1", "import 'a' as a"])
def test_keyword_at_the_start_of_a_line_starts_a_statement_even_in_brackets(keyword: str):
    assert len(statements_of(f"(ssl() |\n{keyword}")) == 2
    assert len(statements_of(f"ssl(\n\n# note\n{keyword}\nself()")) == 3


@pytest.mark.parametrize("word", ["true", "false", "as"])
def test_word_that_starts_no_statement_starts_none_in_brackets(word: str):
    assert len(statements_of(f"ssl(\n{word}\n)")) == 1


def test_keyword_in_the_middle_of_a_line_starts_nothing():
    assert statements_of("ssl() let a = self()") == ["Broken"]


@pytest.mark.parametrize("end", LINE_ENDS.values(), ids=LINE_ENDS)
def test_comments_and_blank_lines_stand_anywhere(end: str):
    lines = [
        "# first",
        "",
        "rrl 1 # the version",
        "  # indented (",
        "let known = # named",
        "   supervised( # open",
        "     frac=0.3, # a third",
        "     labels=coarse ) # closed",
        "",
        "ssl(views=2)",
        "# between",
        "",
        "| known # last",
        "#",
    ]
    expected = rrl.ssl(views=2) | rrl.supervised(frac=0.3, labels="coarse")
    assert rrl.parse(end.join(lines)) == expected
    assert rrl.parse(end.join([*lines, ""])) == expected


def test_hash_in_a_string_starts_no_comment():
    assert rrl.parse("supervised(labels='a#b') # c") == rrl.supervised(labels="a#b")


def test_quote_in_a_comment_starts_no_string():
    assert rrl.parse("ssl() # it's \"\n| self()") == rrl.ssl() | rrl.self()


def test_blanks_are_spaces_tabs_and_form_feeds():
    assert rrl.parse("\f\tssl\t(\fviews = 2 )\t|\f self ( ) \t") == rrl.ssl() | rrl.self()
    assert rrl.parse("ssl(views=2)|self()") == rrl.ssl() | rrl.self()


def test_last_line_needs_no_line_end():
    assert rrl.parse("ssl()") == rrl.parse("ssl()\n") == rrl.parse("\n\nssl()\n\n")


@pytest.mark.parametrize("seed", range(30))
def test_trivia_between_any_two_tokens_where_it_may_stand_changes_nothing(seed: int):
    chance = random.Random(seed)
    blanks = ["", " ", "\t", "  "]
    breaks = [*blanks, "\n", "\r\n", "\r", " # note\n", "\n\n  # (\n\t"]
    text, depth, previous = "", 0, None
    for token in tokens_of(Source(RECIPE)):
        before = previous.type if previous else ""
        loose = depth > 0 or token.type in OPERATORS or before in {*OPERATORS, "EQUAL"}
        gap = chance.choice(breaks if loose else blanks)
        words = before in {"LET", "NAME"} and token.type == "NAME"
        text += (gap or " " if words else gap) + str(token)
        depth += (token.type == "LPAR") - (token.type == "RPAR")
        previous = token
    assert rrl.parse(text) == rrl.parse(RECIPE), text


def test_trailing_comma_is_allowed_and_a_lone_one_is_not():
    assert rrl.parse("ssl(2,)") == rrl.parse("ssl(views=2,)") == rrl.ssl(views=2)
    with pytest.raises(rrl.RRLError, match="RRL008"):
        rrl.parse("ssl(,)")
    with pytest.raises(rrl.RRLError, match="RRL008"):
        rrl.parse("supervised(frac=0.3,,)")


def test_a_definition_need_not_be_used():
    assert rrl.parse("let a = random(0.5)\nparam b = 3\nssl()") == rrl.ssl()


def test_a_broken_statement_does_not_stop_the_next():
    recipe, faults = parse(Source("let a = ssl(\nlet b = |\nlet c = self()\nc"))
    assert [fault.code for fault in faults] == ["RRL006", "RRL008"]
    kinds = [type(statement) for statement in recipe.statements]
    assert kinds == [syntax.Broken, syntax.Broken, syntax.Let, syntax.Result]
