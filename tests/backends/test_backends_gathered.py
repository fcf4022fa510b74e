"""`program.relate(gather=...)`: processes with different rows, without a trainer or a network."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

CASES = ["neighbors", "blocked", "two towers", "own sum", "whitened"]
RING = "needs the embeddings of all rows, and `gather=ring` passes them in parts"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, dict]:
    """Process -> case -> loss and gradient; "errors" -> name -> code and message."""
    folder = tmp_path_factory.mktemp("gathered")
    script = Path(__file__).with_name("gathered_steps.py")
    command = [sys.executable, str(script), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    outputs = {path.stem: torch.load(path) for path in folder.glob("*.pt")}
    assert sorted(outputs) == ["1-0", "3-0", "3-1", "3-2"]
    return outputs


@pytest.mark.xdist_group("gathered steps")
@pytest.mark.parametrize("case", CASES)
def test_gathered_rows_have_the_loss_and_gradient_of_one_process(results, case):
    assert_as_in_one_process(results, f"{case}, all", f"{case}, all")


@pytest.mark.xdist_group("gathered steps")
@pytest.mark.parametrize("case", [case for case in CASES if case != "whitened"])
def test_a_ring_has_the_loss_and_gradient_of_one_process(results, case):
    assert_as_in_one_process(results, f"{case}, ring", f"{case}, all")


def assert_as_in_one_process(results, name, of_one):
    loss, gradient = results["1-0"][of_one]
    assert gradient.abs().max() > 0
    for rank in range(3):
        own_loss, own_gradient = results[f"3-{rank}"][name]
        assert own_loss == pytest.approx(loss, rel=1e-10)
        torch.testing.assert_close(own_gradient, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.xdist_group("gathered steps")
def test_each_process_finds_the_neighbors_of_a_part_of_the_rows(results):
    assert [results[process]["searched"] for process in sorted(results)] == [24, 8, 8, 8]


@pytest.mark.xdist_group("gathered steps")
@pytest.mark.parametrize(
    ("case", "expected"),
    {
        "whitened": ("RRL429", f"the loss `wmse` {RING}"),
        "nearest": ("RRL429", f"the nearest unrelated column {RING}"),
        "closure": (
            "RRL429",
            "`f` uses a tensor with a gradient that `gather=ring` cannot pass on",
        ),
        "counts": ("RRL402", "the processes have different numbers of rows: 8, 7, 6"),
        "columns": (
            "RRL402",
            "the columns of the processes differ in name, width or type",
        ),
        "unknown": ("RRL413", "`gather` cannot be `rings`"),
    }.items(),
)
def test_every_process_reports_what_it_cannot_do(results, case, expected):
    assert [results[f"3-{rank}"]["errors"][case] for rank in range(3)] == [expected] * 3
