"""`--param NAME=VALUE`: what is malformed is a usage error, what is well formed is a literal."""

import json

import pytest

RECIPE = 'param frac = 0.3\nparam field = "coarse"\nssl() | supervised(frac=frac, labels=field)\n'


@pytest.fixture(autouse=True)
def _recipe(tmp_path):
    (tmp_path / "a.rrl").write_text(RECIPE)


def given(*assignments):
    return [word for assignment in assignments for word in ("--param", assignment)]


@pytest.mark.parametrize("verb", ["compile", "explain", "train"])
def test_everything_malformed_is_named_at_once(cli, verb):
    result = cli(verb, "a.rrl", *given("frac", "=3", "field=", "field='x", "frac=1"))
    assert result.code == 2
    said = " ".join(result.err.replace("│", " ").split())
    assert "`frac`, `=3`, `field=` or `field='x`" in said
    assert result.out == ""


def test_a_name_is_given_once(cli):
    result = cli("compile", "a.rrl", *given("frac=0.1", "frac=0.2", "field=coarse"))
    assert result.code == 2
    assert "set `frac` only once" in result.err


def test_strings_reach_the_recipe(cli):
    def identity(*assignments):
        return json.loads(cli("compile", "a.rrl", "--json", *given(*assignments)).out)["identity"]

    assert identity("field='label'") == identity("field=label") == identity(' field = "label"')
    assert identity("field=label") != identity()


def test_conflicting_parameters_are_errors(cli, tmp_path):
    (tmp_path / "b.rrl").write_text("let known = supervised()\nknown\n")
    result = cli("compile", "b.rrl", *given("known=1"))
    assert result.code == 1
    assert "`known` is a `let`, not a parameter" in result.err


def test_train_shows_the_assignment_that_is_wrong(cli):
    result = cli("train", "a.rrl", *given("frca=0.5"))
    assert result.code == 1
    assert "1 | --param frca=0.5" in result.err
    assert "did you mean `frac`?" in result.err
