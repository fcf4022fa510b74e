"""A small dataset, and a launcher that trains in this process."""

import contextlib
import io
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest

from rrl_dsl.cli import start
from rrl_dsl.study.grid import read_grid
from rrl_dsl.study.plan import plan
from rrl_dsl.study.sweep import Sweep
from rrl_dsl.study.trials import trials_of


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """The path of 40 gray images of 8 x 8 pixels in two classes, as a dataset."""
    draw = np.random.default_rng(0)
    label = np.arange(40) % 2
    pixels = draw.integers(0, 120, (40, 1, 8, 8)) + 120 * label[:, None, None, None]
    path = tmp_path_factory.mktemp("images") / "two.npz"
    split = np.array(["train"] * 30 + ["test"] * 10)
    np.savez(path, images=pixels.astype(np.uint8), label=label, split=split)
    return path


@pytest.fixture
def declare(tmp_path, images):
    """Writes a sweep over the small dataset; gives its path."""

    def write(text, **settings):
        given = {"dataset": f"npz:{images}", "epochs": 1, "batch_size": 16, **settings}
        lines = [f"{name}: {value}" for name, value in given.items() if f"{name}:" not in text]
        path = tmp_path / "sweep.yaml"
        path.write_text("\n".join([text.strip(), *lines]) + "\n")
        return path

    return write


@pytest.fixture
def sweep_of(tmp_path):
    """The sweep of a file, with its runs in `tmp_path/out`."""

    def make(path):
        out = tmp_path / "out"
        return Sweep(trials_of(plan(read_grid(path), path.parent), out), out)

    return make


@dataclass
class Ended:
    status: int

    def poll(self):
        return self.status

    def end(self):
        pass


@dataclass
class InProcess:
    """Trains one run at a time in this process; keeps the commands.

    `interrupt` is raised in place of the run with that number, counted from 1.
    """

    interrupt: int = 0
    jobs: int = 1
    commands: list = field(default_factory=list)

    def start(self, command, log):
        self.commands.append(list(command))
        if len(self.commands) == self.interrupt:
            raise KeyboardInterrupt
        printed, argv = io.StringIO(), sys.argv
        sys.argv = ["rrl-dsl", *command]
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                start.run()
        except SystemExit as stop:
            status = int(stop.code or 0)
        finally:
            sys.argv = argv
        with log.open("a") as file:
            file.write(printed.getvalue())
        return Ended(status)


class Quiet:
    """Shows nothing; keeps the changes."""

    def __init__(self):
        self.changes = []

    def changed(self, trial, state, problem):
        self.changes.append((state, problem))

    def show(self, sweep):
        pass


@pytest.fixture
def in_process():
    return InProcess


@pytest.fixture
def quiet():
    return Quiet()
