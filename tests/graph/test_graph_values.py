"""Graphs as values: equality, text, copies and pickles."""

import copy
import pickle

import pytest
from hypothesis import given, settings
from random_recipes import Recipe, graph_of, recipes

import rrl_dsl as rrl


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(recipes(bound=True))
def test_graph_shows_itself_as_the_text_of_a_recipe(recipe: Recipe):
    graph = graph_of(recipe)
    assert rrl.parse(repr(graph)) == graph


def test_transform_and_contrast_show_themselves_as_texts():
    assert repr(rrl.keep(0.9) | rrl.drop_self()) == "keep(p=0.9) | drop_self()"
    graph = (rrl.ssl() | rrl.self()).with_contrast(~rrl.ssl())
    assert repr(graph) == "ssl() | self()\ncontrast ~ssl()"
    assert rrl.parse(repr(graph)) == graph


def test_graphs_are_values():
    a, b = rrl.ssl() | rrl.self(), rrl.self() | rrl.ssl()
    assert a == b
    assert {a: 1}[b] == 1
    assert a != rrl.ssl()
    assert a != "ssl() | self()"


def test_graph_cannot_be_changed():
    with pytest.raises(AttributeError):
        rrl.ssl().call = None
    with pytest.raises(AttributeError):
        (2 * rrl.ssl()).factor = 3.0


def test_error_survives_a_copy_and_a_process_border():
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse("slef()", name="recipe.rrl")
    for again in (copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):
        assert str(again) == str(caught.value)
        assert again.diagnostics == caught.value.diagnostics


def test_call_shows_as_it_would_be_written():
    for text in ("supervised(labels=coarse)", 'supervised(labels="two \\"words\\"", seed=3)'):
        assert str(rrl.parse(text).call) == text
        assert rrl.parse(str(rrl.parse(text).call)) == rrl.parse(text)


def test_a_graph_and_its_program_survive_pickling() -> None:
    import pickle

    graph = rrl.ssl() | rrl.supervised(frac=0.3) | rrl.corrupt(fpr=0.1)
    assert pickle.loads(pickle.dumps(graph)) == graph
    assert pickle.loads(pickle.dumps(rrl.compile(graph))).identity == graph.identity
