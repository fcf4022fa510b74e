"""A loss of `program.relate(gather=...)` in several processes, without a trainer or a network.

    python gathered_steps.py FOLDER

Each process has different rows. It writes losses, gradients and errors of one process and of three
processes into FOLDER.
"""

import os
import sys
from pathlib import Path

import torch
from torch import distributed, nn

import rrl_dsl as rrl
from rrl_dsl.backends import tensors

ROWS, WORLD = 24, 3
torch.set_num_threads(1)


def own_part(rank, world):
    """The rows of a process, in no order, with their inputs."""
    random = torch.Generator().manual_seed(0)
    sample = torch.randperm(ROWS, generator=random)
    x = torch.randn(ROWS, 5, generator=random, dtype=torch.float64)
    rows = slice(rank * ROWS // world, (rank + 1) * ROWS // world)
    return sample[rows], x[rows]


def related(recipe, sample, view, z, **options):
    nodes = rrl.Nodes(sample, torch.full_like(sample, view), {"label": sample % 3})
    return rrl.compile(recipe, seed=1).relate(nodes, spaces={"projection": z}, **options)


def one_tower(loss, recipe):
    def value(weights, sample, x, **options):
        z = x @ weights
        return rrl.losses.create(loss)(related(recipe, sample, 0, z, **options), z)

    return value


def two_towers(weights, sample, x, **options):
    """Rows are images, columns texts of the same samples."""
    q, k = x @ weights, x.tanh() @ weights
    images, texts = rrl.Nodes(sample), rrl.Nodes(sample, torch.ones_like(sample))
    relation = rrl.compile("ssl(views=2)").relate(images, texts, **options)
    return rrl.losses.create("simclr")(relation, q, keys=k)


def own_sum(weights, sample, x, **options):
    """A user's own function, with a parameter that has a gradient."""
    q = nn.functional.normalize(x @ weights)
    relation = related("supervised()", sample, 0, q, **options)

    def hinge(weight, similarity, bound):
        return weight * (1 - similarity) + (1 - weight) * (similarity - bound).relu()

    return relation.sum(hinge, q, q, weights.square().mean()).mean()


CASES = {
    "neighbors": one_tower("simclr", "knn(3)"),
    "blocked": one_tower("suncet", "supervised() | corrupt(fpr=0.1)"),
    "two towers": two_towers,
    "own sum": own_sum,
    "whitened": one_tower("wmse(slice=12)", "supervised()"),
}


def rows_that_are_searched(sample, x):
    """How many rows this process finds the neighbors of."""
    search, rows = tensors.ranked_distance, []
    tensors.ranked_distance = lambda q, *given: rows.append(len(q)) or search(q, *given)
    related("knn(3)", sample, 0, x, gather="all")
    tensors.ranked_distance = search
    return sum(rows)


def label_sets(sample, width):
    sets = sample[:, None].repeat(1, width) % 3
    rrl.compile("supervised()").relate(rrl.Nodes(sample, labels={"label": sets}), gather="all")


def code_of(function):
    try:
        function()
    except rrl.RRLError as problem:
        return problem.diagnostics[0].code, problem.diagnostics[0].message
    return None


def run(folder, rank, world):
    if world > 1:
        group = f"file://{folder / f'group{world}'}"
        distributed.init_process_group("gloo", init_method=group, rank=rank, world_size=world)
    results, sample_and_x = {}, own_part(rank, world)
    for gather in ("all", "ring"):
        for name, value in CASES.items():
            if gather == "ring" and name == "whitened":
                continue
            weights = torch.eye(5, 4, dtype=torch.float64).add(0.1).requires_grad_()
            strategy = "blocked" if name == "blocked" else "auto"
            loss = value(weights, *sample_and_x, gather=gather, strategy=strategy)
            loss.backward()
            if world > 1:
                distributed.all_reduce(weights.grad)
            results[f"{name}, {gather}"] = loss.item(), weights.grad / world
    sample, x = sample_and_x
    results["searched"] = rows_that_are_searched(sample, x)
    weights = torch.eye(5, 4, dtype=torch.float64).requires_grad_()
    ring = related("supervised()", sample, 0, x, gather="ring")
    results["errors"] = {
        "whitened": code_of(
            lambda: CASES["whitened"](weights, *sample_and_x, gather="ring", strategy="auto")
        ),
        "nearest": code_of(lambda: ring.nearest_unrelated(x, x)),
        "closure": code_of(lambda: ring.sum(lambda w, s: w * s * weights.sum(), x, x)),
        "counts": code_of(lambda: related("ssl()", sample[rank:], 0, x[rank:], gather="all")),
        "columns": code_of(lambda: label_sets(sample, width=2 + rank)),
        "unknown": code_of(lambda: related("ssl()", sample, 0, x, gather="rings")),
    }
    torch.save(results, folder / f"{world}-{rank}.pt")


def main():
    folder, children = Path(sys.argv[1]), []
    for rank in range(WORLD):
        child = os.fork()
        if not child:
            try:
                run(folder, rank, WORLD)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        children.append(child)
    run(folder, 0, 1)
    failed = [child for child in children if os.waitpid(child, 0)[1]]
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
