"""The printed text of a recipe, parsed again, is the recipe, or `explain` says why it is not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_recipes import recipes, text_of

import rrl_dsl as rrl
from rrl_dsl.data import digits
from rrl_dsl.graph.streams import streams_of
from rrl_dsl.report.recipe import explain

RANDOM = recipes(size=4).map(text_of)


def same_when_parsed_again(graph: rrl.Graph) -> bool:
    return rrl.parse(str(graph), allow_outside=True).identity == graph.identity


def joined(imports: list[str], recipe: str, sign: str) -> str:
    """A recipe that also joins the graphs of imported files."""
    *definitions, last = recipe.splitlines()
    lines = [f'import "{name}.rrl" as {name}' for name in imports]
    return "\n".join([*lines, *definitions, f" {sign} ".join([*imports, f"({last})"])])


@settings(max_examples=60)
@given(recipe=RANDOM)
def test_a_recipe_without_imports_is_its_text(recipe):
    assert same_when_parsed_again(rrl.parse(recipe, allow_outside=True))


@settings(max_examples=60)
@given(inner=RANDOM, outer=RANDOM, own=RANDOM, sign=st.sampled_from("|&+"))
def test_a_recipe_with_imports_is_its_text_unless_a_call_draws_otherwise(
    inner, outer, own, sign, tmp_path_factory
):
    folder = tmp_path_factory.getbasetemp()
    (folder / "inner.rrl").write_text(inner)
    (folder / "outer.rrl").write_text(joined(["inner"], outer, sign))
    graph = rrl.parse(joined(["inner", "outer"], own, sign), directory=folder, allow_outside=True)
    kept, printed = streams_of(graph), streams_of(graph, imports=False)
    moved = any(call.facts.draws and kept[call] != printed[call] for call in kept)
    assert moved or same_when_parsed_again(graph)


@pytest.mark.parametrize(
    ("own", "moved"),
    [
        ("a", []),
        ("a | random(0.5)", []),
        ("a | supervised()", []),
        ("let noise = corrupt(fpr=0.2)\n(a | noise) & (ssl() | noise)", ["corrupt(fpr=0.2)"]),
        ("(none() | corrupt(fpr=0.2)) | a", ["corrupt(fpr=0.1)"]),
        ("a & (none() | corrupt(fpr=0.2, seed=1))", []),
        ("a | supervised(frac=0.5)", ["supervised(frac=0.5)"]),
    ],
)
def test_explain_names_the_calls_that_the_text_moves(own, moved, tmp_path):
    (tmp_path / "a.rrl").write_text("ssl(views=2) | supervised() | corrupt(fpr=0.1)\n")
    graph = rrl.parse(f'import "a.rrl" as a\n{own}', directory=tmp_path)
    explained = explain(rrl.compile(graph), digits.columns(), samples=16)
    told = [call for call, facts in explained.calls if "in its printed text" in facts]
    assert told == moved
    assert same_when_parsed_again(graph) == (not moved)


def test_a_call_that_draws_nothing_is_written_once_too():
    graph = rrl.parse("let s = supervised()\n(s & random(0.5)) | (s & supervised(frac=0.5))")
    assert same_when_parsed_again(graph)
