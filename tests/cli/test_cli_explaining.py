"""`explain`: codes, built-ins, recipes; and what verbs load."""

import json
import re
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


@pytest.mark.parametrize("written", ["203", "rrl203", "RRL203", "Rrl203"])
def test_a_code_is_explained_however_it_is_written(cli, written):
    assert cli("explain", written).out == cli("explain", "RRL203").out
    assert "a transform without a graph on its left" in cli("explain", written).out


def test_an_unknown_code_has_a_neighbor(cli):
    result = cli("explain", "RRL199")
    assert result.code == 1
    assert "`RRL199` is not an error code" in result.err


@pytest.mark.parametrize("name", signatures())
def test_every_built_in_is_explained(cli, name):
    assert signatures()[name].headline in " ".join(cli("explain", name).out.split())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("corupt", "corrupt"),
        ("RL203", "RRL203"),
        ("baseline", "BaseLine.rrl"),
        ("baselne.rrl", "BaseLine.rrl"),
        ("sub/a.rll", "sub/a.rrl"),
        ("sub/a", "sub/a.rrl"),
    ],
)
def test_an_unknown_word_has_a_suggestion(cli, tmp_path, written, meant):
    (tmp_path / "sub").mkdir()
    for name in ("BaseLine.rrl", "sub/a.rrl"):
        (tmp_path / name).write_text("ssl()\n")
    result = cli("explain", written)
    assert result.code == 1
    assert f"did you mean `{meant}`?" in result.err


def test_an_unknown_word_without_a_suggestion_names_the_lists(cli):
    assert (
        "`rrl-dsl builtins` and `rrl-dsl losses` list all names" in cli("explain", "zzzzzzzz").err
    )
    assert cli("explain", "x" * 300).code == 1


def test_a_name_of_any_kind_is_explained(cli, monkeypatch):
    monkeypatch.setattr("rrl_dsl.report.evaluation.available_memory", lambda: 2**34)
    loss = cli("losses", "simclr").out
    assert cli("explain", "simclr").out.startswith(loss)
    recipe = cli("explain", str(RECIPES / "simclr.rrl")).out.splitlines()[1:]  # but for its path
    assert cli("explain", "simclr").out[len(loss) :].splitlines()[1:] == recipe
    assert cli("explain", "isomap").out.splitlines()[1] == "type      binary graph"
    assert "The peak learning rate." in cli("explain", "optimizer.lr").out
    section = cli("explain", "optimizer").out
    assert all(f"optimizer.{key} " in section for key in ("name", "lr", "weight_decay", "warmup"))
    (setting,) = json.loads(cli("explain", "epochs", "--json").out)
    assert (setting["name"], setting["default"]) == ("epochs", "400")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ntxent", "simclr"),
        ("lr", "optimizer.lr"),
        ("learning-rate", "optimizer.lr"),
        ("projector.ot", "projector.out"),
        ("Isomap", "isomap"),
        ("batch-size", "batch_size"),
    ],
)
def test_other_spellings_have_a_suggestion(cli, written, meant):
    assert f"did you mean `{meant}`?" in cli("explain", written).err


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("temperature", "`temperature` is an option of the losses `simclr`, "),
        ("tau", "`temperature` is an option of the losses `simclr`, "),
        ("loss.temperature", "`temperature` is an option of the losses `simclr`, "),
        ("adam", "`adam` is a value of the setting `optimizer.name`"),
        ("AdamW", "`adamw` is a value of the setting `optimizer.name`"),
    ],
)
def test_options_of_losses_and_values_of_settings_are_distinguished(cli, written, told):
    result = cli("explain", written)
    assert result.code == 1
    assert told in " ".join(result.err.split())


