"""The language, the TextMate grammar and the Pygments lexer say the same of every character."""

import json
import re
import runpy
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from highlighters import WORDS, TextMate, choices, meanings, pygments_tokens, tokens
from hypothesis import given, settings
from hypothesis import strategies as st
from pygments.token import Error, Token
from random_recipes import Recipe, recipes, text_of

from rrl_dsl.editor import pygments_lexer
from rrl_dsl.editor.highlighting import Kind
from rrl_dsl.editor.pygments_lexer import TOKENS, RecipeLexer
from rrl_dsl.editor.textmate import SCOPES, textmate
from rrl_dsl.graph import registry
from rrl_dsl.graph.registry import Parameter, Signature, signatures
from rrl_dsl.graph.types import Choice

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```rrl\n(.*?)^```", re.MULTILINE | re.DOTALL)
MODEST = settings(max_examples=150, deadline=None, derandomize=True, database=None)
TEXTMATE = TextMate(textmate())
LEXER = RecipeLexer()


def gallery() -> list[str]:
    """Every recipe of the checkout, and every one that its pages show."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "recipes").glob("*.rrl"))]
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        texts += BLOCK.findall(page.read_text(encoding="utf-8"))
    return texts


def agree(text: str, kinds: list[Kind]) -> None:
    """Whether both highlighters say this of a text, and of each of its characters."""
    assert TEXTMATE.kinds(text) == kinds, text
    assert pygments_tokens(LEXER, text) == [TOKENS[kind] for kind in kinds], text


def drawn(text: str, line: str) -> list[Kind]:
    """The kinds of a text from the line drawn below it: a letter, or the sign itself."""
    assert len(line) == len(text)
    return [LETTERS[letter] for letter in line]


LETTERS = {
    "k": Kind.KEYWORD,
    "d": Kind.DEFINITION,
    "n": Kind.NAME,
    "a": Kind.ARGUMENT,
    "S": Kind.SOURCE,
    "T": Kind.TRANSFORM,
    "L": Kind.SCHEDULE,
    "c": Kind.CHOICE,
    "0": Kind.NUMBER,
    "t": Kind.CONSTANT,
    '"': Kind.STRING,
    "e": Kind.ESCAPE,
    "#": Kind.COMMENT,
    " ": Kind.BLANK,
    ",": Kind.SEPARATOR,
    "!": Kind.INVALID,
    **dict.fromkeys("|&+-*~=", Kind.OPERATOR),
    **dict.fromkeys("()", Kind.BRACKET),
}


# recipes


@pytest.mark.parametrize("text", gallery())
def test_the_three_agree_on_a_recipe_of_the_gallery_and_of_the_pages(text: str):
    agree(text, meanings(text))


@MODEST
@given(recipes(bound=True, batch=True) | recipes())
def test_the_three_agree_on_a_random_recipe(recipe: Recipe):
    text = text_of(recipe)
    agree(text, meanings(text))


EXAMPLES = [
    # statements
    ("rrl 1", "kkk 0"),
    ("param k = -.5e-3 # c", "kkkkk d = -00000 ###"),
    ("let\tother=knn(5)|keep( 0.9 )", "kkk ddddd=SSS(0)|TTTT( 000 )"),
    ('import "a.rrl" as base', 'kkkkkk """"""" kk dddd'),
    ("contrast ~all() - base", "kkkkkkkk ~SSS() - nnnn"),
    ("true | False", "tttt | ttttt"),
    # a built-in is called; elsewhere the word is a name
    ("ssl\t()|ssl|none ()", "SSS ()|nnn|SSSS ()"),
    ("let ssl = all", "kkk ddd = nnn"),
    ("base(frac=.1)", "nnnn(aaaa=00)"),
    ("near(step, 5)", "SSSS(nnnn, 0)"),
    ("keep(linear(0, step, epochs = k))", "TTTT(LLLLLL(0, nnnn, aaaaaa = n))"),
    ("selfish() | self_() | myself()", "nnnnnnn() | nnnnn() | nnnnnn()"),
    # a choice is a whole argument, by name or by position
    ("knn(5, teacher, metric=euclidean)", "SSS(0, ccccccc, aaaaaa=ccccccccc)"),
    ("knn(5, query = self) | self()", "SSS(0, aaaaa = cccc) | SSSS()"),
    ("keep(0.9, redraw=step, unit=row", "TTTT(000, aaaaaa=cccc, aaaa=ccc"),
    ("similarity(caption, rbf # c", "SSSSSSSSSS(nnnnnnn, ccc ###"),
    ("knn(5, metric=rbf, space=caption)", "SSS(0, aaaaaa=nnn, aaaaa=nnnnnnn)"),
    ("near(sample, 5) | teacher & (other)", "SSSS(nnnnnn, 0) | nnnnnnn & (nnnnn)"),
    ("knn(5, teachers, teacher2)", "SSS(0, nnnnnnnn, nnnnnnnn)"),
    ("knn(5, teacher | k, unit=row k)", "SSS(0, nnnnnnn | n, aaaa=nnn n)"),
    ("keep(0.9, redraw=step(0, 1))", "TTTT(000, aaaaaa=LLLL(0, 0))"),
    ("knn(\n 5,\n teacher,\n cosine\n)", "SSS(\n 0,\n ccccccc,\n nnnnnn\n)".replace("\n", " ")),
    ("teacher\n(teacher, teacher ,\r\tdot ,)", "nnnnnnn (nnnnnnn, ccccccc ,  ccc ,)"),
    # strings and numbers
    (r'"a\"b\\"', '""ee"ee"'),
    (r"'it\'s' | '\n'", '"""ee"" | "!!"'),
    ("\"\" ''", '"" ""'),
    ("2 2. .5 1e-3 1E+3 1e3", "0 00 00 0000 0000 000"),
    ("2-3 1e-3-x", "0-0 0000-n"),
    # mistakes
    ('"open # | ssl()', "!!!!!!!!!!!!!!!"),
    ("'a\\", "!!!"),
    ("ssl() | 'open\nssl()", "SSS() | !!!!! SSS()"),
    ("3views 0x1F 1_000 1e 1.2.3", "!!!!!! !!!! !!!!! !! !!!!!"),
    ("Foo aB é ssl² ٣", "!!! !! ! !!!! !"),
    ("a\x00b \x0b {ssl()}", "n!n ! !SSS()!"),
    ("let let = rrl", "kkk kkk = kkk"),
    ("let true = 1", "kkk tttt = 0"),
    ("a.b a .", "n!n n !"),
    ("ssl()\u00a0| →keep()", "SSS()!| !TTTT()"),
]


