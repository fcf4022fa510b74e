"""What `auto` chooses, and what happens when memory runs out."""

import subprocess
import sys
import warnings

import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.backends import blocked
from rrl_dsl.backends.blocked import BlockedRelation
from rrl_dsl.backends.dense import Prepared
from rrl_dsl.backends.dense_relation import DenseRelation
from rrl_dsl.backends.strategy import SMALLEST_TILE, choose, operations
from rrl_dsl.losses import create

RAN_OUT = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
]


def rows_of(samples: int) -> rrl.Nodes:
    label = torch.arange(samples) % 7 - 1
    ids, view = torch.arange(samples).repeat(2), torch.arange(2).repeat_interleave(samples)
    return rrl.Nodes(ids, view, {"label": label.repeat(2)})


def allow(monkeypatch, pairs: int, problem: Exception | None = None) -> list[int]:
    """Lets memory run out for more pairs at once; returns the sizes that are asked for."""
    asked, weights = [], Prepared.weights

    def limited(self, result, rows=slice(None), cols=slice(None)):
        asked.append(len(self.rows[0][rows]) * len(self.cols[0][cols]))
        if asked[-1] > pairs:
            raise RAN_OUT[0] if problem is None else problem
        return weights(self, result, rows, cols)

    monkeypatch.setattr(Prepared, "weights", limited)
    return asked