def test_a_recipe_is_explained_in_all_its_parts(cli):
    result = cli("explain", str(RECIPES / "semi_coarse.rrl"))
    for words in (
        "binary graph, random",
        "the label field `coarse`",
        "draws from stream 62027779",
        "already in its simplest form",
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
    result = cli("explain", "-e", text, "--batch-size", "32")
    for words in (
        "an edge depends on the whole batch",
        "the number field `label`",
        "the vector field `pixels`",
        "embeddings of the rows in the space `projection`",
        "the whole dataset",
        "measured on one batch",
        "stages over the whole batch",
        "scope dataset",
    ):
        assert words in " ".join(result.out.split())


def test_columns_the_data_set_lacks_are_named_and_the_rest_is_explained(cli):
    result = cli("explain", "-e", "near(time, 5)")
    assert result.code == 0
    assert "not known: the dataset `digits` has no field `time`" in result.out
    assert "cost" in result.out


def test_epoch_batch_and_parameters_matter(cli):
    def figures(*words):
        return json.loads(cli("explain", *words, "--json").out)["figures"]

    curriculum = str(RECIPES / "curriculum.rrl")
    assert figures(curriculum)["edges"] == pytest.approx(1)
    assert figures(curriculum, "--epoch", "20")["edges"] > 50
    assert figures(curriculum, "--epoch", "10", "--param", "epochs=10")["edges"] > 50
    assert figures("-e", "ssl() | all()", "--batch-size", "10")["edges"] == 19


@pytest.mark.parametrize(
    ("batch", "cpu"),
    [
        (1023, "dense on cpu: 4,186,116 pairs are fewer than 4,194,304"),  # of 2 views
        (1024, "blocked on cpu, in tiles of 262,144 pairs: 4,194,304 pairs are 4,194,304 or more"),
        (16_384, "blocked on cpu, in tiles of 262,144 pairs: 1,073,741,824 pairs are 4,194,304"),
    ],
)
@pytest.mark.parametrize("option", ["--batch", "--batch-size"])
def test_the_strategy_of_a_batch_is_named_with_its_reason(cli, option: str, batch: int, cpu: str):
    result = cli("explain", "-e", "ssl()", option, str(batch))
    out = " ".join(result.out.split())
    assert cpu in out
    assert f"{'blocked' if batch == 16_384 else 'dense'} on cuda" in out
    assert re.search(r"[KMG]iB of [\d.]+ [KMGT]iB that are free, [\d.e+]+ operations", out)


def test_memory_and_operations_of_a_batch_follow_from_its_sizes(cli):
    def evaluated(*words):
        record = json.loads(cli("explain", "-e", *words, "--batch", "4096", "--json").out)
        return record["cost"]["operations"], *record["evaluations"]

    edge, cpu, cuda = evaluated("ssl()", "--width", "64")
    assert (cpu["device"], cpu["strategy"], cpu["tile"]) == ("cpu", "blocked", 2**18)
    assert (cuda["device"], cuda["strategy"], cuda["free"]) == ("cuda", "blocked", None)
    assert cpu["memory"] == 18 * 2**18 + 20 * 2 * 8192 * 64
    # similarities twice, gradients of rows and columns; a tile serves both sides of the diagonal
    assert cpu["operations"] == 8192**2 * (2 * (edge + 2 * 64) + 4 * 64) // 2
    _, bank, _ = evaluated("ssl() | knn(3, bank=1000)")
    assert (bank["rows"], bank["columns"], bank["width"]) == (8192, 9192, 128)


def test_explain_as_json(cli):
    record = json.loads(cli("explain", "-e", "ssl() | none()", "--json").out)
    assert record["rewriting"]["after"] == "ssl()"
    assert record["cost"]["rows"] == 512
    assert record["scope"] == "pair"
    assert json.loads(cli("explain", "RRL203", "--json").out)["right"].startswith("ssl")
    assert json.loads(cli("explain", "knn", "--json").out)[0]["kind"] == "source"
    wrong = json.loads(cli("explain", "-e", "ssl(", "--json").out)
    assert wrong[0]["code"] == "RRL006"


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
