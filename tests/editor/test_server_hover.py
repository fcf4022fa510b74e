"""What is shown under the pointer, and the density that comes with it."""

import threading
from pathlib import Path

import pytest
from editor_client import Editor
from editor_places import marked

from rrl_dsl.editor import density
from rrl_dsl.editor.density import Densities, density_in_words
from rrl_dsl.editor.hover import Hover, hover_at
from rrl_dsl.graph.recipe import analyze
from rrl_dsl.graph.registry import signatures
from rrl_dsl.language.span import Source

HEAD = """param share = 0.3
let known = supervised(frac=share)
let noise = corrupt(fpr=0.01) | keep(0.9)
let ramp = linear(0.1, 1, epochs=10)
"""


def hover(text: str, folder: Path | None = None) -> Hover | None:
    return hover_at(*marked(text, folder))


def parts(text: str, folder: Path | None = None) -> tuple[str, ...]:
    hovered = hover(text, folder)
    assert hovered is not None
    return hovered.parts


KNOWN = "let known = supervised(frac=share)"
LABELED = "binary graph; scope: pair; random; reads the label `label`"
NOISE = "let noise = corrupt(fpr=0.01) | keep(0.9)"
FRAC = (
    "frac: Fraction = 1.0, or a schedule",
    "The fraction of samples whose label is known.",
    "a number above 0 and at most 1, or a schedule",
)
RAMP = "let ramp = linear(0.1, 1, epochs=10)"


@pytest.mark.parametrize(
    ("text", "statement", "facts"),
    [
        ("ssl() | kno^wn", KNOWN, LABELED),
        ("ssl() | known^", KNOWN, LABELED),
        ("ssl() | ^known", KNOWN, LABELED),
        ("ssl() | noise^", NOISE, "transform; scope: pair; random"),
        ("ramp^ * ssl()", RAMP, "schedule linear(0.1, 1.0, epochs=10)"),
        ("supervised(frac=sha^re)", "param share = 0.3", "number 0.3"),
        ("let bad = nothing\nb^ad", "let bad = nothing", "something that has an error"),
    ],
)
def test_a_name(text: str, statement: str, facts: str):
    assert parts(HEAD + text) == (f"```rrl\n{statement}\n```", facts)


def test_a_definition_is_as_its_uses():
    assert parts(f"{HEAD.replace('known', 'kno^wn')}known") == parts(f"{HEAD}kno^wn")


def test_a_long_definition_is_cut():
    text = f"let long = {' | '.join(['ssl()'] * 99)}\nlon^g"
    assert len(parts(text)[0]) < 250


@pytest.mark.parametrize("signature", signatures().values(), ids=lambda signature: signature.name)
def test_a_built_in(signature):
    shown = parts(f"{signature.name[0]}^{signature.name[1:]}(")
    assert shown == (f"```rrl\n{signature}\n```", signature.doc)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("s^sl()", "binary graph; scope: pair"),
        ("superv^ised(labels=coarse)", "binary graph; scope: pair; reads the label `coarse`"),
        (
            "superv^ised(per_class=3)",
            "binary graph; scope: dataset; random; reads the label `label`",
        ),
        ("kn^n(3)", "binary graph; scope: batch; reads the space `projection`"),
        ("kn^n(3, space=v)", "binary graph; scope: dataset; reads the vector `v`"),
        ("ne^ar(time, 5)", "binary graph; scope: pair; reads the number `time`"),
        ("simil^arity(v)", "weighted graph; scope: pair; reads the vector `v`"),
        ("ssl() | ke^ep(0.9)", "transform; scope: pair; random"),
        ("ssl() | to^pk(3)", "transform; scope: batch"),
    ],
)
def test_a_call_shows_what_holds_of_it(text: str, facts: str):
    assert parts(text)[2] == facts


def test_a_call_with_an_error_shows_the_built_in_alone():
    assert len(parts("superv^ised(frac=3)")) == 2