@pytest.mark.parametrize(("text", "line"), EXAMPLES)
def test_a_piece_of_text_is_highlighted_as_what_it_is(text: str, line: str):
    agree(text, drawn(text, line))


FRAGMENTS = [
    *["rrl", "param", "let", "import", "as", "contrast", "true", "False", *signatures()],
    *["name", "frac", "kernel", "space", "teacher", "rbf", "Foo", "é", "²", "a\u0301", "٣"],
    *["1", ".5", "1e-3", "3x", "1e", ".", "\\", '"', "'", '"a"', "'b\\q'", '"\\""'],
    *[*"(),=|&+-*~#{", "\x00", "\x0b", "\u00a0", "\u2028", "→", "😀"],
    *[" ", "\t", "\f", "\n", "\r\n", "\r"],
]


@MODEST
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join))
def test_the_three_agree_on_any_text(text: str):
    spelled = tokens(text)
    kinds = TEXTMATE.kinds(text)
    assert [Kind.NAME if kind in WORDS else kind for kind in kinds] == spelled
    agree(text, kinds)


@MODEST
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cn"]), max_size=40))
def test_no_text_stops_a_highlighter(text: str):
    agree(text, TEXTMATE.kinds(text))


@pytest.mark.parametrize(
    "word", ["(", "a", "~", '"', "'\\", "ssl(", "=", ", ", "\x00", "é", " ", "."]
)
def test_a_long_line_is_read_to_its_end(word: str):
    text = word * 2000
    assert len(TEXTMATE.kinds(text)) == len(pygments_tokens(LEXER, text)) == len(text)


# the registry


