"""The setting `logger`: a service gets the configuration and the metrics, if it is asked for."""

import os
import sys

import numpy as np
import pytest

import rrl_dsl as rrl
from rrl_dsl.training import loggers

RUN = ("train", "-e", "ssl(views=2)", "--epochs", "2", "--batch-size", "16", "--no-eval")
RUN += ("--dataset", "npz:data.npz", "--set", "projector.hidden=8")

WANDB = """
run, runs = None, []

class Config(dict):
    def update(self, given, allow_val_change=False):
        super().update(given)

class Run:
    def __init__(self, **given):
        self.id = given["id"] or f"run-{len(runs)}"
        self.given, self.config, self.rows, self.status = given, Config(), [], None
    def define_metric(self, *given, **named):
        pass
    def log(self, row):
        self.rows.append(row)
    def finish(self, exit_code=0):
        global run
        self.status, run = exit_code, None

def init(**given):
    global run
    run = Run(**given)
    runs.append(run)
    return run
"""
TRACKIO = """
runs, open_ = [], False

def init(project, name, config, resume, **given):
    global open_
    open_ = True
    assert resume == "allow"
    for run in runs:
        if run["name"] == name:
            runs.remove(run)
            return runs.append(run)
    runs.append({"project": project, "name": name, "config": config, "rows": []})

def log(row, step=None):
    assert open_
    runs[-1]["rows"].append((step, row))

def finish():
    global open_
    open_ = False
"""