@pytest.mark.parametrize(
    ("text", "shown", "doc", "wanted"),
    [
        ("supervised(fr^ac=1)", *FRAC),
        ("supervised(frac^=", *FRAC),
        (
            "supervised(per_class^=3",
            "per_class: Int, optional",
            "The number of known labels in each class, in place of `frac`.",
            "an integer of at least 1",
        ),
        ("knn(k^=3)", "k: Int", "The number of neighbors.", "an integer of at least 1"),
        (
            "knn(3, met^ric=cosine)",
            "metric: cosine|euclidean = cosine",
            signatures()["knn"].parameter("metric").doc,
            "`cosine` or `euclidean`",
        ),
    ],
)
def test_an_argument(text: str, shown: str, doc: str, wanted: str):
    assert parts(text) == (f"```rrl\n{shown}\n```", doc, wanted)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ssl() | corrupt(unit=ro^w)", "`row`: a value of `unit`"),
        ("knn(3, space=tea^cher)", "`teacher`: a space of the model"),
        ("knn(3, space=cap^tion)", "`caption`: a field of the dataset"),
        ("supervised(labels=coar^se)", "`coarse`: a field of the dataset"),
        ("supervised(0.3, coar^se)", "`coarse`: a field of the dataset"),
    ],
)
def test_a_word(text: str, shown: str):
    assert parts(text)[0] == shown


@pytest.mark.parametrize(
    "text",
    [
        *["^", "# ss^l()", "nothi^ng", "nothi^ng(3)", "ssl(views=2^)", "ssl(^)"],
        *["supervised(no^=3)", "le^", "ssl() |^", "im^", "'a^'", "supervised(frac=no^thing)"],
    ],
)
def test_nothing_is_known(text: str):
    assert hover(text) is None


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("l^et a = ssl() | keep(0.9)\na", "let a = ssl() | keep(0.9)"),
        ("let a = ssl()\na ^| keep(0.9)", "a | keep(0.9)"),
        ("ssl()\ncont^rast supervised()", "contrast supervised()"),
        ("^~ssl()", "~ssl()"),
    ],
)
def test_a_statement(text: str, statement: str):
    hovered = hover(text)
    assert hovered is not None
    assert hovered.graph is not None
    assert text.replace("^", "")[slice(*hovered.span)] == statement


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("r^rl 1\nssl()", "The version of the language. Must be first."),
        ("^param a = 1\nssl()", "A parameter: a number, a string or a flag with a default."),
        ('import^ "a.rrl" as a\na', "Binds the graph of another recipe to a name."),
        ("l^et a = ssl()\na", "A name for a graph, a transform or a value."),
        ("l^et a = )\n", "A name for a graph, a transform or a value."),
        ("ssl()\ncontra^st near(time, 5)", "The pairs that a loss may push apart. Must be last."),
        ("ssl()\ncontra^st all()", "The pairs that a loss may push apart. Must be last."),
    ],
)
def test_a_word_that_begins_a_statement(text: str, shown: str):
    assert parts(text)[0] == shown


def test_a_file_of_pairs(tmp_path: Path):
    (tmp_path / "links.csv").write_text("a,b\n0,1\n1,2\n", "utf-8")
    for text in ('pairs("links^.csv")', 'ssl() | pairs(file="^links.csv")'):
        assert parts(text, tmp_path) == (f"`{tmp_path / 'links.csv'}`", "pairs: 2")
    assert hover('pairs("no^.csv")', tmp_path) is None


def test_text_cannot_end_its_code_block(tmp_path: Path):
    text = 'param a = "```\\n# x"\nparam b = "`"\nssl()'.replace("\\n", "")
    assert parts(text.replace(" a ", " ^a ", 1))[0] == '````rrl\nparam a = "```# x"\n````'
    (tmp_path / "base.rrl").write_text('param by = "a`b"\nssl()', "utf-8")
    shown = parts('import "base.rrl" as ba^se\nbase', tmp_path)
    assert shown[-1] == 'parameters: ``by="a`b"``'


def test_a_contrast_is_not_asked_for_the_density_of_a_graph():
    hovered = hover("ssl() ^| all()\ncontrast near(time, 5)")
    assert hovered is not None
    assert hovered.parts == ("binary graph, with a contrast; scope: pair; reads the number `time`",)
    assert hovered.graph == analyze(Source("ssl() | all()")).graph


