import contextlib
import io
import shutil
import sys

import pytest
from stopped_runs import archive, contents, train

import rrl_dsl as rrl
from rrl_dsl.cli import start
from rrl_dsl.data import registry
from rrl_dsl.training.build import build
from rrl_dsl.training.display import Display
from rrl_dsl.training.fit import fit as fit_module
from rrl_dsl.training.presets import defaults
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.run import RunDirectory


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    return registry.load("digits", root=tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def make_module(digits):
    """A module for digits, by recipe and loss, with some settings changed."""

    def make(recipe="ssl(views=2) | supervised(frac=0.3)", loss="simclr", **settings):
        chosen = dict(loss) if isinstance(loss, dict) else {"name": loss}
        preset = defaults(rrl.losses.create(**chosen), digits.shape, digits.augmentation)
        settings = {**preset, "loss": loss, **settings}
        return build(rrl.parse(recipe), resolve([], settings), digits)

    return make


@pytest.fixture(scope="session")
def fit(digits):
    """Trains a module in a directory."""

    def run(module, path):
        (path / "checkpoints").mkdir(parents=True, exist_ok=True)
        return fit_module(module, digits, RunDirectory(path), Display())

    return run


@pytest.fixture(scope="session")
def command():
    """Runs the command line in this process; gives the exit status and what it printed."""

    def run(*words):
        printed, argv = io.StringIO(), sys.argv
        sys.argv = ["rrl-dsl", *map(str, words)]
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                start.run()
        except SystemExit as stop:
            return int(stop.code or 0), printed.getvalue()
        finally:
            sys.argv = argv
        return 0, printed.getvalue()

    return run


@pytest.fixture(scope="session")
def runs(tmp_path_factory, command):
    """The run `straight` of three epochs, and `stopped` and `other`, stopped after two of them."""
    path = tmp_path_factory.mktemp("runs")
    recipe = 'param frac = 0.5\nssl(views=2) | pairs("links.csv") | supervised(frac=frac)\n'
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        (path / "mine.rrl").write_text(recipe)
        (path / "links.csv").write_text("a,b\n0,1\n")
        archive(path / "data.npz")
        train(command, "--out", "straight")
        train(command, "--out", "stopped", until=2)
        train(command, "--out", "other", "--seed", "7", until=2)
    return path


@pytest.fixture
def run(runs, tmp_path, monkeypatch):
    """A copy of the run `stopped`, in another folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(runs / "stopped", tmp_path / "run")


@pytest.fixture
def refused_resume(command, run):
    """Resumes the run, which is an error and changes no file; returns what is printed."""

    def resume(*words):
        before = contents(run)
        status, printed = command("train", "--resume", "run", *words)
        assert status == 1, printed
        assert "error[RRL505]" in printed
        assert "itself failed" not in printed
        assert contents(run) == before
        return printed

    return resume
