"""Malformed recipes and configurations: a code, a position and a fix, never a traceback."""

import json
import shlex

import numpy as np
import pytest

CONFIGURATIONS = [
    ("epochs: many", "RRL502", "bad.yaml:1:9"),
    ("epoch: 3", "RRL501", "did you mean `epochs`"),
    ("optimizer:\n  lr: -1", "RRL502", "bad.yaml:2:7"),
    ("optimizer:\n  learning_rate: 1", "RRL501", "bad.yaml:2:3"),
    ("optimizer: AdamW", "RRL502", "did you mean `adamw`"),
    ("optimizr: {lr: 0.1}", "RRL501", "bad.yaml:1:1"),
    ("optim: {lr: 0.1}", "RRL501", "did you mean `optimizer`"),
    ("lr: 0.1", "RRL501", "did you mean `optimizer.lr`"),
    ("nodes: digits", "RRL501", "did you mean `dataset`"),
    ("dataset: {name: digits}", "RRL501", "`dataset` is a single value"),
    ("dataset: {name: digits}", "RRL501", "bad.yaml:1:11"),
    ("optimizer.lr: -1", "RRL502", "`optimizer.lr`: it should be greater than 0"),
    ("projector: 64", "RRL502", "its settings are `projector.hidden`"),
    ("params: 3", "RRL502", "mapping of keys to values"),
    ("precision: 16", "RRL502", "did you mean `16-mixed`"),
    ("accelerator: cuda", "RRL502", "did you mean `gpu`"),
    ("optimizer:\n  name: adan", "RRL502", "'adam', 'adamw', 'sgd' or 'lars'"),
    ("loss: simclrr", "RRL407", "did you mean `simclr`"),
    ("loss:\n  name: simclr\n  temprature: 1", "RRL408", "did you mean `temperature`"),
    ("loss:\n  name: wmse\n  slice: -3", "RRL408", "greater than or equal to 0"),
    ("dataset: digit", "RRL411", "digits"),
    ("dataset: npz:nowhere.npz", "RRL410", "nowhere.npz"),
    ("backbone: resnet19", "RRL502", "resnet18"),
    ("batch_size: 100000", "RRL502", "1437"),
    ("loss: wmse\nbatch_size: 20", "RRL405", "`batch_size: 64`"),
    ("params:\n  fraction: 0.2", "RRL106", "did you mean `frac`"),
    ("params:\n  frac: high", "RRL211", "a.rrl"),
    ("epochs: [1", "RRL503", "bad.yaml:1"),
    ("- 3", "RRL503", "mapping"),
    ("epochs: 2\nepochs: 3", "RRL503", "remove one of them"),
    ("loss: a: b", "RRL503", "put a text with `:`, `#`, brackets or braces in quotes"),
    ("precision: 64", "RRL502", "'auto', '32', '16-mixed' or 'bf16-mixed'"),
    ("accelerator: gpu", "RRL506", "no CUDA device"),
    ("augmentation: cifr", "RRL502", "cifar"),
    ("loss: &a\n  b: *a", "RRL503", "must not have aliases"),
    ("{a: " * 3000 + "1" + "}" * 3000, "RRL503", "nests more than 64 deep"),
]


