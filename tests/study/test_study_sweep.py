"""Sweeps that run: what is trained, skipped and resumed, and the tables."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.study.launch import Cluster
from rrl_dsl.study.table import read_table
from rrl_dsl.training.run import RunDirectory

pytestmark = pytest.mark.slow

TWO = "recipe: ['ssl(views=2) | supervised(frac=0.5)']\nloss: simclr\nseed: [0, 1]"


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_sweep_trains_every_run_and_writes_tidy_tables(declare, sweep_of, in_process, quiet):
    path = declare("recipe: semi_supervised\nparam.frac: [0.5, 1]\nloss: simclr", epochs=2)
    sweep, launcher = sweep_of(path), in_process()
    sweep.run(launcher, quiet)
    assert sweep.count("done") == 2
    assert [state for state, _ in quiet.changes] == ["running", "done"] * 2
    results = rows(sweep.out / "results.csv")
    assert [row["param.frac"] for row in results] == ["0.5", "1"]
    assert {row["state"] for row in results} == {"done"}
    for row in results:
        run = RunDirectory(sweep.out / row["run"])
        summary = json.loads(run.summary.read_text())
        assert row["identity"] == summary["identity"]
        assert float(row["backbone/linear"]) == summary["accuracies"]["backbone"]["linear"]
        assert row["epochs"] == "2"
    by_epoch = rows(sweep.out / "epochs.csv")
    assert [(row["param.frac"], row["epoch"]) for row in by_epoch] == [
        ("0.5", "1.0"), ("0.5", "2.0"), ("1", "1.0"), ("1", "2.0"),
    ]  # fmt: skip
    assert "loss/train" in by_epoch[0]
    table = pq.read_table(sweep.out / "results.parquet").to_pylist()
    assert table == read_table(sweep.out / "results.csv")


def test_a_sweep_skips_what_is_done_and_keeps_the_tables(declare, sweep_of, in_process, quiet):
    path = declare(TWO, eval="false")
    sweep_of(path).run(in_process(), quiet)
    before = (sweep_of(path).out / "results.csv").read_text()
    again, launcher = sweep_of(path), in_process()
    again.run(launcher, quiet)
    assert launcher.commands == []
    assert (again.out / "results.csv").read_text() == before


def test_a_run_that_was_cut_is_resumed_to_the_same_numbers(
    declare, sweep_of, in_process, quiet, tmp_path
):
    path = declare(TWO, epochs=2, eval="false")
    straight = sweep_of(path)
    straight.run(in_process(), quiet)
    wanted = [row["loss/train"] for row in rows(straight.out / "epochs.csv")]
    first = straight.trials[0].directory
    (first / "summary.json").unlink()
    (first / "checkpoints" / "last.ckpt").unlink()  # `previous.ckpt` is of epoch 1
    again, launcher = sweep_of(path), in_process()
    assert again.count("done") == 1
    again.run(launcher, quiet)
    assert [command[:2] for command in launcher.commands] == [["train", "--resume"]]
    assert [row["loss/train"] for row in rows(again.out / "epochs.csv")] == wanted


def test_a_run_that_stopped_before_its_first_step_starts_again(
    declare, sweep_of, in_process, quiet
):
    path = declare(TWO, eval="false")
    directory = sweep_of(path).trials[0].directory
    (directory / "checkpoints").mkdir(parents=True)
    (directory / "config.yaml").write_text("epochs: 1\n")
    sweep = sweep_of(path)
    sweep.run(in_process(), quiet)
    assert sweep.count("done") == 2


def test_a_run_that_fails_does_not_stop_the_others(declare, sweep_of, in_process, quiet):
    path = declare(TWO, eval="false")
    sweep = sweep_of(path)
    directory = sweep.trials[0].directory
    directory.mkdir()
    (directory / "checkpoints").mkdir()
    (directory / "checkpoints" / "last.ckpt").write_bytes(b"damaged")
    sweep.run(in_process(), quiet)
    assert (sweep.count("failed"), sweep.count("done")) == (1, 1)
    assert "(RRL505)" in sweep.problems[directory.name]
    first, second = rows(sweep.out / "results.csv")
    assert first["state"] == "failed"
    assert first["problem"] == sweep.problems[directory.name]
    assert second["state"] == "done"


def test_a_directory_of_another_recipe_is_refused(declare, sweep_of, in_process, quiet):
    path = declare(TWO, eval="false")
    sweep = sweep_of(path)
    sweep.run(in_process(), quiet)
    summary = sweep.trials[0].directory / "summary.json"
    summary.write_text(summary.read_text().replace('"identity": "', '"identity": "0'))
    with pytest.raises(RRLError, match="another recipe"):
        sweep_of(path)


def test_an_interrupted_sweep_continues_where_it_stopped(declare, sweep_of, in_process, quiet):
    path = declare(TWO, eval="false")
    with pytest.raises(KeyboardInterrupt):
        sweep_of(path).run(in_process(interrupt=2), quiet)
    again, launcher = sweep_of(path), in_process()
    assert again.count("done") == 1
    again.run(launcher, quiet)
    assert len(launcher.commands) == 1


def test_the_command_prints_what_failed_and_exits_with_1(declare, cli, sweep_of, monkeypatch):
    path = declare("recipe: 'ssl(views=2)'\nloss: simclr", eval="false")
    directory = sweep_of(path).trials[0].directory
    (directory / "checkpoints").mkdir(parents=True)
    (directory / "checkpoints" / "last.ckpt").write_bytes(b"damaged")
    result = cli("sweep", path, "--out", directory.parent)
    assert result.code == 1
    assert "failed    simclr-npz-" in result.out
    assert "results.csv" in result.out


def test_the_command_names_the_recipes_that_lack_a_parameter(declare, cli, monkeypatch, in_process):
    monkeypatch.setattr("rrl_dsl.cli.sweeping.launcher_of", lambda *_, **__: in_process())
    recipe = r'"param f = 0.5\nssl(views=2) | supervised(frac=f)"'
    path = declare(f"recipe: [simclr, {recipe}]\nparam.f: [0.1, 1]", loss="simclr", eval="false")
    result = cli("sweep", path, "--out", "out")
    assert result.code == 0, result.err
    assert "1 of 4 combinations are the same run as others" in result.out
    assert "`simclr` has no parameter `f`; its runs do not vary it" in result.out


def test_options_of_slurm_need_slurm(declare, cli):
    path = declare("recipe: 'ssl(views=2)'\nloss: simclr")
    assert "needs `--slurm`" in cli("sweep", path, "--slurm-option", "slurm_partition=gpu").err


def test_a_machine_without_slurm_is_an_error(declare, cli, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "")
    path = declare("recipe: 'ssl(views=2)'\nloss: simclr")
    result = cli("sweep", path, "--slurm")
    assert result.code == 1
    assert "RRL506" in result.err


def test_submitit_runs_a_sweep(declare, sweep_of, quiet, tmp_path):
    pytest.importorskip("submitit")
    sweep = sweep_of(declare("recipe: ssl(views=2)\nloss: simclr", eval="false"))
    sweep.run(Cluster(tmp_path / "slurm", {"timeout_min": 5}, jobs=1, cluster="local"), quiet)
    assert sweep.count("done") == 1
    with pytest.raises(RRLError, match="partitionn"):
        Cluster(tmp_path / "slurm", {"slurm_partitionn": "gpu"}, jobs=1, cluster="local")


def test_a_killed_sweep_continues(declare, sweep_of, in_process, quiet, tmp_path):
    path = declare(TWO, epochs=3, eval="false")
    words = [sys.executable, "-m", "rrl_dsl", "sweep", str(path), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    trials = sweep_of(path).trials
    while process.poll() is None and time.monotonic() < deadline:
        if trials[0].epochs() >= 1:
            break
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    sweep = sweep_of(path)
    sweep.run(in_process(), quiet)
    assert sweep.count("done") == 2
    assert [row["epoch"] for row in rows(sweep.out / "epochs.csv")] == ["1.0", "2.0", "3.0"] * 2


def test_a_run_of_another_sweep_is_waited_for(declare, sweep_of, in_process, quiet):
    path = declare(TWO, epochs=3, eval="false")
    sweep = sweep_of(path)
    command = sweep.trials[0].command()
    words = [sys.executable, "-m", "rrl_dsl", *command]
    orphan = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    while not (sweep.trials[0].directory / "lock").exists():
        assert orphan.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    launcher = in_process()
    sweep.run(launcher, quiet)
    assert orphan.wait() == 0
    assert sweep.count("done") == 2
    assert len(launcher.commands) == 1
