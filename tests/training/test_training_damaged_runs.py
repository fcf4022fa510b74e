"""A checkpoint or a file of a run that is damaged, edited or of another release is an error."""

import hashlib
import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from stopped_runs import rows_of

import rrl_dsl as rrl
from rrl_dsl.training import checkpoints


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


def test_a_checkpoint_that_is_not_this_runs_is_refused(run, refused_resume, runs):
    for name in ("last.ckpt", "previous.ckpt"):
        shutil.copy(runs / "other" / "checkpoints" / name, run / "checkpoints" / name)
    assert "`seed` was 7 and is 0" in refused_resume()
    with pytest.raises(rrl.RRLError, match="`seed` was 7 and is 0"):
        rrl.load_encoder(run)
    torch.save({"state_dict": {}}, run / "checkpoints" / "last.ckpt")
    torch.save({"state_dict": {}}, run / "checkpoints" / "previous.ckpt")
    assert "another program wrote it" in refused_resume()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state["Record"]["provenance"].update(directory="../.."), "outside its"),
        (lambda state: state["History"]["rows"].pop(), "has no history of its run"),
        (lambda state: state.pop("Record"), "last.ckpt` is not a readable checkpoint"),
    ],
)
def test_a_checkpoint_that_was_made_to_deceive_is_refused(run, refused_resume, change, said):
    last, previous = (run / "checkpoints" / f"{name}.ckpt" for name in ("last", "previous"))
    content = checkpoints.read(last)
    change(content["callbacks"])
    checkpoints.CheckpointFiles(last, previous).save_checkpoint(content, last)
    previous.unlink()
    assert said in refused_resume()


def written_by_hand(path, content):
    """Writes a checkpoint as a release without a format number did."""
    file = io.BytesIO()
    torch.save(content, file)
    seal = b"rrl-dsl checkpoint, SHA-256 " + hashlib.sha256(file.getvalue()).hexdigest().encode()
    path.write_bytes(file.getvalue() + seal)


def test_a_run_of_a_release_without_formats_and_with_fewer_settings_resumes(command, runs, run):
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
    assert rows_of(run) == rows_of(runs / "straight")


def test_another_format_is_refused_with_its_release(run, refused_resume, command, monkeypatch):
    last, previous = (run / "checkpoints" / f"{name}.ckpt" for name in ("last", "previous"))
    content = checkpoints.read(last)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "FORMAT", 2)
        patch.setattr(checkpoints, "version", lambda _: "9.1")
        checkpoints.CheckpointFiles(last, previous).save_checkpoint(content, last)
    previous.unlink()
    message = "last.ckpt` has format 2, of rrl-dsl 9.1, and rrl-dsl "
    assert message + f"{rrl.__version__} reads format 1" in refused_resume()
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
def test_a_checkpoint_of_a_release_that_wrote_less_is_refused(run, refused_resume, change, lacks):
    last = run / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    change(content)
    written_by_hand(last, content)
    (run / "checkpoints" / "previous.ckpt").unlink()
    assert (
        f"another release or another program wrote it, and it has no `{lacks}`" in refused_resume()
    )
    with pytest.raises(rrl.RRLError, match=f"RRL505.*it has no `{lacks}`"):
        rrl.load_encoder(run)


def test_all_readers_of_a_checkpoint_report_damage_alike(run, command):
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
def test_an_edited_history_is_refused(run, refused_resume, change):
    table = run / "metrics.csv"
    table.write_text("\n".join(change(table.read_text().splitlines())) + "\n")
    assert "`metrics.csv" in refused_resume()


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
