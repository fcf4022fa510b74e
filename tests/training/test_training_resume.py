"""A run goes on with what it was started with, and with nothing else in silence."""

import csv
import hashlib
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import rrl_dsl as rrl
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import error
from rrl_dsl.training import checkpoints
from rrl_dsl.training.config import Config
from rrl_dsl.training.progress import LiveProgress
from rrl_dsl.training.provenance import settings
from rrl_dsl.training.run import RunDirectory

RECIPE = 'param frac = 0.5\nssl(views=2) | pairs("links.csv") | supervised(frac=frac)\n'
TRAIN = ("train", "mine.rrl", "--dataset", "npz:data.npz", "--loss", "simclr", "--no-eval")
TINY = ("--batch-size", "20", "--set", "projector.hidden=8", "--set", "projector.out=4")
RENEWED = "these differ from the start of this run: "


def archive(path, **changes):
    label = np.arange(80) % 4
    noise = np.random.default_rng(0).integers(0, 120, (80, 8, 8))
    arrays = {"images": (noise + 30 * label[:, None, None]).astype(np.uint8), "label": label}
    arrays |= {"coarse": label // 2, "time": np.arange(80) / 2.0}
    np.savez(
        path, **{name: array for name, array in (arrays | changes).items() if array is not None}
    )


def rows_of(run):
    """The metrics of each epoch but how long it took."""
    with (run / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def train(command, *words, until=None):
    """Trains, and stops in the epoch `until`, counted from 0."""

    def stop(self, trainer, *_):
        if trainer.current_epoch == until:
            raise error("RRL508", "stopped")

    with pytest.MonkeyPatch.context() as patch:
        if until is not None:
            patch.setattr(LiveProgress, "on_train_batch_end", stop)
        code, printed = command(*TRAIN, *TINY, "--epochs", "3", *words)
    assert code == (0 if until is None else 1), printed


@pytest.fixture(scope="module")
def folder(tmp_path_factory, command):
    """A run that nothing stops, and one that was stopped after two of three epochs."""
    path = tmp_path_factory.mktemp("resumed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        (path / "mine.rrl").write_text(RECIPE)
        (path / "links.csv").write_text("a,b\n0,1\n")
        archive(path / "data.npz")
        train(command, "--out", "straight")
        train(command, "--out", "stopped", until=2)
        train(command, "--out", "other", "--seed", "7", until=2)
    return path


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """A copy of the stopped run, from another folder than that of its start."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(folder / "stopped", tmp_path / "run")


@pytest.fixture
def refused(command, run):
    """What is said where the run is resumed; it is refused, and nothing in it changes."""

    def resume(*words, code="RRL505"):
        before = contents(run)
        status, printed = command("train", "--resume", "run", *words)
        assert status == 1, printed
        assert f"error[{code}]" in printed
        assert "itself failed" not in printed
        assert contents(run) == before
        return printed

    return resume


def contents(run):
    """What the files hold that tell of the run."""
    files = (path for path in run.rglob("*") if path.is_file() and path.name != "lock")
    return {path: path.read_bytes() for path in files}


def data_of(run):
    return Path(yaml.safe_load((run / "config.yaml").read_text())["dataset"].removeprefix("npz:"))


def edit(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_it_goes_on_elsewhere_to_the_same_numbers(command, folder, run):
    shutil.move(data_of(run), "moved.npz")
    with (run / "metrics.csv").open("a") as file:  # of a kill between table and checkpoint
        file.write("3.0,1.0\n")
    try:
        words = ("--dataset", "npz:moved.npz", "--set", "workers=0")
        code, printed = command("train", "--resume", "run", *words)
    finally:
        shutil.move("moved.npz", folder / "data.npz")
    assert code == 0, printed
    assert rows_of(run) == rows_of(folder / "straight")
    for name, weight in RunDirectory(folder / "straight").newest().weights.items():
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
def test_an_edited_setting_is_named_at_its_place(run, refused, before, after, said):
    edit(run / "config.yaml", before, after)
    printed = refused()
    assert said in printed
    assert "--> run/config.yaml:" in printed
    assert "= help: " in printed


def test_all_differences_are_reported_at_once(run, refused, folder, monkeypatch):
    edit(run / "config.yaml", "\nseed: 0", "\nseed: 1")
    edit(run / "recipe.rrl", "frac = 0.5", "frac = 0.6")
    archive("other.npz", label=None, coarse=np.arange(80) % 4)
    (run / "metrics.csv").unlink()
    monkeypatch.setattr("rrl_dsl.training.provenance._libraries", lambda: {"torch": "1.0"})
    printed = refused("--dataset", "npz:other.npz")
    assert printed.count("error[") == 1
    for said in (
        "`identity of the recipe` was ",
        "`seed` was 0 and is 1",
        "`metrics.csv` was of 2 epochs and is missing",
        f"`torch` was {torch.__version__.partition('+')[0]}",
        "--force-resume",
    ):
        assert said in printed


def test_an_empty_configuration_is_none(run, refused):
    (run / "config.yaml").write_text("")
    assert RENEWED in refused()


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
def test_other_data_are_refused_by_their_part(run, refused, changes, said):
    archive("other.npz", **changes)
    assert f"`{said}` was" in refused("--dataset", "npz:other.npz")


@pytest.mark.parametrize("count", [79, 81])
def test_longer_and_shorter_data_are_refused(run, refused, count):
    rows = np.arange(count) % 80
    with np.load(data_of(run)) as data:
        np.savez("other.npz", **{name: data[name][rows] for name in data.files})
    assert "`data: train images` was" in refused("--dataset", "npz:other.npz")


def test_a_flipped_bit_anywhere_is_found(run, tmp_path):
    whole = (run / "checkpoints" / "last.ckpt").read_bytes()
    path = tmp_path / "flipped.ckpt"
    draw = np.random.default_rng(0)
    for place in [0, len(whole) - 1, len(whole) - 70, *draw.integers(0, len(whole), 30)]:
        content = bytearray(whole)
        content[place] ^= 1 << draw.integers(8)
        path.write_bytes(content)
        with pytest.raises(rrl.RRLError, match=r"RRL505.*flipped\.ckpt"):
            checkpoints.read(path)
    for size in (len(whole) - 1, len(whole) // 2, 10, 0):
        path.write_bytes(whole[:size])
        with pytest.raises(rrl.RRLError, match=r"RRL505.*truncated"):
            checkpoints.read(path)


def test_a_checkpoint_that_is_not_this_runs_is_refused(run, refused, folder):
    for name in ("last.ckpt", "previous.ckpt"):
        shutil.copy(folder / "other" / "checkpoints" / name, run / "checkpoints" / name)
    assert "`seed` was 7 and is 0" in refused()
    with pytest.raises(rrl.RRLError, match="`seed` was 7 and is 0"):
        rrl.load_encoder(run)
    torch.save({"state_dict": {}}, run / "checkpoints" / "last.ckpt")
    torch.save({"state_dict": {}}, run / "checkpoints" / "previous.ckpt")
    assert "another program wrote it" in refused()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state["Record"]["provenance"].update(directory="../.."), "outside its"),
        (lambda state: state["History"]["rows"].pop(), "has no history of its run"),
        (lambda state: state.pop("Record"), "last.ckpt` is not a readable checkpoint"),
    ],
)
def test_a_checkpoint_that_was_made_to_deceive_is_refused(run, refused, change, said):
    last, previous = (run / "checkpoints" / f"{name}.ckpt" for name in ("last", "previous"))
    content = checkpoints.read(last)
    change(content["callbacks"])
    checkpoints.CheckpointFiles(last, previous).save_checkpoint(content, last)
    previous.unlink()
    assert said in refused()


def written_by_hand(path, content):
    """Writes a checkpoint as a release without a format number did."""
    file = io.BytesIO()
    torch.save(content, file)
    seal = b"rrl-dsl checkpoint, SHA-256 " + hashlib.sha256(file.getvalue()).hexdigest().encode()
    path.write_bytes(file.getvalue() + seal)


def test_a_run_of_a_release_without_formats_and_with_fewer_settings_goes_on(command, folder, run):
    last = run / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    assert content.pop("rrl_dsl") == {"format": 1, "release": rrl.__version__}
    provenance = content["callbacks"]["Record"]["provenance"]
    del provenance["scaled"], provenance["statistics"], provenance["towers"]
    known = provenance["configuration"]
    del known["logger"], known["sampler"], known["optimizer"]["layer_decay"]
    written_by_hand(last, content)
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["logger"], config["sampler"], config["optimizer"]["layer_decay"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    rrl.load_encoder(run)
    code, printed = command("train", "--resume", "run")
    assert code == 0, printed
    assert rows_of(run) == rows_of(folder / "straight")


def test_another_format_is_refused_with_its_release(run, refused, command, monkeypatch):
    last, previous = (run / "checkpoints" / f"{name}.ckpt" for name in ("last", "previous"))
    content = checkpoints.read(last)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "FORMAT", 2)
        patch.setattr(checkpoints, "version", lambda _: "9.1")
        checkpoints.CheckpointFiles(last, previous).save_checkpoint(content, last)
    previous.unlink()
    message = "last.ckpt` has format 2, of rrl-dsl 9.1, and rrl-dsl "
    assert message + f"{rrl.__version__} reads format 1" in refused()
    with pytest.raises(rrl.RRLError, match=r"has format 2, of rrl-dsl 9\.1"):
        rrl.load_encoder(run)
    code, printed = command("export", "run")
    assert code == 1
    assert "install rrl-dsl 9.1" in printed


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        (lambda kept: kept["callbacks"]["Record"]["provenance"].pop("shape"), "shape"),
        (lambda kept: kept["callbacks"]["Record"].pop("machine"), "machine"),
        (lambda kept: kept["callbacks"]["History"].pop("seconds"), "seconds"),
        (lambda kept: kept.pop("optimizer_states"), "optimizer_states"),
        (lambda kept: kept.pop("callbacks"), "callbacks"),
    ],
)
def test_a_checkpoint_of_a_release_that_wrote_less_is_refused(run, refused, change, lacks):
    last = run / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    change(content)
    written_by_hand(last, content)
    (run / "checkpoints" / "previous.ckpt").unlink()
    assert f"another release or another program wrote it, and it has no `{lacks}`" in refused()
    with pytest.raises(rrl.RRLError, match=f"RRL505.*it has no `{lacks}`"):
        rrl.load_encoder(run)


def test_damage_is_said_alike_by_all_who_read_a_checkpoint(run, command):
    with (run / "checkpoints" / "last.ckpt").open("r+b") as file:
        file.seek(5000)
        file.write(b"X" * 8)
    for words, fix in (
        (["export", "run", "--out", "encoder.pt"], "`rrl-dsl train --resume run` continues from"),
        (["train", "--resume", "run"], "put an intact checkpoint there, or start a new run"),
    ):
        with pytest.raises(rrl.RRLError, match="does not match its checksum") as problem:
            rrl.load_encoder("run")
        assert fix in str(problem.value)
        code, printed = command(*words)
        assert code == 1
        assert str(problem.value) == printed.strip()
        (run / "checkpoints" / "previous.ckpt").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[:1],
        lambda rows: rows[:2],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [*rows, rows[-1].replace("2.0", "3.0", 1), rows[-1].replace("2.0", "4.0", 1)],
        lambda rows: [rows[0], rows[2], rows[1]],
        lambda rows: [*rows[:2], rows[2][:-1] + ("1" if rows[2][-1] != "1" else "2")],
        lambda rows: ["\0"],
    ],
)
def test_an_edited_history_is_refused(run, refused, change):
    table = run / "metrics.csv"
    table.write_text("\n".join(change(table.read_text().splitlines())) + "\n")
    assert "`metrics.csv" in refused()


FILES = ("recipe.rrl", "recipe.json", "config.yaml", "data.json", "metrics.csv")


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_refused_with_a_code(run, command, name):
    path = run / name
    damages = [
        b"",
        b"\xff\xfe\x00\x01" * 40,
        b"NaN\n",
        b"[" * 5000,
        path.read_bytes()[:60],
        None,
        "folder",
        "link",
    ]
    for damage in damages:
        if path.is_file() or path.is_symlink():
            path.unlink()
        if damage == "folder":
            path.mkdir()
        elif damage == "link":
            path.rmdir()
            os.mkfifo("pipe")
            path.symlink_to(Path("pipe").absolute())
        elif damage is not None:
            path.write_bytes(damage)
        code, printed = command("train", "--resume", "run")
        assert code == 1, (damage, printed)
        assert "error[RRL" in printed
        assert "itself failed" not in printed
        assert name in printed or "RRL015" in printed


def test_force_goes_on_and_the_summary_notes_it(run, command):
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


def test_differences_that_force_cannot_override(run, refused):
    edit(run / "config.yaml", "  name: adam", "  name: lars")
    assert "undo the change of `optimizer.name`" in refused("--force-resume")
    edit(run / "config.yaml", "  name: lars", "  name: adam")
    edit(run / "config.yaml", "  out: 4", "  out: 5")
    assert "last.ckpt` do not match this model: `network.encoder.projector" in refused(
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


def test_a_byte_of_an_image_file_moves_the_fingerprint(tmp_path):
    from PIL import Image

    for part in ("train", "test"):
        (tmp_path / part / "cat").mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8)).save(tmp_path / part / "cat" / f"{number}.bmp")

    def now():
        return fingerprint(load(f"imagefolder:{tmp_path}", root=tmp_path, size=8))

    before, path = now(), tmp_path / "train" / "cat" / "1.bmp"
    time = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    os.utime(path, ns=(time, time))
    changed = {name for name, content in now().items() if content != before[name]}
    assert changed == {"train images"}


def test_a_setting_that_a_checkpoint_does_not_have_was_at_its_default():
    now = Config().model_dump(mode="json")
    before = {name: value for name, value in now.items() if name != "preset"}
    assert settings(before) == settings(now)
    assert settings(before) != settings({**now, "preset": "simclr-fast"})
