"""The cases of `format.md`, and line ends, blanks and limits, which it cannot show."""

import inspect
import re
import sys
from pathlib import Path

import pytest

import rrl_dsl as rrl
from rrl_dsl.language.format import format_text
from rrl_dsl.language.lexer import MAX_BYTES
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source

PAGE = Path(__file__).with_name("format.md").read_text(encoding="utf-8")
CASE = re.compile(r"^```rrl\n(.*?)^```\n\n```rrl\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r"^## (.*)$", re.MULTILINE)
CASES = [
    pytest.param(*case.groups(), id=f"{TITLE.findall(PAGE[: case.start()])[-1]} {number}")
    for number, case in enumerate(CASE.finditer(PAGE))
]


def formatted(text: str) -> str:
    return format_text(Source(text))


@pytest.mark.parametrize(("written", "expected"), CASES)
def test_case_of_the_page(written: str, expected: str):
    assert formatted(written) == expected
    assert formatted(expected) == expected


def test_every_block_of_the_page_is_in_a_case():
    assert PAGE.count("```rrl") == 2 * len(CASES)
    assert len(TITLE.findall(PAGE)) <= len(CASES)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_are_lf_and_no_line_ends_in_a_blank(end: str):
    text = end.join(["", "# a \t", "#  ", "ssl() ", "\t", " \f", "| self() # b\t ", "  "])
    assert formatted(text) == "# a\n#\nssl()\n| self()  # b\n".replace("\n| ", " | ")


@pytest.mark.parametrize("text", ["", "\n", " \t\r\n\n"])
def test_nothing_stays_nothing(text: str):
    assert formatted(text) == ""


def test_comments_alone_are_kept():
    assert formatted("\n#a\n\n\n#b") == "# a\n\n# b\n"


def test_names_types_and_order_of_statements_do_not_matter():
    assert formatted("x|y( z )\nlet a=b\nrrl 2") == "x | y(z)\nlet a = b\nrrl 2\n"


def test_every_error_of_the_syntax_is_raised():
    text = "ssl(\nlet a = |\nparam b = 1_000\nlet c = 'x"
    with pytest.raises(rrl.RRLError) as caught:
        formatted(text)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [
        "RRL006",
        "RRL008",
        "RRL002",
        "RRL004",
    ]


@pytest.mark.parametrize("number", ["." + "5" * 399, "0" * 399 + "."])
def test_number_that_a_zero_would_make_too_long_stays_as_written(number: str):
    _, faults = parse(Source(f"param a = {number}"))
    assert not faults
    assert formatted(f"param a = {number}") == f"param a = {number}\n"


DEEP = "a"
for _ in range(64):
    DEEP = f"f(a={DEEP}) * 2 - x & x | x"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 64 + "a" + ")" * 64,
        "~" * 64 + "a",
        DEEP,
        "|".join(["a"] * 9_990),
        "*".join(["a"] * 9_990),
        "|a&a+a*".join(["a"] * 2_400),
        f"f({','.join(['a'] * 9_990)})",
        "f(a=1,b=2)|" * 1_800 + "b",
        "a\n" + "#\n" * 30_000,
        "f(\n" + "#\n" * 20_000 + "a)",
        f"f('{'a' * 200_000}')",
    ],
    ids=lambda text: text[:12],
)
def test_large_and_deep_recipes_are_formatted(text: str):
    result = formatted(text)
    assert formatted(result) == result


def test_deepest_recipe_takes_less_than_the_stack():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 600)  # of the 1,000 that there are
    try:
        formatted(DEEP)
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a|" * 500_000 + "a", "RRL011"),
        ("a|" * 10_000 + "a", "RRL012"),
        ("(" * 65 + "a" + ")" * 65, "RRL013"),
    ],
)
def test_formatted_text_over_a_limit_is_an_error(text: str, code: str):
    with pytest.raises(rrl.RRLError) as caught:
        formatted(text)
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == [code]


def test_text_that_grows_over_a_limit_is_refused_and_not_made_unreadable():
    for text, code in [
        ("f(\n" + "#\n" * (MAX_BYTES // 4) + "a)", "RRL011"),
        ("|".join(["f(a=1#\n)"] * 2_857), "RRL012"),
    ]:
        assert not parse(Source(text))[1]
        with pytest.raises(rrl.RRLError, match=code) as caught:
            format_text(Source(text, "large.rrl"))
        assert "large.rrl (formatted)" in str(caught.value)
