"""`explain` and `diff`: codes, built-ins, recipes, and how two recipes differ."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rrl_dsl.graph.registry import signatures
from rrl_dsl.language.codes import CODES

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(cli, code):
    result = cli("explain", code)
    assert result.code == 0
    assert CODES[code] in " ".join(result.out.split())


def test_a_code_in_lower_case_is_the_code_and_an_unknown_one_has_a_neighbour(cli):
    assert "RRL203" in cli("explain", "rrl203").out
    result = cli("explain", "RRL199")
    assert result.code == 1
    assert "there is no code `RRL199`" in result.err


@pytest.mark.parametrize("name", signatures())
def test_every_built_in_is_explained(cli, name):
    assert signatures()[name].headline in " ".join(cli("explain", name).out.split())


def test_what_is_nothing_is_told_its_neighbour(cli):
    result = cli("explain", "corupt")
    assert result.code == 1
    assert "did you mean `corrupt`?" in result.err


def test_a_recipe_is_explained_in_all_its_parts(cli):
    result = cli("explain", str(RECIPES / "semi_coarse.rrl"))
    for words in (
        "binary graph, random",
        "the label field `coarse`",
        "draws from stream 62027779",
        "nothing to simplify",
        "expected from the label counts",
        "59.9% of the edges are added by noise",
        "512 rows",
        "256 KiB for the graph",
    ):
        assert words in result.out


def test_rewriting_is_shown_before_and_after(cli):
    result = cli("explain", "-e", "ssl(views=2) | none() | keep(1.0)")
    lines = [line.strip() for line in result.out.splitlines()]
    assert "before  ssl() | none() | keep(p=1.0)" in lines
    assert "unit: ssl() | none()  ->  ssl()" in lines
    assert "identity: ssl() | keep(p=1.0)  ->  ssl()" in lines
    assert "after   ssl()" in lines


def test_scope_and_needs_of_every_kind(cli):
    text = "knn(3, space=pixels) | knn(2) | near(label, 1) | topk(5)"
    result = cli("explain", "-e", text, "--batch", "32")
    for words in (
        "an edge depends on the whole batch",
        "the number field `label`",
        "the vector field `pixels`",
        "embeddings in the space `projection`",
        "the whole data set, once",
        "measured on one batch",
        "stages over the whole batch",
        "scope data set",
    ):
        assert words in " ".join(result.out.split())


def test_columns_the_data_set_lacks_are_named_and_the_rest_is_explained(cli):
    result = cli("explain", "-e", "near(time, 5)")
    assert result.code == 0
    assert "not known: the data set `digits` has no field `time`" in result.out
    assert "cost" in result.out


def test_epoch_batch_and_parameters_matter(cli):
    def figures(*words):
        return json.loads(cli("explain", *words, "--json").out)["figures"]

    curriculum = str(RECIPES / "curriculum.rrl")
    assert figures(curriculum)["edges"] == pytest.approx(1)
    assert figures(curriculum, "--epoch", "20")["edges"] > 50
    assert figures(curriculum, "--epoch", "10", "--param", "epochs=10")["edges"] > 50
    assert figures("-e", "ssl() | all()", "--batch", "10")["edges"] == 19


def test_explain_as_json(cli):
    record = json.loads(cli("explain", "-e", "ssl() | none()", "--json").out)
    assert record["rewriting"]["after"] == "ssl()"
    assert record["cost"]["rows"] == 512
    assert record["scope"] == "pair"
    assert json.loads(cli("explain", "RRL203", "--json").out)["right"].startswith("ssl")
    assert json.loads(cli("explain", "knn", "--json").out)[0]["kind"] == "source"
    wrong = json.loads(cli("explain", "-e", "ssl(", "--json").out)
    assert wrong[0]["code"] == "RRL006"


def test_diff_of_structure_and_of_edges(cli):
    one, other = str(RECIPES / "semi_supervised.rrl"), str(RECIPES / "coarse_labels.rrl")
    result = cli("diff", one, other)
    assert result.code == 0
    assert "-   supervised(frac=0.3)" in result.out
    assert "+   supervised(frac=0.3, labels=coarse)" in result.out
    record = json.loads(cli("diff", one, other, "--json").out)
    assert record["edges"]["removed"] == 0  # the same samples are labelled, and fine lies in coarse
    assert record["edges"]["added"] > 1000
    assert record["edges"]["both"] > 1000


def test_diff_of_a_recipe_with_itself(cli):
    one = str(RECIPES / "simclr.rrl")
    result = cli("diff", one, str(RECIPES / "wmse.rrl"))
    assert "the two recipes define the same graph" in result.out
    assert "0 edges come" in result.out


def test_diff_counts_other_weights(cli, tmp_path):
    (tmp_path / "a.rrl").write_text("ssl(views=2)")
    (tmp_path / "b.rrl").write_text("2 * ssl(views=2)")
    record = json.loads(cli("diff", "a.rrl", "b.rrl", "--json").out)
    assert record["edges"] == {
        "rows": 512,
        "both": 256,
        "removed": 0,
        "added": 0,
        "reweighted": 256,
    }


def test_verbs_that_look_at_recipes_load_no_torch():
    code = (
        "import sys\n"
        "from rrl_dsl.cli.main import app\n"
        f"recipe = {str(RECIPES / 'semi_coarse.rrl')!r}\n"
        f"other = {str(RECIPES / 'simclr.rrl')!r}\n"
        "for words in (['check', recipe], ['fmt', '--check', recipe], ['explain', recipe],\n"
        "              ['diff', recipe, other], ['compile', recipe], ['explain', 'RRL203']):\n"
        "    try: app(words)\n"
        "    except SystemExit as stop: assert not stop.code, words\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_checking_and_formatting_load_little():
    code = (
        "import sys\n"
        "from rrl_dsl.cli.start import run_at_once\n"
        f"assert run_at_once(['check', {str(RECIPES)!r}])\n"
        f"assert run_at_once(['fmt', '--check', {str(RECIPES)!r}])\n"
        "assert not {'numpy', 'typer', 'rich', 'pydantic'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
