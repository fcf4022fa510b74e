"""`rrl-dsl runs` lists, filters, sorts and compares runs."""

import json
import os
import shutil

import pytest

from rrl_dsl.study.launch import in_use
from rrl_dsl.training import lock

pytestmark = pytest.mark.xdist_group("runs")  # which train once


@pytest.fixture(scope="module")
def runs(tmp_path_factory, images):
    """A folder with three runs of different losses and seeds."""
    import rrl_dsl as rrl

    folder = tmp_path_factory.mktemp("runs")
    for name, recipe, loss, seed in (
        ("one", "ssl(views=2)", "simclr", 0),
        ("two", "ssl(views=2) | supervised(frac=0.5)", "simclr", 1),
        ("below/three", "ssl(views=2)", "vicreg", 2),
    ):
        out = folder / name
        dataset = f"npz:{images}"
        rrl.train(recipe, loss, dataset, epochs=1, batch_size=16, seed=seed, eval=False, out=out)
    return folder


def listed(cli, *words):
    result = cli("runs", *words, "--json")
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_runs_in_a_folder_and_below_it_are_listed_the_newest_first(cli, runs):
    listing = listed(cli, runs)
    names = [run["run"].removeprefix(f"{runs}/") for run in listing]
    assert names == ["below/three", "two", "one"]
    assert [run["recipe"] for run in listing] == [
        "ssl()", "ssl() | supervised(frac=0.5)", "ssl()",
    ]  # fmt: skip
    assert {run["state"] for run in listing} == {"done"}
    assert {run["epochs"] for run in listing} == {1}
    text = cli("runs", runs).out
    assert "vicreg" in text
    assert "1/1" in text


def test_runs_are_filtered_and_sorted_by_columns_and_settings(cli, runs):
    def names(*words):
        return [run["run"].rpartition("/")[2] for run in listed(cli, runs, *words)]

    assert names("--where", "loss=vicreg") == ["three"]
    assert names("--where", "seed>0", "--where", "loss=simclr") == ["two"]
    assert names("--where", "batch_size<16") == []
    assert names("--sort", "seed") == ["three", "two", "one"]
    assert names("--sort", "loss") == ["two", "one", "three"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--where", "los=x"], "did you mean `loss`?"),
        (["--where", "loss"], "`loss` is not a condition"),
        (["--sort", "accurcy"], "did you mean `accuracy`?"),
        (["--sort", "zzz"], "the columns are `run`, `recipe`"),
        (["--where", "accuracy>high"], "`high`, which is not a number"),
    ],
)
def test_a_column_that_no_run_has_is_an_error(cli, runs, words, message):
    result = cli("runs", runs, *words)
    assert result.code == 1
    assert message in result.err


def test_a_folder_that_does_not_exist_is_an_error(cli):
    assert "RRL504" in cli("runs", "nowhere").err


def test_states_of_runs(cli, runs, tmp_path):
    copy = tmp_path / "runs"
    shutil.copytree(runs, copy)
    (copy / "one" / "summary.json").unlink()
    (copy / "two" / "config.yaml").write_text("{")
    three = copy / "below" / "three"
    for name in ("summary.json", "metrics.csv"):
        (three / name).unlink()
    shutil.rmtree(three / "checkpoints")
    states = {run["run"].rpartition("/")[2]: run["state"] for run in listed(cli, copy)}
    assert states == {"one": "stopped", "two": "unreadable", "three": "no step"}


def test_states_of_runs_without_an_intact_checkpoint(cli, runs, tmp_path):
    copy = tmp_path / "runs"
    shutil.copytree(runs, copy)
    last = copy / "one" / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-1])
    shutil.rmtree(copy / "two" / "checkpoints")
    three = copy / "below" / "three"
    (three / "summary.json").unlink()
    shutil.rmtree(three / "checkpoints")
    states = {run["run"].rpartition("/")[2]: run["state"] for run in listed(cli, copy)}
    assert states == {"one": "damaged", "two": "done", "three": "damaged"}
    removed = cli("train", "--resume", three).err.replace("\n", " ")
    assert "has no checkpoint: the files in" in removed
    assert "were removed" in removed


@pytest.mark.parametrize(
    ("name", "code"),
    [("config.yaml", "RRL503"), ("recipe.json", "RRL505"), ("summary.json", "RRL505")],
)
def test_a_damaged_run_is_not_compared(cli, runs, tmp_path, name, code):
    shutil.copytree(runs / "one", tmp_path / "copy")
    (tmp_path / "copy" / name).write_text("{")
    result = cli("runs", "diff", runs / "one", "copy")
    assert result.code == 1
    assert f"error[{code}]" in result.err
    state = "stopped" if name == "summary.json" else "unreadable"  # resuming writes a summary
    assert [run["state"] for run in listed(cli, "copy")] == [state]


