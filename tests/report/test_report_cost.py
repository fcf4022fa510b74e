"""The cost of a recipe is computed from its plan, and equals the measured cost in torch."""

from dataclasses import replace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import rrl_dsl as rrl
from rrl_dsl.report.cost import cost_of


def test_graph_takes_a_byte_a_pair_or_four():
    assert cost_of(rrl.compile("ssl()").plan, 512).graph == 512**2
    assert cost_of(rrl.compile("2 * ssl()").plan, 512).graph == 4 * 512**2


def test_costs_grow_with_the_square_of_the_rows_and_with_what_is_asked():
    plan = rrl.compile("ssl() | supervised(frac=.3) | corrupt(fpr=.05)").plan
    small, large = cost_of(plan, 256), cost_of(plan, 512)
    assert large.total == 4 * small.total
    assert large.operations == small.operations
    assert cost_of(rrl.compile("ssl()").plan, 256).total < small.total


def test_rewritten_recipe_costs_what_is_left_of_it():
    plain, noisy = (rrl.compile(t).plan for t in ("ssl()", "ssl() | none() | keep(1) | ssl()"))
    assert cost_of(plain, 64) == cost_of(noisy, 64)


def test_stages_are_counted_apart():
    assert cost_of(rrl.compile("ssl()").plan, 64).staged == 0
    near = cost_of(rrl.compile("knn(5)").plan, 64, {"projection": 32})
    assert near.staged >= 64**2 * 64
    assert cost_of(rrl.compile("ssl() | topk(3)").plan, 64).staged > 0
    assert cost_of(rrl.compile("ssl() | closure()").plan, 64).staged > 0


def test_contrast_is_counted_too():
    graph = cost_of(rrl.compile("ssl()").plan, 64)
    contrast = cost_of(rrl.compile("near(x, 1) & (similarity(y) | threshold(0.5))").plan, 64)
    both = rrl.compile("ssl()\ncontrast near(x, 1) & (similarity(y) | threshold(0.5))").plan
    cost = cost_of(both, 64)
    assert cost.operations == graph.operations + contrast.operations
    assert cost.graph == graph.graph + 64**2
    assert cost.eager == max(contrast.eager, graph.eager + 64**2)
    assert cost.prepared > graph.prepared


def test_vectors_cost_their_width():
    for kernel, products, held in (("rbf", 1, 1), ("cosine", 6, 3)):  # cut into three slices
        plan = rrl.compile(f"similarity(x, {kernel})").plan
        wide, narrow = (cost_of(plan, 64, {"x": width}) for width in (512, 2))
        assert wide.operations - narrow.operations == 2 * 510 * products
        assert wide.prepared - narrow.prepared == 64 * 8 * 510 * held
    assert wide.assumed is None
    assert cost_of(plan, 64) == replace(cost_of(plan, 64, {"x": 128}), assumed=128)
    assert cost_of(rrl.compile("knn(5)").plan, 64, {"x": 3}).assumed == 128
    assert cost_of(rrl.compile("ssl()").plan, 64).assumed is None


def test_lists_are_at_most_as_long_as_the_rows():
    few, many = (cost_of(rrl.compile(f"knn({k})").plan, 64) for k in (64, 10**6))
    assert few == many


@pytest.mark.parametrize(
    "text",
    [
        "ssl()",
        "ssl() | supervised()",
        "ssl() | supervised(frac=.3) | corrupt(fpr=.05)",
        "2 * ssl() + 3 * supervised() | keep(0.5)",
    ],
)
def test_bytes_alive_at_once_are_within_a_few_of_what_torch_allocates(text: str):
    n = 256  # a CPU evaluates more pairs in parts, and holds less
    program = rrl.compile(text, fused=False)
    rows = rrl.Nodes(torch.arange(n), labels={"label": torch.arange(n) % 3})
    program(rows)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        program(rows)
    alive = most = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            alive += event.nbytes()
            most = max(most, alive)
    told = cost_of(program.plan, n).eager
    # an operation of our own, such as the hash, has intermediate values too
    assert told <= most * 1.1
    assert most <= told + 40 * n**2