@pytest.fixture(autouse=True)
def _data(tmp_path, monkeypatch):
    """A small dataset in the working directory."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    np.savez("data.npz", images=images, label=np.arange(40) % 2)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs a package with a module, for this test."""

    def install(name, text, **modules):
        folder = tmp_path / "packages" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(text)
        for module, content in modules.items():
            path = folder.joinpath(*module.split("__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        about = folder.with_name(f"{name}-99.0.dist-info")
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0\n")
        monkeypatch.syspath_prepend(str(tmp_path / "packages"))
        for known in [key for key in sys.modules if key.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, known)

    yield install
    for known in [key for key in sys.modules if key.partition(".")[0] in loggers._LOGGERS]:
        del sys.modules[known]


@pytest.fixture
def wandb(package):
    package(
        "wandb",
        WANDB,
        sdk__lib="class RunDisabled: pass\n",
        wandb_run="from wandb import Run\n",
    )


def test_wandb_gets_the_configuration_and_the_metrics_of_each_run(
    command, tmp_path, monkeypatch, wandb
):
    for name in ("one", "two"):
        code, printed = command(*RUN, "--set", "logger=wandb", "--out", name)
        assert code == 0, printed
    one, two = sys.modules["wandb"].runs
    assert (one.given["name"], two.given["name"]) == ("one", "two")
    assert one.given["project"] == "rrl-dsl"
    assert one.status == two.status == 0
    assert one.config["identity"] == rrl.parse("ssl(views=2)").identity
    assert one.config["loss"]["name"] == "simclr"
    assert one.config["epochs"] == 2
    epochs = [row["loss"] for row in one.rows if "loss" in row]
    assert epochs == pytest.approx([row["loss"] for row in rrl.Run("one").history], rel=1e-6)
    assert (tmp_path / "one" / "metrics.csv").exists()
    assert list((tmp_path / "one" / "tensorboard").glob("events*"))

    code, printed = command("train", "--resume", "one", "--epochs", "3")
    assert code == 0, printed
    resumed = sys.modules["wandb"].runs[-1]
    assert (resumed.id, resumed.given["resume"]) == (one.id, "allow")
    assert one.id != two.id


def test_a_file_of_ids_that_is_damaged_is_an_error(command, tmp_path, wandb):
    assert command(*RUN, "--set", "logger=wandb", "--out", "run")[0] == 0
    (tmp_path / "run" / "logger.json").write_text("[")
    code, printed = command("train", "--resume", "run", "--epochs", "3")
    assert code == 1
    assert "error[RRL505]: `run/logger.json` is damaged" in printed
    assert "remove it; the logger then starts a new run" in printed


def test_trackio_gets_the_configuration_and_the_metrics(command, tmp_path, monkeypatch, package):
    package("trackio", TRACKIO)
    code, printed = command(*RUN, "--set", "logger=trackio", "--out", "run")
    assert code == 0, printed
    (run,) = sys.modules["trackio"].runs
    assert (run["project"], run["config"]["epochs"]) == ("rrl-dsl", 2)
    assert run["name"].startswith("run-")  # unique, unlike the names of directories
    assert len([row for _, row in run["rows"] if "loss" in row]) == 2
    assert not sys.modules["trackio"].open_

    code, printed = command("train", "--resume", "run", "--epochs", "3")
    assert code == 0, printed
    (resumed,) = sys.modules["trackio"].runs
    assert len([row for _, row in resumed["rows"] if "loss" in row]) == 3


def test_mlflow_gets_the_configuration_and_the_metrics(command, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    code, printed = command(*RUN, "--set", "logger=mlflow", "--out", "run")
    assert code == 0, printed
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("rrl-dsl").experiment_id])
    assert run.info.run_name == "run"
    assert run.info.status == "FINISHED"
    assert run.data.params["loss/name"] == "simclr"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [metric.value for metric in history] == [row["loss"] for row in rrl.Run("run").history]

    code, printed = command("train", "--resume", "run", "--epochs", "3")
    assert code == 0, printed
    (run,) = client.search_runs([run.info.experiment_id])
    assert (run.info.status, run.data.params["epochs"]) == ("FINISHED", "2")
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 3


def test_a_service_that_is_not_asked_for_is_not_imported(command, tmp_path, monkeypatch, package):
    for name in loggers._LOGGERS:
        package(name, "raise AssertionError('imported')\n")
    code, printed = command(*RUN, "--out", "run")
    assert code == 0, printed


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_a_missing_package_is_an_error_before_the_run_starts(command, tmp_path, monkeypatch, name):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    code, printed = command(*RUN, "--set", f"logger={name}", "--out", "run")
    assert code == 1
    assert f"error[RRL502]: the logger `{name}` needs the package {name}" in printed
    assert f"--set:1:8\n  |\n1 | logger={name}\n" in printed
    assert f"pip install 'rrl-dsl[{name}]'" in printed
    assert not (tmp_path / "run").exists()


def test_a_service_that_cannot_start_is_an_error_and_leaves_nothing(
    command, tmp_path, monkeypatch, wandb
):
    import wandb as service

    def refuse(**_):
        raise RuntimeError("no API key configured\nmore")

    with monkeypatch.context() as patch:
        patch.setattr(service, "init", refuse)
        code, printed = command(*RUN, "--set", "logger=wandb", "--out", "run")
        assert code == 1
        expected = "error[RRL502]: the logger `wandb` cannot start: no API key configured\n"
        assert expected in printed
        assert "WANDB_MODE=offline" in printed
        assert not list((tmp_path / "run").iterdir())
        assert command(*RUN, "--set", "logger=wandb")[0] == 1
        assert not list((tmp_path / "runs").iterdir())
    code, printed = command(*RUN, "--out", "run")  # the directory is free for another try
    assert code == 0, printed

    monkeypatch.setattr(service, "init", refuse)
    before = {path: path.read_bytes() for path in (tmp_path / "run").glob("*.*")}
    code, printed = command("train", "--resume", "run", "--set", "logger=wandb")
    assert code == 1
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").glob("*.*")}


def test_a_service_fails_to_start_sooner_than_its_default(command, tmp_path, monkeypatch, wandb):
    import wandb as service

    seen = []

    def refuse(**_):
        seen.append([os.environ.get(name) for name in loggers._PATIENCE])
        raise RuntimeError("no network")

    monkeypatch.setattr(service, "init", refuse)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")  # what the user sets stays
    monkeypatch.delenv("WANDB_INIT_TIMEOUT", raising=False)
    assert command(*RUN, "--set", "logger=wandb", "--out", "run")[0] == 1
    assert seen == [["30", "77", "3"]]
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert "WANDB_INIT_TIMEOUT" not in os.environ


def test_a_service_that_fails_later_is_one_warning(command, tmp_path, monkeypatch, wandb):
    import wandb as service

    def fail(self, row):
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(service.Run, "log", fail)
    code, printed = command(*RUN, "--set", "logger=wandb", "--out", "run")
    assert code == 0
    assert printed.count("the server is gone") == 1
    assert "warning[RRL509]: `wandb` failed, and gets no more metrics" in printed
    assert len(rrl.Run(tmp_path / "run").history) == 2


def test_an_unknown_service_is_an_error(command):
    code, printed = command(*RUN, "--set", "logger=tensorboard")
    assert code == 1
    assert "error[RRL502]" in printed
    assert "wandb" in printed