@pytest.mark.parametrize(
    ("damage", "alone"),
    [
        ("truncated", "put an intact checkpoint there"),
        ("flipped", "put an intact checkpoint there"),
        ("gone", "has no checkpoint"),
    ],
)
def test_a_damaged_checkpoint_refers_to_the_previous_one(cli, runs, tmp_path, damage, alone):
    shutil.copytree(runs / "one", tmp_path / "one")
    last = tmp_path / "one" / "checkpoints" / "last.ckpt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.unlink()
    if damage != "gone":
        last.write_bytes(content[: len(content) // 2] if damage == "truncated" else content)
    assert "continues from the previous checkpoint" in cli("eval", tmp_path / "one").err
    last.with_name("previous.ckpt").unlink()
    assert alone in cli("eval", tmp_path / "one").err


@pytest.mark.parametrize(
    ("words", "written"),
    [
        (["embed", "RUN", "-o", "mine.npz"], ["mine.npz"]),
        (["export", "RUN", "-o", "mine.pt"], ["mine.pt", "mine.pt.md"]),
        (["eval", "RUN", "-o", "mine.png"], ["mine.png"]),
        (["views", "--samples", "1", "--views", "1", "-o", "mine.png"], ["mine.png"]),
        (["compile", "-e", "ssl(views=2)", "-o", "mine.npz"], ["mine.npz"]),
        (["plot", "results.csv", "-o", "mine.png"], ["mine.png", "mine.svg", "mine.csv"]),
    ],
)
def test_a_command_replaces_the_files_that_it_writes(cli, runs, tmp_path, words, written):
    rows = ["run,recipe,loss,dataset,seed,epochs,state,backbone/linear"]
    rows += [f"{seed},a,simclr,d,0,{seed},done,0.5" for seed in (1, 2)]
    (tmp_path / "results.csv").write_text("\n".join(rows) + "\n")
    for name in written:
        (tmp_path / name).write_text("old")
    result = cli(*(runs / "one" if word == "RUN" else word for word in words))
    assert result.code == 0, result.err
    assert b"old" not in [(tmp_path / name).read_bytes() for name in written]


def test_no_run_matches_a_condition(cli, runs):
    assert cli("runs", runs, "--where", "loss=byol").out.endswith(" that meet loss=byol\n")


def test_a_locked_run_is_in_use(runs):
    assert not in_use(runs / "one")
    lock.hold(runs / "one")
    held, lock._held = lock._held, set()  # as if another process held it
    try:
        assert in_use(runs / "one")
    finally:
        lock._held = held
        lock.release()


def test_two_runs_are_compared_in_settings_edges_and_results(cli, runs):
    result = cli("runs", "diff", runs / "one", runs / "two", "--json")
    comparison = json.loads(result.out)
    assert comparison["settings"] == {"seed": [0, 1]}
    assert comparison["recipe"]["equal"] is False
    assert comparison["recipe"]["edges"]["removed"] == 0
    assert comparison["recipe"]["edges"]["added"] > 0
    assert comparison["results"]["epoch"] == [1, 1]
    text = cli("runs", "diff", runs / "one", runs / "two").out
    assert "seed: 0 -> 1" in text
    assert "+   supervised(frac=0.5)" in text


def test_runs_diff_needs_two_runs(cli, runs):
    assert "needs two runs" in cli("runs", "diff", runs / "one").err
    result = cli("runs", "diff", runs / "one", runs)
    assert result.code == 1
    assert "is not a run" in result.err


@pytest.mark.parametrize("value", ["loss=[", "loss=*a", "seed=!!python/name:os.system"])
def test_a_condition_whose_value_is_not_yaml_is_refused(cli, runs, value):
    result = cli("runs", runs, "--where", value)
    assert result.code == 1
    assert "error[RRL503]" in result.err


@pytest.mark.parametrize("name", ["summary.json", "recipe.json", "metrics.csv", "config.yaml"])
def test_a_file_of_a_run_that_never_ends_is_not_read(cli, runs, tmp_path, name):
    shutil.copytree(runs / "one", tmp_path / "one")
    (tmp_path / "one" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "one" / name)
    assert len(listed(cli, tmp_path)) == 1
