"""On a GPU: the same integers, no waiting in the hot path, and no second compilation."""

import pytest
import torch

import rrl_dsl as rrl

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

BINARY = "ssl() | supervised(frac=.3, labels=fine) | corrupt(tpr=.9, fpr=.05, redraw=epoch)"
WEIGHTED = (
    "0.7 * (ssl() + 0.3 * supervised(labels=fine)) + 0.1 * all() | keep(.8, redraw=step) | power(2)"
)


def batch(rows: int = 300) -> rrl.Nodes:
    sample = torch.arange(rows) * 2**33 + 7
    return rrl.Nodes(sample, torch.arange(rows) % 2, {"fine": torch.arange(rows) % 9 - 1})


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("text", [BINARY, WEIGHTED])
def test_gpu_gives_the_edges_of_the_cpu(text: str, fused: bool):
    nodes = batch()
    here = rrl.compile(text, seed=2**63 + 5, fused=False)(nodes, epoch=3, step=2**31)
    there = rrl.compile(text, seed=2**63 + 5, fused=fused)(nodes.to("cuda"), epoch=3, step=2**31)
    assert there.device.type == "cuda"
    assert torch.equal(there.cpu(), here)


@pytest.mark.parametrize("text", [BINARY, WEIGHTED])
def test_nothing_waits_for_the_gpu_once_a_recipe_runs(text: str):
    program = rrl.compile(text)
    z = torch.randn(300, 16, device="cuda", requires_grad=True)
    columns = batch().to("cuda")
    program(columns)
    torch.cuda.synchronize()
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for epoch in range(3):
            nodes = rrl.Nodes(columns.sample, columns.view, columns.labels)
            relation = program.relate(nodes, epoch=epoch, step=epoch)
            loss = relation.degree().sum() + relation.lse(z, z, 5.0).sum()
            loss = loss + relation.dot(z, z).sum() + relation.sqdist(z, z).sum()
            loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode(mode)


def test_bound_recipe_runs_on_the_gpu():
    nodes = batch()
    program = rrl.compile("supervised(labels=fine, per_class=5)").bind(nodes)
    assert torch.equal(program(nodes.to("cuda")).cpu(), program(nodes))