def test_an_import(tmp_path: Path):
    (tmp_path / "base.rrl").write_text("param frac = 0.3\nsupervised(frac=frac)\n", "utf-8")
    text = 'import "base.rrl" as base\nbase(frac=0.5)'
    name = parts(text.replace("base(", "ba^se("), tmp_path)
    assert name[0] == '```rrl\nimport "base.rrl" as base\n```'
    assert name[-1] == "parameters: `frac=0.3`"
    assert parts(text.replace("frac=", "fr^ac="), tmp_path)[0] == "```rrl\nparam frac = 0.3\n```"
    assert parts(text.replace("base.rrl", "ba^se.rrl"), tmp_path)[0] == f"`{tmp_path / 'base.rrl'}`"


def test_density_uses_the_parameters_of_the_graph(tmp_path: Path):
    (tmp_path / "base.rrl").write_text("param frac = 0.3\nsupervised(frac=frac)\n", "utf-8")
    text = 'import "base.rrl" as base\nba^se(frac=0.5)'
    hovered = hover(text, tmp_path)
    assert hovered is not None
    assert hovered.graph == analyze(Source("supervised(frac=0.5)")).graph


# density


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("near(time, 5)", "the dataset `digits` has no field `time`"),
        ("supervised(labels=fine)", "the dataset `digits` has no label field `fine`"),
        (
            "ssl(views=64) | closure()",
            "64 views of 256 samples are too many to measure its density",
        ),
    ],
)
def test_why_there_is_no_density(text: str, words: str):
    graph = analyze(Source(text)).graph
    assert graph is not None
    assert density_in_words(graph) == words


def test_density():
    text = "ssl(views=2) | supervised(frac=0.3, labels=coarse) | corrupt(fpr=0.05)"
    graph = analyze(Source(text)).graph
    assert graph is not None
    words = density_in_words(graph)
    assert "256 samples x 2 views" in words
    assert "41.28 edges per row" in words
    assert "59.9% of the edges" in words


def test_density_with_pixels_in_place_of_embeddings():
    graph = analyze(Source("knn(3)")).graph
    assert graph is not None
    assert density_in_words(graph).endswith("with raw pixels in place of embeddings")


def test_densities_are_computed_once_and_the_latest_first(monkeypatch):
    started, go_on = threading.Event(), threading.Event()
    asked: list[str] = []

    def slow(graph):
        asked.append(str(graph.call))
        started.set()
        go_on.wait(30)
        return "known"

    monkeypatch.setattr(density, "density_in_words", slow)
    first, second, third = (analyze(Source(f"ssl(views={n})")).graph for n in (2, 3, 4))
    assert first is not None
    assert second is not None
    assert third is not None
    densities = Densities()
    working = densities.of(first)
    assert started.wait(30)
    waiting = densities.of(second)
    last = densities.of(third)
    assert waiting.cancelled()
    assert densities.of(third) is last
    go_on.set()
    assert working.result(30) == last.result(30) == "known"
    assert densities.of(second).result(30) == "known"
    assert asked == ["ssl()", "ssl(views=4)", "ssl(views=3)"]


def test_a_failed_density_is_reported(monkeypatch, caplog):
    def fails(graph):
        raise ZeroDivisionError

    monkeypatch.setattr(density, "density_in_words", fails)
    graph = analyze(Source("ssl()")).graph
    assert graph is not None
    assert Densities().of(graph).result(30) == "its density cannot be computed"
    assert "ZeroDivisionError" in caplog.text


SLOW = """
import threading
from rrl_dsl.editor import density, server

go_on = threading.Event()
threading.Timer(1.0, go_on.set).start()
server.PATIENCE = 0.1
density.density_in_words = lambda graph: "dense" if go_on.wait(60) else ""
server.serve()
"""


def test_a_hover_waits_for_its_density_only_so_long():
    editor = Editor("-c", SLOW)
    editor.open("untitled:a", "ssl()")
    first = editor.hover("untitled:a", 0)
    assert first is not None
    assert first.endswith("its density is being computed; hover again")
    editor.change("untitled:a", 5, 5, " ")
    assert editor.diagnostics("untitled:a") == [], "the server goes on meanwhile"
    while "being computed" in (shown := editor.hover("untitled:a", 0) or ""):
        editor.pause(0.05)
    assert shown.endswith("dense")
    assert editor.quit() == 0