@pytest.mark.parametrize("problem", RAN_OUT, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("strategy", ["auto", "blocked"])
@pytest.mark.parametrize("loss", ["simclr", "spectral + 0.5*vicreg", "sigmoid"])
def test_smaller_tiles_give_the_same_loss_with_one_warning(monkeypatch, loss, strategy, problem):
    nodes, z = rows_of(100), torch.randn(200, 8, requires_grad=True)
    recipe = "ssl(views=2) | supervised() | corrupt(fpr=0.1)"
    loss = create(loss)
    value = loss(rrl.compile(recipe).relate(nodes, strategy="dense"), z)
    (gradient,) = torch.autograd.grad(value, z)
    asked = allow(monkeypatch, SMALLEST_TILE, problem)
    program = rrl.compile(recipe, fused=False)

    def step() -> tuple[torch.Tensor, torch.Tensor]:
        value = loss(program.relate(nodes, strategy=strategy), z)
        return value, *torch.autograd.grad(value, z)

    with pytest.warns(UserWarning, match=r"memory ran out for .* pairs at once") as caught:
        again, slope = step()
    assert len([warning for warning in caught if "memory" in str(warning.message)]) == 1
    torch.testing.assert_close(again, value)
    torch.testing.assert_close(slope, gradient, rtol=1e-4, atol=1e-6)
    asked.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step()
    assert max(asked) <= SMALLEST_TILE  # the next batch does not run out again


@pytest.mark.parametrize("strategy", ["auto", "blocked"])
def test_memory_that_the_smallest_tile_exceeds_is_an_error(monkeypatch, strategy):
    allow(monkeypatch, SMALLEST_TILE // 2)
    loss, program = create("simclr"), rrl.compile("ssl(views=2) | corrupt(fpr=0.1)")
    memory = pytest.warns(UserWarning, match="memory ran out")
    with memory, pytest.raises(rrl.RRLError, match="RRL515") as caught:
        loss(program.relate(rows_of(100), strategy=strategy), torch.randn(200, 8))
    (diagnostic,) = caught.value.diagnostics
    assert "a relation in its smallest tiles, of 4,096 pairs" in diagnostic.message
    assert "batch_size" in diagnostic.hint


def test_memory_may_run_out_in_the_backward_pass(monkeypatch):
    monkeypatch.setattr(blocked, "KEPT_BYTES", 0)  # the weights are evaluated again
    nodes, z = rows_of(100), torch.randn(200, 8, requires_grad=True)
    program = rrl.compile("supervised() | corrupt(fpr=0.1)", fused=False)
    expected = torch.autograd.grad(create("simclr")(program.relate(nodes, strategy="dense"), z), z)
    value = create("simclr")(program.relate(nodes, strategy="blocked"), z)
    allow(monkeypatch, SMALLEST_TILE)  # the forward pass has had more
    with pytest.warns(UserWarning, match="memory ran out"):
        gradient = torch.autograd.grad(value, z)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)


def test_a_matrix_that_is_asked_for_is_not_replaced(monkeypatch):
    allow(monkeypatch, SMALLEST_TILE)
    with pytest.raises(rrl.RRLError, match=r"RRL515.*200 x 200 rows at once"):
        rrl.compile("ssl(views=2)").relate(rows_of(100), strategy="dense")


def test_other_errors_are_raised_as_they_are(monkeypatch):
    allow(monkeypatch, 0, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        rrl.compile("ssl(views=2) | corrupt(fpr=0.1)").relate(rows_of(4))
    relation = rrl.compile("ssl(views=2) | corrupt(fpr=0.1)").relate(rows_of(4), strategy="blocked")
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        create("simclr")(relation, torch.randn(8, 2))


@pytest.mark.parametrize(
    ("n", "m", "width", "free", "strategy", "tile"),
    [
        (512, 512, 128, 2**40, "dense", 512**2),
        (2048, 2048, 128, 2**40, "blocked", 2**18),
        (128, 65_536, 128, 2**40, "blocked", 2**18),  # many columns count as many rows
        (2048, 2048, 512, 2**40, "dense", 2048**2),  # a matrix product that is repeated costs more
        (65_536, 65_536, 2048, 2**40, "blocked", 2**18),
        (2000, 2000, 128, 100 * 2**20, "blocked", 2**18),  # the matrix needs 78 MiB
        (2000, 2000, 128, 500 * 2**20, "dense", 2000**2),
        (2000, 2000, 128, None, "dense", 2000**2),  # the machine does not say
        (4096, 4096, 128, 44 * 2**20, "blocked", 2**16),  # 20 MiB of vectors
        (4096, 4096, 128, 0, "blocked", SMALLEST_TILE),
    ],
)
def test_auto_chooses_by_sizes_width_and_free_memory(n, m, width, free, strategy, tile):
    choice = choose(n, m, width, "cpu", lambda: free)
    assert (choice.strategy, choice.tile) == (strategy, tile)
    assert choose(n, m, width, "cuda", lambda: 2**40).tile >= tile


def test_memory_and_operations_grow_as_they_should():
    small, large = (choose(n, n, 128, "cpu", lambda: 2**40) for n in (8192, 16_384))
    tile = 18 * 2**18
    assert large.memory - tile == 2 * (small.memory - tile)
    few, many = (
        operations(memory, n, n, 128, 10, mirrored=False)
        for memory, n in ((small, 8192), (large, 16_384))
    )
    assert many == 4 * few
    assert operations(small, 8192, 8192, 128, 10, mirrored=True) == few // 2


def test_auto_reads_the_width_of_the_embeddings():
    program, nodes = rrl.compile("ssl(views=2)", fused=False), rows_of(1024)
    assert isinstance(program.relate(nodes), BlockedRelation)
    assert isinstance(program.relate(nodes, width=512), DenseRelation)


LIMITED = """
import resource, sys, torch
import rrl_dsl as rrl
from rrl_dsl.backends.strategy import available_memory
torch.set_num_threads(1)
loss, program = rrl.losses.create("simclr"), rrl.compile("ssl(views=2)", fused=False)
def step(samples):
    ids, view = torch.arange(samples).repeat(2), torch.arange(2).repeat_interleave(samples)
    z = torch.randn(2 * samples, 32, requires_grad=True)
    relation = program.relate(rrl.Nodes(ids, view))
    loss(relation, z).backward()
    return type(relation).__name__
step(8)
free = int(sys.argv[1]) * 2**20
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + free, used + free))
print(step(int(sys.argv[2])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is of Linux")
@pytest.mark.parametrize(
    ("free", "samples", "strategy"),
    [(400, 512, "DenseRelation"), (150, 1000, "BlockedRelation"), (150, 4096, "BlockedRelation")],
)
def test_a_limit_of_memory_is_kept(free: int, samples: int, strategy: str):
    words = [sys.executable, "-c", LIMITED, str(free), str(samples)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.stdout.strip() == strategy, done.stderr
