"""Whole runs on the embedded digits, short ones."""

import csv
import json
import re

import pytest
import torch
import yaml

import rrl_dsl as rrl
from rrl_dsl.language.span import Source
from rrl_dsl.training import run as runs
from rrl_dsl.training.evaluation import Accuracies
from rrl_dsl.training.fit import Outcome
from rrl_dsl.training.progress import LiveProgress
from rrl_dsl.training.resume import reopen
from rrl_dsl.training.summary import table, warnings_of


def rows_of(path):
    with (path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.mark.parametrize("loss", ["simclr", "supcon", "suncet", "wmse"])
def test_every_loss_trains_on_the_noisy_recipe(make_module, fit, tmp_path, loss):
    recipe = "ssl(views=2) | supervised(frac=0.3, labels=coarse) | corrupt(fpr=0.05)"
    module = make_module(recipe, loss, epochs=2)
    outcome = fit(module, tmp_path)
    assert set(outcome.accuracies) == {"pixels", "untrained", "backbone", "projector"}
    assert outcome.accuracies["pixels"].linear == pytest.approx(0.964, abs=0.01)
    assert 0.5 < outcome.figures["edges/false"] < 0.65
    warnings = [warning.render() for warning in warnings_of(outcome, module.program, module.config)]
    assert len(warnings) == 1
    assert "edges are false" in warnings[0]
    assert "effective rank" in warnings[0]


@pytest.mark.slow
def test_training_learns_more_than_pixels_and_the_untrained_encoder_know(
    make_module, fit, tmp_path
):
    outcome = fit(make_module(epochs=10), tmp_path)
    learned = outcome.accuracies["backbone"]
    for other in ("pixels", "untrained"):
        assert learned.linear > outcome.accuracies[other].linear + 0.01
        assert learned.few > outcome.accuracies[other].few + 0.04


RESUMED = {
    "slices": (
        "ssl(views=2) | supervised(frac=0.3) | corrupt(fpr=0.01, redraw=step)",
        {"loss": {"name": "wmse", "slice": 64}},
    ),
    "teacher and bank": (
        "ssl(views=2) | knn(4, space=teacher, bank=700, query=other)",
        {"loss": "byol", "batch_size": 400},
    ),
    "center and local views": (
        "ssl(views=2)",
        {"loss": "dino", "batch_size": 400, "local_views": {"count": 1}},
    ),
    "related samples": (
        "ssl(views=2) | supervised(frac=0.3)",
        {"loss": "simclr", "batch_size": 400, "sampler": "relation"},
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        "slices",
        *(pytest.param(name, marks=pytest.mark.slow) for name in RESUMED if name != "slices"),
    ],
)
def test_an_interrupted_run_resumes_to_the_same_numbers(
    make_module, fit, tmp_path, monkeypatch, name
):
    monkeypatch.setattr("rrl_dsl.training.fit.evaluate", lambda *_: Accuracies(0, 0, 0))
    recipe, settings = RESUMED[name]
    settings = {"epochs": 3, **settings}
    straight = make_module(recipe, **settings)
    fit(straight, tmp_path / "straight")

    def interrupt(self, trainer, *_):
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt

    module = make_module(recipe, **settings)
    with monkeypatch.context() as patch:
        patch.setattr(LiveProgress, "on_train_batch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(module, tmp_path / "resumed")
    assert len(rows_of(tmp_path / "resumed")) == 2
    kept = sorted(path.name for path in (tmp_path / "resumed" / "checkpoints").iterdir())
    assert kept == ["last.ckpt", "previous.ckpt"]

    trained = []
    resumed = make_module(recipe, **settings)
    resumed.on_train_epoch_start = lambda: trained.append(resumed.current_epoch)
    fit(resumed, tmp_path / "resumed")
    assert trained == [2]
    assert rows_of(tmp_path / "resumed") == rows_of(tmp_path / "straight")
    kept = resumed.state_dict()
    for name, weight in straight.state_dict().items():
        if torch.is_tensor(weight):
            assert torch.equal(weight, kept[name]), name
        else:  # the step, and the bank
            assert weight.get("step") == kept[name].get("step")
            for output, rows in weight.get("outputs", {}).items():
                assert torch.equal(rows, kept[name]["outputs"][output])


def test_the_command_line_writes_a_whole_directory(tmp_path, monkeypatch, capsys):
    from rrl_dsl.cli import start

    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.rrl").write_text("# hello\nparam frac = 0.3\nssl() | supervised(frac=frac)\n")
    words = ["mine.rrl", "--loss", "supcon", "--epochs", "2", "--param", "frac=0.5"]
    monkeypatch.setattr("sys.argv", ["rrl-dsl", "train", *words, "--set", "probe.lr=0.01"])
    with pytest.raises(SystemExit) as stop:
        start.run()
    assert not stop.value.code
    printed = capsys.readouterr().out
    for words in ("raw pixels", "untrained encoder", "backbone", "projector", "linear probe"):
        assert words in printed
    run = tmp_path / "runs" / "mine-supcon-digits-1"
    assert (run / "recipe.rrl").read_text().startswith("# hello")
    graph = rrl.parse("ssl() | supervised(frac=0.5)")
    assert json.loads((run / "recipe.json").read_text())["identity"] == graph.identity
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["params"] == {"frac": 0.5}
    assert config["probe"]["lr"] == 0.01
    assert "torch" in json.loads((run / "versions.json").read_text())
    assert "raw pixels" in (run / "summary.md").read_text()
    assert [row["epoch"] for row in rows_of(run)] == ["1.0", "2.0"]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["recipe"] == "ssl() | supervised(frac=0.5)"
    assert summary["identity"] == graph.identity
    assert summary["loss"] == "supcon"
    assert (summary["seed"], summary["draws"]) == (0, None)
    assert summary["samples"] == {"train": 1437, "test": 360}
    assert summary["image"] == [1, 8, 8]
    assert summary["warmup"] == 1.0  # half of the run, of 5 epochs that the preset has
    assert summary["configuration"]["params"] == {"frac": 0.5}
    assert "| epochs | 2, including 1 of warm-up |" in (run / "summary.md").read_text()
    for picture in ("graph.png", "curves.png"):
        assert (run / picture).read_bytes().startswith(b"\x89PNG")
    assert list((run / "tensorboard").rglob("events*"))
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert reopen(run).graph == graph


def test_the_final_probes_can_be_left_out(make_module, fit, tmp_path, monkeypatch):
    monkeypatch.setattr("rrl_dsl.training.fit.evaluate", None)  # it would fail
    outcome = fit(make_module(epochs=1, eval=False), tmp_path)
    assert outcome.accuracies == {}
    assert "skipped" in outcome.unmeasured
    assert "probe/backbone" in outcome.figures


def test_tensorboard_has_steps_rates_and_settings(make_module, fit, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(make_module(epochs=4, eval=False), tmp_path)
    seen = EventAccumulator(str(tmp_path / "tensorboard"))
    seen.Reload()
    scalars = seen.Tags()["scalars"]
    assert {"loss", "step/loss"} <= set(scalars)
    assert any(name.startswith("lr-") for name in scalars)
    assert "batch_size" in (tmp_path / "tensorboard" / "hparams.yaml").read_text()
    assert not {name for name in rows_of(tmp_path)[0] if name.startswith(("lr-", "step/"))}


def test_a_run_whose_recipe_was_changed_is_not_resumed(make_module, fit, tmp_path, digits):
    graph = rrl.parse("ssl()")
    module = make_module("ssl()", epochs=1)
    directory = runs.RunDirectory(tmp_path)
    directory.describe(Source("ssl()"), graph, module.config, digits)
    with pytest.raises(rrl.RRLError, match="no checkpoint"):
        reopen(tmp_path)
    fit(module, tmp_path)
    assert reopen(tmp_path).check(digits, force=False) == []
    directory.recipe.write_text("ssl(views=3)")
    with pytest.raises(rrl.RRLError, match="these differ from the start of this run") as problem:
        reopen(tmp_path).check(digits, force=False)
    assert problem.value.diagnostics[0].code == "RRL505"


def test_a_loss_that_is_no_number_stops_the_run(make_module, fit, tmp_path):
    settings = {"optimizer": {"name": "sgd", "lr": 1e30, "weight_decay": 0, "warmup": 0}}
    with pytest.raises(rrl.RRLError) as problem:
        fit(make_module(epochs=3, **settings), tmp_path)
    assert problem.value.diagnostics[0].code in ("RRL508", "RRL409")


def test_outputs_that_are_not_finite_name_the_learning_rate(make_module, fit, tmp_path):
    settings = {"optimizer": {"name": "sgd", "lr": 1e30, "weight_decay": 0, "warmup": 0}}
    recipe = "ssl() | corrupt(fpr=0.05)"
    with pytest.raises(rrl.RRLError, match=r"`optimizer.lr` is 1e\+30") as problem:
        fit(make_module(recipe, "wmse", epochs=3, **settings), tmp_path)
    assert problem.value.diagnostics[0].code == "RRL508"


def test_a_collapse_names_the_share_of_false_edges(make_module, fit, tmp_path):
    module = make_module("ssl() | corrupt(fpr=0.05)", "wmse", epochs=1)
    for weight in module.network.encoder.projector.parameters():
        torch.nn.init.zeros_(weight)  # all embeddings are equal
    with pytest.raises(rrl.RRLError) as problem:
        fit(module, tmp_path)
    (diagnostic,) = problem.value.diagnostics
    assert diagnostic.code == "RRL409"
    share = re.search(r"rank is 0\.0 .*; (\d+)% of the batch's edges are false", diagnostic.message)
    assert share, diagnostic.message
    # of n samples with 2 views, 2n edges are true, and 5% of the other 4n^2 - 4n pairs are false
    n = module.config.batch_size
    false = 0.05 * (4 * n * n - 4 * n)
    assert int(share[1]) == pytest.approx(100 * false / (false + 2 * n), abs=1)


def test_the_table_sets_the_result_beside_pixels_and_the_untrained_encoder():
    kinds = {"pixels": 0.9, "untrained": 0.8, "backbone": 0.99, "projector": 0.95}
    accuracies = {name: Accuracies(share, share / 2, share / 4) for name, share in kinds.items()}
    columns = [list(column.cells) for column in table(Outcome(accuracies, {}, 1.0)).columns]
    assert columns[0] == ["raw pixels", "untrained encoder", "backbone", "projector"]
    assert columns[1] == ["90.0", "80.0", "99.0", "95.0"]
    assert columns[2] == ["45.0", "40.0", "49.5", "47.5"]
