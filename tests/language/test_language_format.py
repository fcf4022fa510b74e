"""Laws of the formatter, over random layouts of random recipes and over all recipe files."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layout import Statement, layouts, statements, statements_of
from random_recipes import Recipe, recipes, text_of

import rrl_dsl as rrl
from rrl_dsl.language.diagnostics import in_order
from rrl_dsl.language.format import format_text
from rrl_dsl.language.layout import lines_of
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source
from rrl_dsl.language.spelling import number_value, string_value

MODEST = settings(max_examples=50, deadline=None, derandomize=True, database=None)

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```rrl[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [block for page in PAGES for block in BLOCK.findall(page.read_text(encoding="utf-8"))]


def formatted(text: str) -> str:
    return format_text(Source(text))


def meant(text: str) -> list[list[object]]:
    """The statements of a text as lists of words, without what only style says."""
    source = Source(text)
    made: list[list[object]] = []
    for line in lines_of(tokens_of(source), source):
        made.append([])
        for token, following in zip(line.tokens, [*line.tokens[1:], None], strict=True):
            if token.type == "NUMBER":
                made[-1].append(number_value(str(token)))
            elif token.type == "STRING":
                made[-1].append(("string", string_value(str(token))))
            elif not (token.type == "COMMA" and following is not None and following.type == "RPAR"):
                made[-1].append(token.lower())
    return made


def comments_of(text: str) -> list[str]:
    """The comments of a text, without the blanks around what they say."""
    comments = (token for token in tokens_of(Source(text)) if token.type == "COMMENT")
    return [re.sub(r"^#[ \t]?", "#", comment).rstrip() for comment in comments]


def check(text: str) -> str:
    """Formats a text and holds the result against the laws."""
    result = formatted(text)
    assert formatted(result) == result
    assert repr(meant(result)) == repr(meant(text))  # repr tells 5 from 5.0
    assert comments_of(result) == comments_of(text)
    lines = result.split("\n")
    assert lines.pop() == ""
    assert "\r" not in result
    assert all(line == line.rstrip() for line in lines)
    assert "\n\n\n" not in result
    assert lines == [] or (lines[0] and lines[-1])
    return result


@MODEST
@given(st.data(), statements())
def test_any_layout_keeps_words_and_comments_and_is_formatted_once_for_all(
    data: st.DataObject, made: list[Statement]
):
    check(data.draw(layouts(made)))


@MODEST
@given(st.data(), statements(depth=2))
def test_line_breaks_and_blanks_of_the_author_do_not_matter(
    data: st.DataObject, made: list[Statement]
):
    flat = "\n".join(" ".join(words) for words in made)
    spread = formatted(data.draw(layouts(made, comments=False)))
    assert [line for line in spread.split("\n") if line] == formatted(flat).split("\n")[:-1]


@MODEST
@given(st.data(), recipes(size=8))
def test_identity_does_not_change(data: st.DataObject, recipe: Recipe):
    text = text_of(recipe)
    spread = data.draw(layouts(statements_of(text)))
    spread, text = (
        rrl.parse(layout, allow_outside=True).identity for layout in (check(spread), text)
    )
    assert spread == text


@MODEST
@given(st.data(), statements(depth=2))
def test_only_words_that_are_too_long_alone_go_beyond_the_line(
    data: st.DataObject, made: list[Statement]
):
    for line in check(data.draw(layouts(made, comments=False))).split("\n"):
        assert len(line) <= 88


@MODEST
@given(
    st.data(),
    statements(depth=2),
    st.integers(0, 10_000),
    st.sampled_from([*"()|,=~'#\n@", "let "]),
)
def test_text_with_errors_gives_every_error_and_no_other(
    data: st.DataObject, made: list[Statement], place: int, added: str
):
    text = data.draw(layouts(made))
    at = place % (len(text) + 1)
    text = text[:at] + added + text[at + place % 3 :]
    _, faults = parse(Source(text))
    if faults:
        with pytest.raises(rrl.RRLError) as caught:
            formatted(text)
        assert list(caught.value.diagnostics) == in_order(faults)
    else:
        check(text)


def test_published_recipes_are_in_the_style():
    paths = sorted((ROOT / "recipes").glob("*.rrl"))
    assert len(paths) >= 7
    for path in paths:
        text = path.read_bytes().decode()
        assert check(text) == text


def test_every_recipe_of_the_documentation_keeps_its_identity(tmp_path: Path):
    assert len(BLOCKS) >= 40
    for name in ("links.csv", "annotated_pairs.csv"):
        (tmp_path / name).write_text("1,2\n")
    (tmp_path / "mine.rrl").write_text(BLOCKS[0])
    for block in BLOCKS:
        before, after = (rrl.parse(recipe, directory=tmp_path) for recipe in (block, check(block)))
        assert before.identity == after.identity
