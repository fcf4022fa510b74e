"""Steps of a network in one, two or four processes, which have different parts of each batch.

    python many_processes.py FOLDER CASES

For each number of processes it writes the losses and gradients of all cases into FOLDER. It forks,
so that the libraries are loaded once.
"""

import json
import os
import sys
from pathlib import Path

import torch
from torch import distributed
from torch.distributed._functional_collectives import all_gather_tensor_autograd

import rrl_dsl as rrl
from rrl_dsl.backends import strategy
from rrl_dsl.backends.dense import Prepared

BLOCKS, SAMPLES, STEPS = 4, 12, 2
SHAPE = (1, 8, 8)


def make(case):
    torch.manual_seed(0)
    options = {
        "projector": {"hidden": 16, "out": 6, "norm": False},
        "predictor": {"hidden": 16, "norm": False},
        "prototypes": {"count": 10},
        "teacher": {"momentum": 0.5},
        "bank": 192,
    }
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.Tanh())
    backbone = case.get("backbone", body)
    program = rrl.compile(case["recipe"], seed=3).bind(dataset())
    loss = rrl.losses.create(case["loss"])
    return rrl.Network.for_(loss, program, backbone, SHAPE, **options | case.get("options", {}))


def dataset():
    return nodes_of(torch.arange(STEPS * BLOCKS * SAMPLES), torch.zeros(1, dtype=torch.int64))


def nodes_of(samples, views):
    """Rows of samples, view after view, with a label and a vector that follow from the sample."""
    rows = samples.repeat(len(views))
    x = rows[:, None] * torch.tensor([0.7, 1.3])
    labels = {"label": rows % 7 - 1}
    return rrl.Nodes(rows, views.repeat_interleave(len(samples)), labels, {"x": x.sin()})


def part_of(network, step, blocks):
    """The rows of some blocks of a batch, and what the network makes of them."""
    views, local = network.program.requires.views, network.options.local_views.count
    whole, others, nodes, local_nodes = [], [], [], []
    for block in blocks:
        random = torch.Generator().manual_seed(100 * step + block)
        images = torch.randn(views * SAMPLES, *SHAPE, generator=random)
        crops = torch.randn(local * SAMPLES, 1, 8, 8, generator=random) if local else None
        outputs = network(images, crops, seed=block)
        size = len(images)
        whole.append({name: output[:size] for name, output in outputs.items()})
        others.append({name: output[size:] for name, output in outputs.items()})
        samples = torch.arange(SAMPLES) + (step * BLOCKS + block) * SAMPLES
        nodes.append(nodes_of(samples, torch.arange(views)))
        local_nodes.append(nodes_of(samples, torch.arange(local) + views))
    rows, *rest = nodes + (local_nodes if local else [])
    for further in rest:
        rows = rows.followed_by(further)
    parts = whole + others
    return rows, {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def gathered_by_hand(own):
    return all_gather_tensor_autograd(own.contiguous(), 0, distributed.group.WORLD)


def trained(case, rank, world):
    """The loss of each step, the gradients of the last, and the most pairs of a weight matrix."""
    network = make(case)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    share = BLOCKS // world
    blocks = range(rank * share, (rank + 1) * share)
    gather = None
    if world > 1:
        gather = case.get("gather", "all")
        gather = gathered_by_hand if gather == "by hand" else gather
    losses, pairs = [], []
    weights = Prepared.weights

    def counted(self, *options):
        tile = weights(self, *options)
        pairs.append(tile.numel())
        return tile

    Prepared.weights = counted
    for step in range(STEPS):
        optimizer.zero_grad()
        value = network.loss(*part_of(network, step, blocks), step=step, epoch=step, gather=gather)
        value.backward()
        given = [parameter for parameter in network.parameters() if parameter.requires_grad]
        for parameter in given:
            parameter.grad = (
                torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            )
            if world > 1:
                distributed.all_reduce(parameter.grad)
                parameter.grad /= world
        optimizer.step()
        network.follow(steps=4)
        losses.append(value.item())
    Prepared.weights = weights
    gradients = torch.cat([parameter.grad.flatten() for parameter in given])
    return losses, gradients, max(pairs, default=0)


def run(folder, cases, rank, world):
    if world > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{folder / f'group{world}'}", rank=rank, world_size=world
        )
    results = {}
    strategy.TILE_PAIRS["cpu"] = 500
    for name, case in cases.items():
        strategy.BLOCKED_PAIRS["cpu"] = 0 if case.get("tiled", False) else 2**22
        results[name] = trained(case, rank, world)
    torch.save(results, folder / f"{world}-{rank}.pt")


def main():
    folder, cases = Path(sys.argv[1]), json.loads(sys.argv[2])
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)  # in which the order of a sum matters little
    torch.Tensor.float = torch.Tensor.double
    for case in cases.values():  # loads what is loaded late, before it would be loaded seven times
        torch.optim.SGD(make(case).parameters(), lr=0.05).zero_grad()
    children = []
    for world in (2, 4):
        for rank in range(world):
            child = os.fork()
            if not child:
                try:
                    run(folder, cases, rank, world)
                except BaseException:
                    sys.excepthook(*sys.exc_info())
                    os._exit(1)
                os._exit(0)
            children.append(child)
    run(folder, cases, 0, 1)
    failed = [child for child in children if os.waitpid(child, 0)[1]]
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