@pytest.mark.parametrize(("text", "code", "words"), CONFIGURATIONS)
def test_a_bad_configuration_is_explained(cli, tmp_path, monkeypatch, text, code, words):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (tmp_path / "a.rrl").write_text("param frac = 0.5\nssl() | supervised(frac=frac)\n")
    (tmp_path / "bad.yaml").write_text(text)
    result = cli("train", "a.rrl", "--config", "bad.yaml")
    assert result.code == 1
    assert f"[{code}]" in result.err
    assert words in result.err
    assert "--> bad.yaml" in result.err or code == "RRL211"
    assert "Traceback" not in result.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "flags", "shown"),
    [
        ("ssl() | near(time, 3)", "--batch-size 32", None),
        ("ssl() | near(time, 3)", "--dataset digits --batch-size 32", "--dataset digits"),
        ("supervised()", "--loss barlow --batch-size 32", "--loss barlow"),
        ("ssl()", "--loss 'simclr + dinov2' --batch-size 32", "--loss simclr + dinov2"),
        ("ssl()", "--set local_views.count=2 --set augmentation=plain", "augmentation=plain"),
        ("ssl()", "--precision 16-mixed --batch-size 32", "--precision 16-mixed"),
        ("ssl()", "--set accelerator=gpu --precision 32 --batch-size 32", "accelerator=gpu"),
        ("ssl()", "--dataset digits --batch-size 3000", "--batch-size 3000"),
        ("ssl() & near(label, 0) - all()", "--dataset digits --batch-size 32", "--batch-size 32"),
    ],
)
def test_errors_before_training_point_at_the_setting_that_they_are_about(
    cli, tmp_path, monkeypatch, text, flags, shown
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (tmp_path / "a.rrl").write_text(f"{text}\n")
    result = cli("train", "a.rrl", *shlex.split(flags))
    assert result.code == 1
    assert [line for line in result.err.splitlines() if line.startswith("1 | ")] == (
        [f"1 | {shown}"] if shown else []
    )


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("compile", "missing.rrl"), "RRL021"),
        (("compile", "."), "RRL021"),
        (("compile", "-e", "sssl()"), "RRL101"),
        (("compile", "-e", "ssl()", "--param", "x=1"), "RRL106"),
        (("compile", "-e", "let x = ssl()\nx", "--param", "x=1"), "RRL106"),
        (("compile", "-e", "supervised(labels=fine)", "--show"), "RRL401"),
        (("compile", "-e", "ssl()", "--out", "graph.bmp"), "RRL507"),
        (("compile", "-e", "ssl()", "--out", "nowhere/graph.png"), "RRL507"),
        (("compile", "-e", "ssl()", "--dataset", "digts"), "RRL411"),
        (("train", "a.rrl", "--set", "epochs"), "RRL503"),
        (("train", "a.rrl", "--set", "epochs=x"), "RRL502"),
        (("train", "a.rrl", "--set", "projecter.out=3"), "RRL501"),
        (("train", "a.rrl", "--precision", "12"), "RRL502"),
        (("train", "fine.rrl"), "RRL401"),
        (("train", "nothing.rrl"), "RRL404"),
        (("train", "a.rrl", "--out", "full"), "RRL504"),
        (("train", "--resume", "full"), "RRL505"),
        (("losses", "adam"), "RRL407"),
        (("builtins", "corupt"), "RRL101"),
    ],
)
def test_a_mistake_on_the_command_line_is_explained(cli, tmp_path, words, code):
    (tmp_path / "a.rrl").write_text("ssl()\n")
    (tmp_path / "fine.rrl").write_text("ssl() | supervised(labels=fine)\n")
    (tmp_path / "nothing.rrl").write_text("self()\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("precious")
    result = cli(*words)
    assert result.code == 1
    assert f"error[{code}]" in result.err or f"warning[{code}]" in result.err
    assert "Traceback" not in result.err
    assert (tmp_path / "full" / "thesis.tex").read_text() == "precious"


@pytest.mark.parametrize(
    "words", [("compile",), ("train",), ("compil",), ("train", "a.rrl", "--epochs", "0")]
)
def test_wrong_usage_exits_with_2(cli, words):
    assert cli(*words).code == 2


def test_a_failure_of_our_own_is_one_line(cli, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a screw is loose")

    monkeypatch.setattr("rrl_dsl.cli.compiling.source_of", fail)
    result = cli("compile", "-e", "ssl()")
    assert result.code == 1
    assert "a screw is loose" in result.err
    assert "Traceback" not in result.err


def test_missing_pairs_are_reported_before_training(cli, tmp_path):
    (tmp_path / "links.csv").write_text("a,b\n0,99999\n")
    (tmp_path / "mine.rrl").write_text('ssl() | pairs("links.csv")\n')
    for verb in ("compile", "explain"):
        result = cli(verb, "mine.rrl", "--json")
        (fault,) = json.loads(result.out)["faults"]
        assert result.code == 0
        assert (fault["code"], fault["file"]) == ("RRL416", "links.csv")
        assert fault["start"] == {"line": 2, "column": 3}
    shown = cli("compile", "mine.rrl", "--show")
    assert shown.code == 1
    assert "error[RRL416]: the dataset has no sample 99999" in shown.err


def test_pairs_may_name_what_a_data_set_tests_on(cli, tmp_path):
    (tmp_path / "links.csv").write_text("a,b\n0,5\n5,10\n")  # digits tests on 5 and 10
    (tmp_path / "mine.rrl").write_text('ssl() | pairs("links.csv")\n')
    for verb in ("compile", "explain"):
        assert not json.loads(cli(verb, "mine.rrl", "--json").out)["faults"]


def test_pairs_may_name_what_an_archive_tests_on(cli, tmp_path):
    images, label = np.zeros((4, 8, 8), dtype=np.uint8), np.arange(4) % 2
    split = ["train", "train", "train", "test"]
    np.savez(tmp_path / "mine.npz", images=images, label=label, split=split)
    (tmp_path / "links.csv").write_text("a,b\n0,3\n")
    (tmp_path / "mine.rrl").write_text('pairs("links.csv")\n')
    result = cli("compile", "mine.rrl", "--dataset", "npz:mine.npz", "--json")
    assert not json.loads(result.out)["faults"]


@pytest.mark.parametrize("verb", ["check", "fmt", "compile", "explain", "train"])
def test_a_recipe_in_place_of_a_file_has_a_hint(cli, verb):
    result = cli(verb, "ssl(views=2) | supervised()")
    assert result.code == 1
    assert "a recipe's text follows `-e`" in result.out + result.err
    assert "a recipe's text follows" not in cli(verb, "missing.rrl").err
