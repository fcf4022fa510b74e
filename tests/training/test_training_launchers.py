"""A run whose processes another program starts: torchrun, srun, or a batch script."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rrl_dsl.training import ranks
from rrl_dsl.training.run import RunDirectory

TRAIN = """
import sys, torch
from rrl_dsl.cli.start import run
torch.set_num_threads(1)
run()
"""
OPTIONS = ["-e", "ssl(views=2)", "--epochs", "1", "--batch-size", "256", "--set", "accelerator=cpu"]
LAUNCHERS = ("SLURM_", "TORCHELASTIC_", "MASTER_")
RANKS = {"RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE"}


def started(
    folder: Path, *options: str, torchrun: int = 0, resume: Path | None = None, **variables: object
):
    script = folder / "start.py"
    script.write_text(TRAIN)
    launcher = ["-m", "torch.distributed.run", f"--nproc_per_node={torchrun}", "--standalone"]
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in RANKS and not name.startswith(LAUNCHERS)
    }
    given = {name: str(value) for name, value in variables.items()}
    return subprocess.Popen(
        [
            *(sys.executable, *(launcher if torchrun else []), script, "train"),
            *(["--resume", resume] if resume else OPTIONS),
            *options,
        ],
        cwd=folder,
        env=kept | {"OMP_NUM_THREADS": "1"} | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen) -> tuple[int, str]:
    try:
        text, _ = process.communicate(timeout=100)
    finally:
        process.kill()
    return process.returncode, text


def tasks(folder: Path, *options: str, devices: int = 2, **variables: object):
    """The two processes that `srun --ntasks=2` starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = {"SLURM_NTASKS": 2, "SLURM_JOB_ID": 7, "MASTER_PORT": port, **variables}
    both = [
        started(
            folder,
            f"--devices={devices}",
            *options,
            SLURM_PROCID=rank,
            SLURM_LOCALID=rank,
            SLURM_NODEID=0,
            **given,
        )
        for rank in range(2)
    ]
    return [finished(process) for process in both]


def the_run(folder: Path) -> Path:
    """The only run that was made, which is whole."""
    (run,) = (folder / "runs").iterdir()
    assert (run / "summary.json").is_file()
    assert len((run / "metrics.csv").read_text().splitlines()) == 2
    return run


@pytest.mark.slow
def test_torchrun_trains_one_run_and_resumes_it(tmp_path):
    status, text = finished(started(tmp_path, "--devices=2", torchrun=2))
    assert status == 0, text
    run = the_run(tmp_path)
    assert text.count("identity  ") == 1
    first = (run / "metrics.csv").read_text()
    status, text = finished(started(tmp_path, "--epochs=2", torchrun=2, resume=run))
    assert status == 0, text
    assert text.count("resumed   after epoch 1 of 2") == 1
    both = (run / "metrics.csv").read_text()
    assert both.startswith(first)
    assert len(both.splitlines()) == 3


@pytest.mark.slow
def test_torchrun_shows_an_early_error_once(tmp_path):
    status, text = finished(started(tmp_path, torchrun=2, resume=tmp_path / "missing"))
    assert status == 1
    assert text.count("error[RRL505]") == 1, text
    assert "RRL511" not in text


@pytest.mark.slow
def test_srun_trains_one_run(tmp_path):
    results = tasks(tmp_path, SLURM_STEP_NUM_TASKS=2)
    assert [status for status, _ in results] == [0, 0], results
    the_run(tmp_path)


@pytest.mark.slow
def test_srun_trains_one_run_on_two_machines(tmp_path):
    machines = {"SLURM_STEP_NUM_TASKS": 2, "SLURM_STEP_NUM_NODES": 2, "SLURM_NNODES": 2}
    results = tasks(tmp_path, "--num-nodes=2", devices=1, SLURM_NODELIST="localhost", **machines)
    assert [status for status, _ in results] == [0, 0], results
    run = the_run(tmp_path)
    assert "num_nodes: 2" in (run / "config.yaml").read_text()


