"""The reductions that losses are made of, against loops over pairs in float64, with gradients."""

from dataclasses import replace

import pytest
import torch
from relation_scenes import REDUCTIONS, Scene, degree, gradients, scene

import rrl_dsl as rrl
from rrl_dsl.backends.dense_relation import DenseRelation

STRATEGIES = pytest.mark.parametrize("strategy", ["dense", "blocked"])


@STRATEGIES
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_equals_its_definition_with_gradients(name: str, seed: int, strategy: str):
    reduce, expected = REDUCTIONS[name]
    here = scene(seed, strategy=strategy)
    value, wanted = reduce(here), expected(here)
    torch.testing.assert_close(value, wanted, rtol=1e-9, atol=1e-12)
    for one, other in zip(gradients(value, here), gradients(wanted, here), strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-11)


@STRATEGIES
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_in_float32_agrees_with_float64(name: str, seed: int, strategy: str):
    reduce, expected = REDUCTIONS[name]
    here = scene(seed, dtype=torch.float32, strategy=strategy)
    exact = Scene(
        here.weights.double(),
        here.rows,
        here.cols,
        here.contrast,
        here.q.detach().double().requires_grad_(),
        here.k.detach().double().requires_grad_(),
    )
    value, wanted = reduce(here), expected(exact)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), wanted, rtol=1e-5, atol=1e-5)
    for one, other in zip(gradients(value, here), gradients(wanted, exact), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-5)


@STRATEGIES
@pytest.mark.parametrize("seed", range(12))
def test_counts_and_nearest(seed: int, strategy: str):
    here = scene(seed, strategy=strategy)
    for with_self in (False, True):
        degrees = here.relation.degree(with_self=with_self)
        torch.testing.assert_close(degrees, degree(here, with_self))
    unrelated = [here.unrelated(i) for i in range(len(here.rows))]
    related = [
        sum(here.weight(i, j) > 0 for j in range(len(here.cols))) for i in range(len(here.rows))
    ]
    assert here.relation.compared_count().tolist() == [
        len(others) + count for others, count in zip(unrelated, related, strict=True)
    ]
    assert here.relation.unrelated_count().tolist() == [len(pairs) for pairs in unrelated]
    index, distance = here.relation.nearest_unrelated(here.q.detach(), here.k.detach())
    for i, others in enumerate(unrelated):
        distances = {j: (here.q[i] - here.k[j]).norm().item() for j in others}
        if not distances:
            assert (int(index[i]), float(distance[i])) == (-1, float("inf"))
        else:
            assert float(distance[i]) == pytest.approx(min(distances.values()))
            assert distances[int(index[i])] == min(distances.values())


@pytest.mark.parametrize("seed", range(12))
def test_own_column_is_the_first_that_is_the_same_row(seed: int):
    here = scene(seed)
    if here.cols is not here.rows:
        expected = [
            next((j for j in range(len(here.cols)) if here.same(i, j)), -1)
            for i in range(len(here.rows))
        ]
        assert here.relation.own_column().tolist() == expected


def test_own_column_where_the_columns_are_the_rows_is_the_place_itself():
    rows = rrl.Nodes([5, 5, 2], [1, 1, 0])
    assert DenseRelation(torch.ones(3, 3), rows).own_column().tolist() == [0, 1, 2]
    far = rrl.Nodes([2**62, 2, 2**62], [2**40, 0, 0])
    assert DenseRelation(torch.ones(3, 3), far, far[[2, 0, 1]]).own_column().tolist() == [1, 2, 0]


def test_scenes_hold_what_is_easy_to_forget():
    scenes = [scene(seed) for seed in range(12)]
    pairs = [
        [here.same(i, j) for i in range(len(here.rows)) for j in range(len(here.cols))]
        for here in scenes
    ]
    assert any(sum(counts) > len(here.rows) for counts, here in zip(pairs, scenes, strict=True))
    assert any(here.weights.shape[0] < here.weights.shape[1] for here in scenes)
    assert any(here.weights.shape[0] > here.weights.shape[1] for here in scenes)
    assert any(bool((here.relation.degree() == 0).any()) for here in scenes)
    assert any(here.contrast is None for here in scenes)
    assert any(bool(here.relation.lse(here.q, here.k).isinf().any()) for here in scenes)


