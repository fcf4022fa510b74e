"""Processes that a launcher starts end together, also while they load their libraries."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

HOLD = """
import os, signal, sys, time
from importlib.abc import MetaPathFinder
from pathlib import Path

# a shell that runs the tests in the background ignores it
signal.signal(signal.SIGINT, signal.default_int_handler)

class Hold(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torch" and "HOLD" in os.environ:
            Path("loads" + os.environ.get("RANK", "")).touch()
            time.sleep(300)

sys.meta_path.insert(0, Hold())
"""
SECONDS = 10
"""In which every process has to end after a signal."""


class Group:
    """Two processes that are held where they begin to load torch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "sitecustomize.py").write_text(HOLD)
        (folder / "here.rrl").write_text("ssl(views=2)\n")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.processes: dict[int, subprocess.Popen] = {}

    def start(self, rank: int, recipe: str = "") -> None:
        """Starts a process; it is not held if it has a recipe of its own."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM_", "TORCHELASTIC_", "LOCAL_", "NODE_", "GROUP_"))
        }
        given = {
            "RANK": rank,
            "WORLD_SIZE": 2,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": self.port,
        }
        if not recipe:
            given["HOLD"] = "torch"
        self.processes[rank] = subprocess.Popen(
            [sys.executable, "-m", "rrl_dsl", "train", "--devices", "2", recipe or "here.rrl"],
            cwd=self.folder,
            env=kept | {name: str(value) for name, value in given.items()} | {"PYTHONPATH": "."},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def hold(self, rank: int) -> None:
        """Waits until a process loads torch."""
        latest = time.monotonic() + 60
        while not (self.folder / f"loads{rank}").exists() and time.monotonic() < latest:
            time.sleep(0.02)
        assert (self.folder / f"loads{rank}").exists()

    def send(self, number: int, *ranks: int) -> None:
        for rank in ranks:
            self.processes[rank].send_signal(number)

    def ended(self, seconds: float = SECONDS) -> tuple[list[int], str]:
        """The exit statuses, and what both printed."""
        latest = time.monotonic() + seconds
        texts = [
            process.communicate(timeout=max(0.1, latest - time.monotonic()))[0]
            for _, process in sorted(self.processes.items())
        ]
        return [process.returncode for _, process in sorted(self.processes.items())], "".join(texts)


@pytest.fixture
def group(tmp_path):
    group = Group(tmp_path)
    yield group
    for process in group.processes.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("hit", [[0], [1], [0, 1]])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_both_while_they_load(group, hit, number):
    for rank in (0, 1):
        group.start(rank)
    for rank in (0, 1):
        group.hold(rank)
    group.send(number, *hit)
    statuses, text = group.ended()
    assert statuses == [128 + number] * 2
    assert text == f"stopped by {number.name}\n"


@pytest.mark.parametrize("first", [0, 1])
def test_a_process_that_starts_later_learns_of_the_signal(group, first):
    group.start(first)
    group.hold(first)
    group.send(signal.SIGTERM, first)
    group.start(1 - first)
    statuses, text = group.ended()
    assert statuses == [143, 143]
    assert text == "stopped by SIGTERM\n"


@pytest.mark.parametrize("killed", [0, 1])
def test_the_kill_of_a_process_that_loads_is_reported(group, killed):
    for rank in (0, 1):
        group.start(rank)
    for rank in (0, 1):
        group.hold(rank)
    group.send(signal.SIGKILL, killed)
    statuses, text = group.ended()
    assert sorted(statuses) == [-9, 1]
    assert text == f"error[RRL511]: process {killed} of the run was killed, or its machine failed\n"


def test_a_connection_from_elsewhere_is_not_taken_for_a_process(group):
    group.start(0)
    group.hold(0)
    with socket.create_connection(("127.0.0.1", group.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
        stranger.settimeout(5)
        assert stranger.recv(100) == b""
    group.start(1)
    group.hold(1)
    group.send(signal.SIGTERM, 1)
    assert group.ended()[0] == [143, 143]


@pytest.mark.slow
def test_an_error_of_both_processes_is_shown_once(group):
    for rank in (0, 1):
        group.start(rank, "missing.rrl")
    statuses, text = group.ended(100)
    assert statuses == [1, 1]
    assert text.count("error[") == 1
    assert "RRL511" not in text


@pytest.mark.slow
def test_other_errors_are_all_shown(group):
    for rank in (0, 1):
        group.start(rank, f"missing{rank}.rrl")
    statuses, text = group.ended(100)
    assert statuses == [1, 1]
    assert "missing0.rrl" in text
    assert "missing1.rrl" in text
