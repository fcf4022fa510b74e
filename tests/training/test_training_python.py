"""`rrl_dsl.train`: the command line's training, in Python."""

import csv
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.training.checkpoints import CheckpointFiles
from rrl_dsl.training.resume import reopen
from rrl_dsl.training.run import RunDirectory

RECIPE = "ssl(views=2) | supervised(frac=0.3)"
SETTINGS = {"epochs": 2, "eval": False}


def figures_of(rows):
    """The metrics of all epochs but for the time that they took."""
    return [{key: float(value) for key, value in row.items() if key != "seconds"} for row in rows]


def weights_of(path):
    return torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("python"))
        return rrl.train(RECIPE, "simclr", optimizer={"lr": 0.001}, epochs=2)


def test_it_does_what_the_command_line_does_to_the_bit(run, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--loss", "simclr", "--set", "optimizer.lr=0.001", "--epochs", 2)
    status, printed = command("train", "-e", RECIPE, *words)
    assert status == 0, printed
    by_command = tmp_path / "runs" / "recipe-simclr-digits-1"
    assert run.directory.name == by_command.name
    with (by_command / "metrics.csv").open() as file:
        assert figures_of(run.history) == figures_of(csv.DictReader(file))
    ours, theirs = weights_of(run.directory), weights_of(by_command)
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        if torch.is_tensor(weight):
            assert torch.equal(weight, theirs[name]), name
    assert (run.directory / "config.yaml").read_text() == (by_command / "config.yaml").read_text()
    written = {path.name for path in by_command.iterdir()}
    assert {path.name for path in run.directory.iterdir()} == written
    cells = [100 * share for share in asdict(run.table["backbone"]).values()]
    assert " ".join(f"{cell:.1f}" for cell in cells) in " ".join(printed.split())


def test_a_run_has_its_table_history_encoder_and_summary(run):
    assert set(run.table) == {"pixels", "untrained", "backbone", "projector"}
    assert run.table["pixels"].linear == pytest.approx(0.964, abs=0.01)
    assert [row["epoch"] for row in run.history] == [1, 2]
    assert run.summary["configuration"]["optimizer"]["lr"] == 0.001
    assert run.summary["samples"] == {"train": 1437, "test": 360}
    images = torch.randint(256, (5, 1, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        expected = rrl.load_encoder(run.directory)(images)
        assert torch.equal(run.encoder(images), expected)
    again = rrl.Run(run.directory)
    assert (again.table, again.history) == (run.table, run.history)


@pytest.mark.slow
def test_it_prints_nothing_unless_progress_is_asked_for(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    rrl.train(RECIPE, **SETTINGS)
    assert capfd.readouterr() == ("", "")
    rrl.train(RECIPE, **SETTINGS, progress=True)
    printed = capfd.readouterr().out
    lines = [line.partition("  ")[0] for line in printed.splitlines() if line]  # rich < 15 adds one
    assert lines == ["epoch 1/2", "epoch 2/2"]


@pytest.mark.slow
def test_a_recipe_is_a_text_a_path_or_a_graph(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "links.csv").write_text("a,b\n0,4\n")
    text = 'ssl(views=2) | pairs("links.csv")'
    (tmp_path / "mine.rrl").write_text(f"# loss: byol\n{text}\n")
    identity = rrl.load("mine.rrl").identity
    graph = rrl.ssl(views=2) | rrl.parse('pairs("links.csv")', directory=tmp_path)
    for recipe in (text, "mine.rrl", tmp_path / "mine.rrl", graph):
        run = rrl.train(recipe, epochs=1, eval=False)
        assert run.summary["identity"] == identity
        assert run.summary["loss"] == ("simclr" if recipe in (text, graph) else "byol")
        assert reopen(run.directory).graph.identity == identity


@pytest.mark.slow
def test_a_dataset_may_be_an_object_and_has_to_be_given_again(digits, tmp_path):
    whole = digits.train
    few = rrl.Split(
        whole.images[:300],
        whole.sample[:300],
        {name: label[:300] for name, label in whole.labels.items()},
        {name: field[:300] for name, field in whole.fields.items()},
    )
    data = replace(digits, name="few", train=few)
    out = tmp_path / "run"
    run = rrl.train(RECIPE, dataset=data, batch_size=100, out=out, **SETTINGS)
    assert run.summary["samples"]["train"] == 300
    with pytest.raises(rrl.RRLError, match="RRL411"):
        rrl.train(resume=out, epochs=3)
    assert len(rrl.train(resume=out, dataset=data, epochs=3).history) == 3
    with pytest.raises(rrl.RRLError, match="these differ from the start"):
        rrl.train(resume=out, dataset=digits, epochs=4)


@pytest.mark.slow
def test_a_stopped_run_is_resumed_to_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    straight = rrl.train(RECIPE, epochs=3, eval=False, out="straight")
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    handlers = [signal.getsignal(number) for number in signals]

    def interrupt(self, trainer, *_):
        assert [signal.getsignal(number) for number in signals] == handlers
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rrl_dsl.training.progress.LiveProgress.on_train_batch_end", interrupt)
        with pytest.raises(KeyboardInterrupt) as caught:
            rrl.train(RECIPE, epochs=3, eval=False, out="stopped")
    advice = "training was interrupted; `rrl_dsl.train(resume='stopped')` continues it"
    assert str(caught.value) == advice
    assert [signal.getsignal(number) for number in signals] == handlers
    with pytest.raises(rrl.RRLError, match="the summary of"):
        _ = rrl.Run("stopped").table
    resumed = rrl.train(resume="stopped")
    assert figures_of(resumed.history) == figures_of(straight.history)


@pytest.mark.parametrize(
    ("settings", "code", "place", "hint"),
    [
        ({"epoch": 3}, "RRL501", "epoch=3", "did you mean `epochs`?"),
        ({"optimizer": {"lrr": 1}}, "RRL501", "optimizer.lrr=1", "did you mean `lr`?"),
        ({"optimizer.lrr": 1}, "RRL501", "optimizer.lrr=1", "did you mean `lr`?"),
        ({"epochs": "many"}, "RRL502", "epochs='many'", None),
        ({"loss": "simclrr"}, "RRL407", "loss='simclrr'", "did you mean `simclr`?"),
        ({"dataset": "digts"}, "RRL411", "dataset='digts'", "did you mean `digits`?"),
        ({"batch_size": 5000}, "RRL502", "batch_size=5000", "use `batch_size=1437`, or less"),
        ({"params": {"frac": 1}}, "RRL106", "params.frac=1", None),
        (
            {"loss": {"name": "wmse", "slic": 64}},
            "RRL408",
            "loss.slic=64",
            "did you mean `slice`?",
        ),
    ],
)
def test_a_wrong_setting_is_the_error_of_the_command_line(tmp_path, settings, code, place, hint):
    with pytest.raises(rrl.RRLError) as problem:
        rrl.train("ssl(views=2)", out=tmp_path / "run", **settings)
    (diagnostic,) = problem.value.diagnostics
    assert diagnostic.code == code
    assert (diagnostic.source.name, diagnostic.source.text) == ("Python", place)
    assert hint is None or diagnostic.hint == hint
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", [{}, {"recipe": 3}, {"recipe": "ssl(views=2)", "resume": "a"}])
def test_no_recipe_or_two_recipes_are_an_error(given):
    with pytest.raises(rrl.RRLError, match=r"RRL210|RRL505"):
        rrl.train(**given)


def test_an_interactive_session_starts_no_other_processes(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
    with pytest.raises(rrl.RRLError, match="an interactive session cannot start other processes"):
        rrl.train("ssl()", devices=2, accelerator="cpu", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


ON_TWO_DEVICES = """
import rrl_dsl as rrl

settings = {"devices": 2, "accelerator": "cpu", "epochs": 1, "eval": False, "batch_size": 256}
run = rrl.train("ssl(views=2)", out="run", **settings)
print("trained", run.history[-1]["epoch"])
try:
    rrl.train("ssl(views=2)", out="again", **settings)
except rrl.RRLError as problem:
    print(problem.diagnostics[0].message)
"""


@pytest.mark.slow
def test_a_script_continues_once_after_training_on_several_devices(tmp_path):
    (tmp_path / "script.py").write_text(ON_TWO_DEVICES)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    refused = "`devices` is above 1 for the second time in one script"
    lines = [line for line in done.stdout.splitlines() if line.startswith(("trained", refused))]
    assert (done.returncode, lines) == (0, ["trained 1.0", refused]), done.stdout
    assert "Traceback" not in done.stdout


def test_a_run_of_another_directory_is_an_error(tmp_path):
    with pytest.raises(rrl.RRLError, match="is not a run"):
        rrl.Run(tmp_path)


@pytest.mark.parametrize("rows", ["1.0,2.0,3.0", "1.0,high"])
def test_metrics_that_are_no_table_of_numbers_are_an_error(tmp_path, rows):
    (tmp_path / "config.yaml").touch()
    (tmp_path / "metrics.csv").write_text(f"epoch,loss\n{rows}\n")
    with pytest.raises(rrl.RRLError, match="cannot be read") as problem:
        rrl.Run(tmp_path).history  # noqa: B018  reads the file
    assert problem.value.diagnostics[0].code == "RRL505"


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"accuracies": []}', '{"accuracies": {"pixels": {"other": 1}}}']
)
def test_a_summary_of_another_form_is_an_error(tmp_path, text):
    (tmp_path / "config.yaml").touch()
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(rrl.RRLError, match="was written by another release"):
        rrl.Run(tmp_path).table  # noqa: B018  reads the file


def test_importing_the_package_and_naming_train_loads_no_torch():
    code = "import sys, rrl_dsl; assert 'train' in dir(rrl_dsl); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() == [b"False"]


@pytest.mark.slow
def test_a_run_of_the_previous_release_is_resumed(tmp_path):
    """Its checkpoint and its configuration have the names of then."""
    settings = {"epochs": 2, "eval": False, "local_views": {"count": 1}}
    settings["prototypes"] = {"center_momentum": 0.8}
    straight = rrl.train("ssl(views=2)", "dino", out=tmp_path / "a", **settings)
    rrl.train("ssl(views=2)", "dino", out=tmp_path / "b", **settings)
    run = RunDirectory(tmp_path / "b")
    kept = torch.load(run.previous, weights_only=True)
    weights = {
        name.replace("center.", "centre."): weight for name, weight in kept["state_dict"].items()
    }
    assert weights.keys() != kept["state_dict"].keys()
    known = kept["callbacks"]["Record"]["provenance"]
    known["configuration"]["optimiser"] = known["configuration"].pop("optimizer")
    prototypes = known["configuration"]["prototypes"]
    prototypes["centre_momentum"] = prototypes.pop("center_momentum")
    text = run.config.read_text().replace("optimizer:", "optimiser:")
    run.config.write_text(text.replace("center_momentum:", "centre_momentum:"))
    CheckpointFiles(run.last, run.previous).save_checkpoint(
        kept | {"state_dict": weights}, run.last
    )
    again = rrl.train(resume=run.path)
    assert figures_of(again.history) == figures_of(straight.history)
    assert "center_momentum: 0.8" in run.config.read_text()