@pytest.mark.parametrize("signature", signatures().values(), ids=str)
def test_every_built_in_argument_and_choice_is_highlighted(signature: Signature):
    name = signature.name
    called = [*([Kind(signature.kind)] * len(name)), Kind.BRACKET]
    agree(f"{name}(", called)
    for parameter in signature.parameters:
        written = [*([Kind.ARGUMENT] * len(parameter.name)), Kind.OPERATOR]
        agree(f"{name}({parameter.name}=", called + written)
        for word in choices(parameter.type):
            chosen = [*([Kind.CHOICE] * len(word)), Kind.BRACKET]
            agree(f"{name}({parameter.name}={word})", called + written + chosen)
            if parameter.positional and signature.parameters.index(parameter):
                before = [Kind.NUMBER, Kind.SEPARATOR]
                agree(f"{name}(1,{word})", called + before + chosen)


@pytest.fixture
def blend(monkeypatch):
    """One more built-in, for the length of a test."""
    mode = Parameter("mode", Choice(("screen", "burn")), "How.", default="screen")
    monkeypatch.setitem(
        registry._SIGNATURES, "blend", Signature("blend", "transform", "Blends.", "", (mode,))
    )
    signatures.cache_clear()
    yield
    monkeypatch.undo()
    signatures.cache_clear()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("blend(mode=burn)", "TTTTT(aaaa=cccc)"),
        ("blend(screen)", "TTTTT(cccccc)"),
        ("blend(knn)", "TTTTT(nnn)"),
    ],
)
def test_a_new_built_in_is_highlighted(text: str, line: str, blend):
    grammar = textmate()
    lexer = runpy.run_path(pygments_lexer.__file__)["RecipeLexer"]()
    kinds = drawn(text, line)
    assert grammar != (ROOT / "grammar/vscode/syntaxes/rrl.tmLanguage.json").read_text("utf-8")
    assert TextMate(grammar).kinds(text) == kinds
    assert pygments_tokens(lexer, text) == [TOKENS[kind] for kind in kinds]
    assert Kind.TRANSFORM not in TEXTMATE.kinds(text)


# the two formats


def test_every_kind_has_its_own_scope_and_token():
    assert set(SCOPES) == set(Kind) - {Kind.BLANK}
    assert len(set(SCOPES.values())) == len(SCOPES)
    assert set(TOKENS) == set(Kind)
    assert len(set(TOKENS.values())) == len(TOKENS) - 1
    assert TOKENS[Kind.BRACKET] is TOKENS[Kind.SEPARATOR] is Token.Punctuation
    assert TOKENS[Kind.INVALID] is Error


@pytest.mark.parametrize(
    ("kind", "scope"),
    [
        (Kind.COMMENT, "comment.line."),
        (Kind.STRING, "string.quoted."),
        (Kind.ESCAPE, "constant.character.escape."),
        (Kind.NUMBER, "constant.numeric."),
        (Kind.CONSTANT, "constant.language."),
        (Kind.KEYWORD, "keyword."),
        (Kind.SOURCE, "support.function.source."),
        (Kind.TRANSFORM, "support.function.transform."),
        (Kind.SCHEDULE, "support.function.schedule."),
        (Kind.ARGUMENT, "variable.parameter."),
        (Kind.CHOICE, "constant.other."),
        (Kind.NAME, "variable.other."),
        (Kind.OPERATOR, "keyword.operator."),
        (Kind.INVALID, "invalid.illegal."),
    ],
)
def test_scopes_are_those_that_color_themes_know(kind: Kind, scope: str):
    assert SCOPES[kind].startswith(scope)
    assert SCOPES[kind].endswith(".rrl")


def test_the_grammar_has_rules_of_one_line_only():
    grammar = json.loads(textmate())
    assert grammar["scopeName"] == "source.rrl"

    def rules(patterns):
        for pattern in patterns:
            yield pattern
            for capture in pattern["captures"].values():
                yield from rules(capture.get("patterns", []))

    assert all(set(rule) == {"match", "captures"} for rule in rules(grammar["patterns"]))


def test_pygments_finds_the_lexer_by_name_and_by_file():
    lexers = entry_points(group="pygments.lexers", name="rrl")
    if not lexers:
        pytest.skip("the package was installed without its entry point")
    (entry,) = lexers
    assert entry.load() is RecipeLexer
    from pygments.lexers import get_lexer_by_name, get_lexer_for_filename

    assert isinstance(get_lexer_by_name("rrl"), RecipeLexer)
    assert isinstance(get_lexer_for_filename("recipes/simclr.rrl"), RecipeLexer)
