"""The fused kernel: compiled once, and the same weights as the eager function, to the last bit."""

from collections.abc import Iterator

import pytest
import torch
from torch._dynamo.utils import counters

import rrl_dsl as rrl
from rrl_dsl.backends import dense
from rrl_dsl.backends.edge import is_fused

pytestmark = pytest.mark.xdist_group("fused")  # which compile once

TEXT = """
param frac = 0.3
param noise = 0.1
let known = supervised(frac=frac, labels=fine)
let weighed = 0.9 * (ssl() + 0.5 * known) + 0.1 * known
weighed | corrupt(tpr=0.9, fpr=noise, unit=row, redraw=epoch) | clip(max=1.2) | power(0.3)
"""


@pytest.fixture(scope="module")
def fused() -> Iterator[rrl.Program]:
    torch.compiler.reset()
    counters.clear()
    program = rrl.compile(TEXT, fused=True)
    program(batch(0))
    yield program
    torch.compiler.reset()


def batch(first: int, rows: int = 48) -> rrl.Nodes:
    sample = (torch.arange(rows) % (rows // 2)) * 2**31 + first
    fine = (sample >> 31) % 5 - 1
    return rrl.Nodes(sample, torch.arange(rows) // (rows // 2), {"fine": fine})


def graphs_compiled() -> int:
    return counters["stats"]["unique_graphs"]


def test_nothing_compiles_again_for_a_new_batch_epoch_seed_or_parameter(fused: rrl.Program):
    assert graphs_compiled() == 1
    others = [
        (fused, batch(10**12), 0),
        (fused, batch(3), 7),
        (rrl.compile(TEXT, fused=True, seed=2**63), batch(0), 0),
        (rrl.compile(TEXT, fused=True, params={"frac": 0.8, "noise": 0.01}), batch(5), 2),
        (rrl.compile(TEXT.replace("0.5", "0.75").replace("1.2", "0.85"), fused=True), batch(1), 1),
    ]
    with torch.compiler.set_stance("fail_on_recompile"):
        for program, nodes, epoch in others:
            weights = program(nodes, epoch=epoch)
            eager = rrl.Program(program.graph, seed=program.seed, fused=False)
            assert torch.equal(weights, eager(nodes, epoch=epoch))
            assert weights.dtype == torch.float32
    assert graphs_compiled() == 1


def test_another_size_gives_the_eager_edges_too(fused: rrl.Program):
    eager = rrl.Program(fused.graph, seed=fused.seed, fused=False)
    nodes = batch(0, rows=130)
    assert torch.equal(fused(nodes), eager(nodes))
    assert graphs_compiled() == 1


def test_only_batches_that_earn_it_back_are_compiled(monkeypatch):
    asked = []
    prepare = dense.prepare

    def record(plan, rows, cols, spaces, inputs, **options):
        asked.append(inputs.fused)
        return prepare(plan, rows, cols, spaces, inputs._replace(fused=False), **options)

    monkeypatch.setattr(dense, "prepare", record)
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/" + name)
    program = rrl.compile("ssl()")
    for rows in (512, 2047, 2048):
        program(rrl.Nodes(torch.arange(rows)))
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    program(rrl.Nodes(torch.arange(2048)))
    assert asked == [False, False, True, False]


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    for variable in ("CC", "CXX"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.usefixtures("no_compiler")
def test_asking_for_a_kernel_without_a_compiler_is_rrl506():
    program = rrl.compile("ssl()", fused=True)
    with pytest.raises(rrl.RRLError) as caught:
        program(rrl.Nodes([0, 1]))
    (only,) = caught.value.diagnostics
    assert (only.code, only.message) == (
        "RRL506",
        "the edges cannot be fused into one kernel: there is no compiler such as "
        "`g++` or `clang++`",
    )


@pytest.mark.usefixtures("no_compiler")
def test_gpu_without_a_compiler_works_op_by_op_and_says_so():
    gpu = torch.device("cuda")
    with pytest.warns(UserWarning, match="there is no compiler such as `gcc` or `clang`"):
        assert not is_fused(None, gpu, 4)
    assert not is_fused(False, gpu, 4)
    with pytest.raises(rrl.RRLError):
        is_fused(True, gpu, 4)


def test_gpu_with_a_compiler_of_another_name_is_fused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setenv("CC", "/opt/cc")
    assert is_fused(None, torch.device("cuda"), 4)
    assert not is_fused(False, torch.device("cuda"), 4)
