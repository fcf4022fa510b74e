"""Any text gives a graph or errors that can be displayed, and is formatted or an error.

The examples are the same in every run; `--hypothesis-profile=long` looks at many others.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rrl_dsl as rrl
from rrl_dsl.graph.recipe import parameter_value
from rrl_dsl.graph.text import text_of
from rrl_dsl.language.format import format_text
from rrl_dsl.language.span import Source

LIMIT_S = 4.0  # of a machine that does other things too; each takes a few milliseconds

FILES = {
    "links.csv": "1,2\n2,3\n",
    "weighted.csv": "a,b,weight\n1,2,0.5\n",
    "annotated_pairs.csv": "1,2\n",
    "garbage.csv": "1,2\nthree\n",
    "base.rrl": "param frac = 0.3\nssl() | supervised(frac=frac)\n",
    "transform.rrl": "keep(0.5)\n",
    "broken.rrl": "let a = (\nssl(vews=2) | a\n",
    "loop.rrl": "import 'loop.rrl' as loop\nloop\n",
}
GALLERY = [
    file.read_text(encoding="utf-8")
    for file in sorted(files("rrl_dsl.recipes").iterdir(), key=lambda file: file.name)
    if file.name.endswith(".rrl")
]
VALID = [
    "ssl(views=2)",
    "rrl 1\nparam frac = 0.3\nlet known = supervised(frac=frac, labels=coarse)\n"
    "ssl(views=2) | known | corrupt(fpr=0.05, unit=row)",
    "let noise = keep(0.9) | drop_self()\n(ssl() + 2 * all()) & ~self() - random(.1) | noise",
    "# c\nparam t = true\nparam f = 'fine'\nsupervised(labels=f,)\n| clip(max=1e-3) # d",
    "keep(0.9) | threshold(0) | ssl()",
    "import 'base.rrl' as a\na(frac=0.1) | all()\ncontrast a | pairs('links.csv')",
    "let s = 2 * linear(0, 1, epochs=9)\ns * knn(3, space=caption) | near(time, 5, ) | topk(2)",
    "similarity(caption, kernel=sne) + geodesic(x, 3, 1.5) | closure() | during(2, end=3)",
]
PIECES = [
    *("|&+-*~(),=#.'\"\\\n\r\t @é\x00\ud800"),
    *("rrl ", "let ", "param ", "import ", "as ", "contrast ", "true", "false"),
    *("ssl(", "keep(", "views=", "seed=", "1e9", "-1", "99999999999999999999", "a", "frac", "()"),
    *("| keep(.5)", " - 2*", "per_class=3", "labels=", "\ufeff", "\r\n"),
    *("pairs('links.csv')", "'weighted.csv'", "weight=2", "'garbage.csv'", "'../a.csv'"),
    *("import 'base.rrl' as b\n", "import 'broken.rrl' as b\n", "import 'loop.rrl' as b\n", "b()"),
    *("import 'transform.rrl' as b\n", "linear(0,1,epochs=2)", "step(", "at=", "near(time,"),
]

soups = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
changes = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 12), st.sampled_from(["", *PIECES])),
    min_size=1,
    max_size=4,
)


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A recipe of which something is cut out, and into which something is put, a few times."""
    text = draw(st.sampled_from([*VALID, *GALLERY]))
    for at, removed, added in draw(changes):
        at = at % (len(text) + 1)
        text = text[:at] + added + text[at + removed :]
    return text


texts = st.text(max_size=60) | soups | mutants()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with the files that the recipes name."""
    folder = tmp_path_factory.mktemp("recipes")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@contextmanager
def soon() -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < LIMIT_S


def outcome(
    text: str, folder: Path, params: dict[str, object] | None = None
) -> rrl.Graph | rrl.RRLError:
    with soon():
        try:
            return rrl.parse(text, params=params, name="recipe.rrl", directory=folder)
        except rrl.RRLError as problem:
            return problem


def check_errors(problem: rrl.RRLError, text: str) -> None:
    """Every error can be shown in its place, and its edits lie in its text."""
    assert 1 <= len(problem.diagnostics) <= 100
    for diagnostic in problem.diagnostics:
        json.dumps(diagnostic.to_dict())
        assert diagnostic.span is not None
        assert diagnostic.source is not None
        size = len(diagnostic.source.text)
        assert 0 <= diagnostic.span.start <= diagnostic.span.end <= size + 1
        assert diagnostic.render().splitlines()[4].strip(" |^") == ""
        for edit in diagnostic.edits:
            assert 0 <= edit.span.start <= edit.span.end <= size
    own = [
        diagnostic.span.start
        for diagnostic in problem.diagnostics
        if diagnostic.source.text == text
    ]
    assert own == sorted(own)


@given(texts)
@example("\ud800")
@example("\x00")
@example("'\\")
def test_any_text_is_a_graph_or_errors(folder: Path, text: str):
    result = outcome(text, folder)
    if isinstance(result, rrl.RRLError):
        check_errors(result, text.removeprefix("\ufeff"))
    else:
        assert len(result.identity) == 64
        assert text_of(result)


@pytest.mark.parametrize("text", VALID)
def test_any_beginning_of_a_recipe_is_a_graph_or_errors(folder: Path, text: str):
    for end in range(len(text)):
        result = outcome(text[:end], folder)
        if isinstance(result, rrl.RRLError):
            check_errors(result, text[:end])


@given(texts)
@example("ssl()\ufeff")
def test_any_text_is_formatted_once_for_all_or_refused(folder: Path, text: str):
    source = Source(text, "recipe.rrl", folder)
    with soon():
        try:
            formatted = format_text(source)
        except rrl.RRLError as problem:
            check_errors(problem, text)
            return
    assert format_text(Source(formatted, "recipe.rrl", folder)) == formatted
    before, after = outcome(text, folder), outcome(formatted, folder)
    if isinstance(before, rrl.Graph):
        assert after == before
        assert after.identity == before.identity
    else:
        codes = [
            [diagnostic.code for diagnostic in problem.diagnostics] for problem in (before, after)
        ]
        assert codes[0] == codes[1]


@given(st.text(max_size=12), st.none() | st.booleans() | st.floats() | st.text(max_size=5))
def test_any_parameter_is_taken_or_refused_with_an_error(folder: Path, name: str, value: object):
    text = "param frac = 0.3\nparam view = 2\nsupervised(frac=frac) | ssl(view)"
    for params in ({name: value}, {"frac": value}, {"view": value}):
        assert str(outcome(text, folder, params))


@given(st.text(max_size=12))
def test_any_word_of_the_command_line_is_a_value_or_a_broken_string(text: str):
    value = parameter_value(text)
    assert isinstance(value, bool | int | float | str) or not text or text[0] in "'\""
