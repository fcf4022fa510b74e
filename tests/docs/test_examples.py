"""The worked examples run, and learn."""

import importlib.util
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def main_of(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.mark.filterwarnings("ignore")
def test_a_lightning_project_of_one_s_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    metrics = main_of("lightning_project")(4)
    assert metrics["probe/backbone"] > 0.55  # 0.1 is chance
    assert metrics["edges/per_row"] > 1
    assert metrics["skipped/simclr/without_edge"] == 0
    assert metrics["skipped/koleo/without_unrelated"] == 0
    assert "epoch 4: probe" in capsys.readouterr().out


def test_a_loop_of_one_s_own(capsys):
    accuracy = main_of("own_loop")(6)
    assert accuracy > 0.9
    assert "nearest neighbors, 6 epochs" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["dino_loop", "mean_shift_loop"])
@pytest.mark.slow
def test_a_loop_with_the_network_of_a_method(name):
    assert main_of(name)(4) > main_of(name)(0)


def test_two_encoders_of_one_s_own(capsys):
    assert main_of("two_towers")(0) < 0.3  # 0.1 is chance
    assert main_of("two_towers")(6) > 0.8
    assert "zero-shot, 6 epochs" in capsys.readouterr().out


def test_every_example_is_tested():
    names = {"dino_loop", "lightning_project", "mean_shift_loop", "own_loop", "two_towers"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == names


def test_examples_take_what_they_need_from_the_top():
    for path in EXAMPLES.glob("*.py"):
        assert "from rrl_dsl" not in path.read_text()
