"""Where verbs take a recipe: a file, or a text with `-e`; and the loss that its header names."""

import json

import pytest
import yaml

SPACED = "ssl( )|all( )"


def test_a_recipe_may_be_given_as_a_text_wherever_one_is_taken(cli):
    assert cli("check", "-e", "ssl()", "-e", SPACED).out == "2 recipes checked, no errors\n"
    wrong = cli("check", "-e", "ssl() |")
    assert wrong.code == 1
    assert "--> -e:1:8" in wrong.out
    assert cli("fmt", "-e", SPACED).out == "ssl() | all()\n"
    assert cli("fmt", "--check", "-e", SPACED).out == "-e would change\n"
    for verb in ("compile", "explain"):
        assert cli(verb, "-e", "ssl()").code == 0
    assert cli("diff", "-e", "ssl() | all()", "-e", "all() | ssl()").out.startswith("the two")


def test_diff_takes_files_before_texts(cli, tmp_path):
    (tmp_path / "a.rrl").write_text("ssl()\n")
    difference = json.loads(cli("diff", "a.rrl", "-e", "all()", "--json", "--batch-size", 8).out)
    assert difference["tree"] == ["- ssl()", "+ all()"]


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("fmt",),
        ("diff", "-e", "ssl()"),
        ("diff", "-e", "ssl()", "-e", "ssl()", "-e", "ssl()"),
        ("train", "a.rrl", "-e", "ssl()"),
    ],
)
def test_too_few_or_too_many_recipes_are_wrong_usage(cli, words):
    result = cli(*words)
    assert result.code == 2
    assert "`-e`" in result.err


BYOL = "# Views predict a teacher.\n# method: BYOL\n# loss: byol\nssl(views=2)\n"
BRIEFLY = ("--epochs", 1, "--batch-size", 256, "--set", "backbone=small")


def trained(cli, *words):
    """The first line of a training, its directory's name and the loss it was configured with."""
    result = cli("train", *words, *BRIEFLY)
    assert result.code == 0, result.err
    loss, run, *_ = result.out.splitlines()
    path = run.split()[1]
    with open(f"{path}/config.yaml") as file:
        return loss, path, yaml.safe_load(file)["loss"]["name"]


@pytest.fixture
def without_training(monkeypatch):
    """Training is left out: what is printed and written before it is what is looked at."""
    monkeypatch.setattr("rrl_dsl.training.train.fit", lambda *_, **__: None)


@pytest.mark.usefixtures("without_training")
@pytest.mark.parametrize(
    ("words", "loss", "said"),
    [
        ((), "byol", "loss      byol"),
        (("--loss", "simclr"), "simclr", "loss      simclr; the recipe's header names byol"),
        (("--set", "loss=simclr"), "simclr", "loss      simclr; the recipe's header names byol"),
        (("--config", "a.yaml"), "xclr", "loss      xclr; the recipe's header names byol"),
        (("--loss", "byol"), "byol", "loss      byol"),
    ],
)
def test_the_loss_of_the_header_is_the_default(cli, tmp_path, words, loss, said):
    (tmp_path / "a.rrl").write_text(BYOL)
    (tmp_path / "a.yaml").write_text("loss: xclr\n")
    assert trained(cli, "a.rrl", *words) == (said, f"runs/a-{loss}-digits-1", loss)


@pytest.mark.usefixtures("without_training")
def test_a_recipe_without_a_header_trains_simclr(cli):
    names = trained(cli, "-e", "ssl(views=2)")
    assert names == ("loss      simclr", "runs/recipe-simclr-digits-1", "simclr")


def test_an_unknown_loss_of_a_header_is_shown_there(cli, tmp_path):
    (tmp_path / "a.rrl").write_text(BYOL.replace("loss: byol", "loss: byoll"))
    result = cli("train", "a.rrl")
    assert "--> a.rrl:3:9" in result.err
    assert "did you mean `byol`?" in result.err


@pytest.mark.parametrize(
    ("dataset", "meant"),
    [
        ("mine.npz", "npz:mine.npz"),
        ("photos", "imagefolder:photos"),
        ("./photos/", "imagefolder:./photos/"),
        ("folder:photos", "imagefolder:photos"),
    ],
)
def test_a_path_as_a_dataset_has_a_hint(cli, tmp_path, dataset, meant):
    (tmp_path / "photos").mkdir()
    result = cli("compile", "-e", "ssl()", "--dataset", dataset)
    assert "RRL411" in result.err
    assert f"write `{meant}`" in result.err
