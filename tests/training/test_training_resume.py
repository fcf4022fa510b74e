"""A resumed run continues with the settings, the recipe and the data of its start."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from stopped_runs import archive, rows_of

from rrl_dsl.training import checkpoints
from rrl_dsl.training.config import Config
from rrl_dsl.training.provenance import settings
from rrl_dsl.training.run import RunDirectory


def data_of(run):
    return Path(yaml.safe_load((run / "config.yaml").read_text())["dataset"].removeprefix("npz:"))


def edit(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_moved_run_resumes_to_the_same_numbers(command, runs, run):
    shutil.move(data_of(run), "moved.npz")
    with (run / "metrics.csv").open("a") as file:  # of a kill between table and checkpoint
        file.write("3.0,1.0\n")
    try:
        words = ("--dataset", "npz:moved.npz", "--set", "workers=0")
        code, printed = command("train", "--resume", "run", *words)
    finally:
        shutil.move("moved.npz", runs / "data.npz")
    assert code == 0, printed
    assert rows_of(run) == rows_of(runs / "straight")
    for name, weight in RunDirectory(runs / "straight").newest().weights.items():
        assert torch.equal(weight, RunDirectory(run).newest().weights[name])
    summary = json.loads((run / "summary.json").read_text())
    assert summary["notes"] == []
    assert summary["machine"] == {"threads": str(torch.get_num_threads()), "device": "cpu"}
    assert Path(yaml.safe_load((run / "config.yaml").read_text())["data_dir"]).is_absolute()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("\nseed: 0", "\nseed: 1", "`seed` was 0 and is 1"),
        ("  lr: 0.002", "  lr: 0.2", "`optimizer.lr` was 0.002 and is 0.2"),
        ("batch_size: 20", "batch_size: 30", "`batch_size` was 20 and is 30"),
        ("name: simclr", "name: spectral", '`loss.name` was "simclr" and is "spectral"'),
        ("draws: null", "draws: 5", "`draws` was null and is 5"),
        ("devices: 1", "devices: 2", "`devices` was 1 and is 2"),
        ("epochs: 3", "epochs: 4", "`epochs` was 3 and is 4"),
        ("params: {}", "params:\n  frac: 0.9", "`params.frac` was missing and is 0.9"),
    ],
)
def test_an_edited_setting_is_named_at_its_place(run, refused_resume, before, after, said):
    edit(run / "config.yaml", before, after)
    printed = refused_resume()
    assert said in printed
    assert "--> run/config.yaml:" in printed
    assert "= help: " in printed


def test_all_differences_are_reported_at_once(run, refused_resume, runs, monkeypatch):
    edit(run / "config.yaml", "\nseed: 0", "\nseed: 1")
    edit(run / "recipe.rrl", "frac = 0.5", "frac = 0.6")
    archive("other.npz", label=None, coarse=np.arange(80) % 4)
    (run / "metrics.csv").unlink()
    monkeypatch.setattr("rrl_dsl.training.provenance._libraries", lambda: {"torch": "1.0"})
    printed = refused_resume("--dataset", "npz:other.npz")
    assert printed.count("error[") == 1
    for said in (
        "`identity of the recipe` was ",
        "`seed` was 0 and is 1",
        "`metrics.csv` was of 2 epochs and is missing",
        f"`torch` was {torch.__version__.partition('+')[0]}",
        "--force-resume",
    ):
        assert said in printed


def test_an_empty_configuration_is_none(run, refused_resume):
    (run / "config.yaml").write_text("")
    assert "these differ from the start of this run: " in refused_resume()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"label": np.roll(np.arange(80) % 4, 1)}, "data: train label label"),
        ({"coarse": np.arange(80) % 2}, "data: train label coarse"),
        ({"time": np.arange(80) / 3.0}, "data: train field time"),
        ({"time": None}, "data: train field time"),
        ({"images": np.zeros((80, 8, 8), np.uint8)}, "data: train images"),
    ],
)
def test_other_data_are_refused_by_their_part(run, refused_resume, changes, said):
    archive("other.npz", **changes)
    assert f"`{said}` was" in refused_resume("--dataset", "npz:other.npz")


@pytest.mark.parametrize("count", [79, 81])
def test_longer_and_shorter_data_are_refused(run, refused_resume, count):
    rows = np.arange(count) % 80
    with np.load(data_of(run)) as data:
        np.savez("other.npz", **{name: data[name][rows] for name in data.files})
    assert "`data: train images` was" in refused_resume("--dataset", "npz:other.npz")


def test_force_resume_continues_and_the_summary_notes_it(run, command):
    edit(run / "config.yaml", "  lr: 0.002", "  lr: 0.02")
    edit(run / "recipe.rrl", "frac = 0.5", "frac = 0.6")
    (run / "data.json").write_text("x")
    code, printed = command("train", "--resume", "run", "--force-resume", "--epochs", "4")
    assert code == 0, printed
    notes = json.loads((run / "summary.json").read_text())["notes"]
    assert "after epoch 2: `epochs` was 3 and is 4" in notes
    assert "after epoch 2: `optimizer.lr` was 0.002 and is 0.02, by `--force-resume`" in notes
    page = (run / "summary.md").read_text()
    assert all(note in page for note in notes)
    rates = checkpoints.read(run / "checkpoints" / "last.ckpt")["lr_schedulers"][0]["base_lrs"]
    assert rates[0] == 0.02
    code, printed = command("train", "--resume", "run")  # all is in order again
    assert code == 0, printed
    assert json.loads((run / "summary.json").read_text())["notes"] == notes


def test_differences_that_force_cannot_override(run, refused_resume):
    edit(run / "config.yaml", "  name: adam", "  name: lars")
    assert "undo the change of `optimizer.name`" in refused_resume("--force-resume")
    edit(run / "config.yaml", "  name: lars", "  name: adam")
    edit(run / "config.yaml", "  out: 4", "  out: 5")
    assert "last.ckpt` do not match this model: `network.encoder.projector" in refused_resume(
        "--force-resume"
    )


def test_another_number_of_threads_is_a_note(run, command, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr("torch.get_num_threads", lambda: before + 1)
    code, printed = command("train", "--resume", "run")
    assert code == 0, printed
    note = f"`threads` was {before} and is {before + 1}"
    assert note in printed
    summary = json.loads((run / "summary.json").read_text())
    assert summary["notes"] == [f"after epoch 2: {note}"]
    assert summary["machine"]["threads"] == str(before + 1)
    assert f"after epoch 2: {note}" in (run / "summary.md").read_text()


def test_force_is_for_resume(command):
    code, printed = command("train", "mine.rrl", "--force-resume")
    assert code == 2
    assert "--force-resume` needs `--resume`" in printed


def test_a_setting_that_a_checkpoint_does_not_have_was_at_its_default():
    now = Config().model_dump(mode="json")
    before = {name: value for name, value in now.items() if name != "preset"}
    assert settings(before) == settings(now)
    assert settings(before) != settings({**now, "preset": "simclr-fast"})
