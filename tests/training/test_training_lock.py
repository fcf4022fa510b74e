"""One process at a time trains in a run's directory."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

import rrl_dsl as rrl
from rrl_dsl.training import lock
from rrl_dsl.training.run import create

HOLD = """
import os, sys, time
from pathlib import Path
from rrl_dsl.training import lock
lock.hold(Path(sys.argv[1]))
if not os.fork():  # as a worker that loads data, which may outlive a killed process
    print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = create(tmp_path / "run", "").path
    lock.release()
    return path


@pytest.fixture
def holder(run):
    """A process that trains in the run's directory."""
    words = [sys.executable, "-c", HOLD, str(run)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        os.killpg(process.pid, signal.SIGKILL)


def test_a_directory_in_use_is_refused_until_its_process_is_killed(run, holder):
    with pytest.raises(rrl.RRLError) as caught:
        lock.hold(run)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL504"
    name = f"process {holder.pid} on {socket.gethostname()}"
    assert diagnostic.message == f"`{run}` is in use by {name}"
    assert diagnostic.hint == f"wait until it ends, or stop it with `kill {holder.pid}`"
    assert diagnostic.source.name == str(run)
    holder.kill()
    holder.wait()
    lock.hold(run)
    lock.release()


def test_a_start_in_a_directory_in_use_says_so(run, holder, command):
    code, printed = command("train", "-e", "ssl(views=2)", "--out", "run")
    assert code == 1
    assert f"error[RRL504]: `run` is in use by process {holder.pid}" in printed


def test_a_resume_of_a_run_in_use_changes_nothing(run, holder, command):
    (run / "config.yaml").write_text("epochs: 3\n")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    code, printed = command("train", "--resume", "run")
    assert code == 1
    assert f"error[RRL504]: `run` is in use by process {holder.pid}" in printed
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_copy_of_a_run_in_use_is_free(run, holder, tmp_path):
    lock.hold(shutil.copytree(run, tmp_path / "copy"))
    lock.release()


def test_a_refused_resume_holds_nothing(run, command):
    (run / "config.yaml").write_text("epochs: 3\n")
    code, printed = command("train", "--resume", "run")
    assert code == 1
    assert "error[RRL505]" in printed
    script = "import sys; from pathlib import Path; from rrl_dsl.training import lock\n"
    script += "lock.hold(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", script, run], check=True)


def test_a_directory_whose_name_is_not_utf8_is_refused(tmp_path):
    path = tmp_path / os.fsdecode(b"run\xff")
    with pytest.raises(rrl.RRLError, match=r"\[RRL504\]: the path .* is not UTF-8"):
        create(path, "")
    assert not os.path.exists(path)