@STRATEGIES
def test_gradcheck_of_what_has_a_gradient(strategy: str):
    here = scene(1, strategy=strategy)
    relation = here.relation
    for reduction in (relation.dot, relation.sqdist, relation.unrelated_sum_sq):
        assert torch.autograd.gradcheck(reduction, (here.q, here.k))
    busy = relation.degree() > 0
    assert torch.autograd.gradcheck(lambda q, k: relation.masked_lse(q, k)[busy], (here.q, here.k))


def test_bool_graph_counts_as_noughts_and_ones():
    here = scene(2)
    related = here.weights > 0
    soft = DenseRelation(related.double(), here.rows, here.cols, contrast=here.contrast)
    hard = DenseRelation(related, here.rows, here.cols, contrast=here.contrast)
    torch.testing.assert_close(hard.degree(), soft.degree().float())
    torch.testing.assert_close(hard.dot(here.q, here.k), soft.dot(here.q, here.k))
    torch.testing.assert_close(hard.masked_lse(here.q, here.k), soft.masked_lse(here.q, here.k))
    torch.testing.assert_close(hard.matmul(here.k), soft.matmul(here.k))


def test_distances_do_not_cancel():
    here = scene(4)
    far = 1e6
    exact = here.relation.sqdist(here.q, here.k)
    moved = here.relation.sqdist(here.q + far, here.k + far)
    torch.testing.assert_close(moved, exact, rtol=1e-6, atol=1e-6)


@STRATEGIES
def test_coinciding_vectors_have_a_finite_gradient(strategy: str):
    here = scene(4, strategy=strategy)
    q = torch.zeros(7, 4, dtype=torch.float64, requires_grad=True)
    relation = here.relation
    (
        relation.sqdist(q, q) + relation.nearest_unrelated(q, q)[1].nan_to_num(posinf=0)
    ).sum().backward()
    assert q.grad is not None
    assert q.grad.isfinite().all()


@STRATEGIES
def test_half_precision_is_reduced_in_float32(strategy: str):
    here = scene(0, dtype=torch.float32, strategy=strategy)
    q, k = here.q.detach().bfloat16(), here.k.detach().bfloat16()
    for half, single in (
        (here.relation.lse(q, k), here.relation.lse(q.float(), k.float())),
        (here.relation.sqdist(q, k), here.relation.sqdist(q.float(), k.float())),
        (here.relation.matmul(k), here.relation.matmul(k.float())),
        (
            here.relation.cross_entropy(q, k)[0],
            here.relation.cross_entropy(q.float(), k.float())[0],
        ),
    ):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, single)


@STRATEGIES
def test_autocast_does_not_reach_the_reductions(strategy: str):
    here = scene(0, dtype=torch.float32, strategy=strategy)
    for reduction in (here.relation.lse, lambda q, k: here.relation.cross_entropy(q, k)[0]):
        plain = reduction(here.q, here.k)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.testing.assert_close(reduction(here.q, here.k), plain, rtol=0, atol=0)


@pytest.mark.parametrize("temperature", [0.01, 1.0])
@pytest.mark.parametrize("self_compared", [False, True])
def test_a_symmetric_relation_of_vectors_with_themselves_has_their_gradient(
    temperature: float, self_compared: bool
):
    for seed in (0, 4, 8):
        here = scene(seed)
        weights = (here.weights + here.weights.T) / 2
        contrast = None if here.contrast is None else here.contrast | here.contrast.T
        z = torch.nn.functional.normalize(here.q.detach()).requires_grad_()
        scale = torch.tensor(1 / temperature, dtype=torch.float64, requires_grad=True)
        results = []
        for strategy in ("dense", "blocked"):
            symmetric = replace(here, weights=weights, contrast=contrast, strategy=strategy)
            value, degrees = symmetric.relation.cross_entropy(
                z, z, scale, self_in_denominator=self_compared
            )
            torch.testing.assert_close(degrees, symmetric.relation.degree().double())
            slope = torch.linspace(0.5, 1.5, len(z), dtype=torch.float64)
            results.append([value, *torch.autograd.grad((value * slope).sum(), [z, scale])])
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)