@pytest.mark.slow
def test_several_machines_need_a_launcher(tmp_path):
    status, text = finished(started(tmp_path, "--num-nodes=2"))
    assert status == 1
    assert "error[RRL502]: `num_nodes` is 2, but no launcher started the processes" in text
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("rank", "node", "local"), [(0, 0, 0), (2, 0, 2), (3, 1, 0), (5, 1, 2)])
def test_a_process_knows_its_machine_and_its_place_there(monkeypatch, rank, node, local):
    launcher = {"MASTER_ADDR": "localhost", "MASTER_PORT": "1", "WORLD_SIZE": "6"}
    monkeypatch.setattr(os, "environ", launcher | {"RANK": str(rank)})
    ranks.adopt(3, 2)
    assert os.environ["NODE_RANK"] == str(node)
    assert os.environ["LOCAL_RANK"] == str(local)
    assert ranks.leads() == (rank == 0)


@pytest.mark.slow
def test_a_directory_in_use_ends_every_process_with_one_error(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    results = tasks(tmp_path, "--out=full")
    assert all(status == 1 for status, _ in results), results
    assert "".join(text for _, text in results).count("error[RRL504]") == 1, results
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_a_process_that_fails_ends_the_one_that_leads(tmp_path):
    # the second lacks what the first has, and the first waits for it in the first step
    script = "import os, rrl_dsl.training.fit as t\n"
    script += "if os.environ.get('SLURM_PROCID') == '1':\n    t.History = None\n"
    (tmp_path / "sitecustomize.py").write_text(script)
    results = tasks(tmp_path, PYTHONPATH=tmp_path)
    assert [status for status, _ in results] == [1, 1], results
    assert "error[RRL511]: process 1 of the run failed" in results[0][1]


@pytest.mark.slow
def test_sigterm_to_one_process_stops_both_with_a_checkpoint(tmp_path):
    process = started(tmp_path, "--devices=2", "--epochs=500", "--out=run")
    latest = time.monotonic() + 90
    while not (tmp_path / "run" / "metrics.csv").exists() and time.monotonic() < latest:
        time.sleep(0.05)
    (other,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(other), signal.SIGTERM)
    status, text = finished(process)
    assert status == 143, text
    assert "stopped by SIGTERM; continue with `rrl-dsl train --resume" in text
    assert not Path(f"/proc/{other}").exists()
    assert RunDirectory(tmp_path / "run").resumed_from().epochs > 0


@pytest.mark.slow
def test_as_many_processes_as_devices(tmp_path):
    results = tasks(tmp_path, devices=1, SLURM_STEP_NUM_TASKS=2)
    assert [status for status, _ in results] == [1, 1]
    said = "error[RRL502]: `devices` is 1, but the launcher started 2 processes"
    assert "".join(text for _, text in results).count(said) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({"SLURM_PROCID": "0"}, None),  # a batch script: it starts the second itself
        ({"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"}, "0"),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, "1"),
        ({"SLURM_PROCID": "0", "MASTER_PORT": "29500"}, "0"),
        ({"SLURM_PROCID": "1"}, "1"),
    ],
)
def test_a_batch_script_of_two_tasks_is_one_process(monkeypatch, variables, rank):
    for name in [*os.environ]:
        if name in RANKS or name.startswith(LAUNCHERS):
            monkeypatch.delenv(name)
    given = {"SLURM_NTASKS": "2", "SLURM_JOB_ID": "7", "SLURM_NODELIST": "localhost", **variables}
    monkeypatch.setattr(os, "environ", {**os.environ, **given})
    ranks.adopt(2)
    assert os.environ.get("RANK") == rank
    assert ranks.leads() == (rank != "1")
    monkeypatch.undo()
    ranks.adopt(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [{"LOCAL_RANK": 1}, {"RANK": 1, "WORLD_SIZE": 2, "SLURM_NTASKS": 4, "SLURM_PROCID": 0}],
    ids=["left over", "sbatch"],
)
def test_a_process_that_no_launcher_started_trains_alone(tmp_path, variables):
    status, text = finished(started(tmp_path, **variables))
    assert status == 0, text
    the_run(tmp_path)
