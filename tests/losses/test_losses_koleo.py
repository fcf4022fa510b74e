"""KoLeo against lightly's, and against its formula on graphs with relations."""

import lightly.loss
import pytest
import torch
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.backends.matrix import of_matrix
from rrl_dsl.losses import create


def embeddings(rows, width=6, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator, dtype=dtype, requires_grad=True)


def two_views(samples):
    return rrl.Nodes(torch.arange(samples).repeat(2), torch.arange(2).repeat_interleave(samples))


def sparse(rows, columns, seed=0, density=0.5):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    return weights.where(weights < density, 0.0)


def by_loops(weights, z, keys, is_self):
    """- mean_i log(min over unrelated j of the distance + eps), one pair at a time."""
    q, k = F.normalize(z), F.normalize(keys)
    terms = []
    for i in range(len(z)):
        others = [j for j in range(len(keys)) if weights[i, j] == 0 and not is_self(i, j)]
        if others:
            nearest = torch.stack([(q[i] - k[j] + 1e-8).norm() for j in others]).min()
            terms.append((nearest + 1e-8).log())
    return -torch.stack(terms).mean()


def same_with_gradients(ours, theirs, *inputs):
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    gradients, expected = (torch.autograd.grad(value, inputs) for value in (ours, theirs))
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rows", "width"), [(2, 3), (16, 8), (40, 64)])
def test_on_self_it_is_lightly_s(rows, width, seed):
    z = embeddings(rows, width, seed)
    relation = rrl.compile("self()").relate(rrl.Nodes(torch.arange(rows)))
    same_with_gradients(create("koleo")(relation, z), lightly.loss.KoLeoLoss()(z), z)


def test_coinciding_rows_have_lightly_s_value_and_a_finite_gradient():
    z = embeddings(8, dtype=torch.float32).detach()
    z[3] = z[5]
    z.requires_grad_()
    relation = rrl.compile("self()").relate(rrl.Nodes(torch.arange(8)))
    ours, theirs = create("koleo")(relation, z), lightly.loss.KoLeoLoss()(z)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
    assert ours > 2 * -torch.log(torch.tensor(1e-7)) / 8  # two rows at a distance of about 0
    (gradient,) = torch.autograd.grad(ours, z)
    assert gradient.isfinite().all()


def test_the_other_view_is_not_a_neighbor():
    z = embeddings(12, 4).detach()
    z[6:] = z[:6] + 1e-9  # the nearest by far
    z.requires_grad_()
    relation = rrl.compile("ssl(views=2)").relate(two_views(6))
    related = torch.eye(6, dtype=torch.float64).repeat(2, 2)
    expected = by_loops(related, z, z, lambda i, j: i == j)
    assert expected < 3  # a distance of 1e-9 would cost 20
    same_with_gradients(create("koleo")(relation, z), expected, z)


def test_dinov2_s_is_that_of_each_view_by_itself():
    z = embeddings(12, 4)
    relation = rrl.compile("ssl(views=2)").relate(two_views(6))
    views = torch.arange(12).view(2, 6)
    ours = sum(create("koleo")(relation.restricted(rows, rows), z[rows]) for rows in views)
    theirs = sum(lightly.loss.KoLeoLoss()(part) for part in z.chunk(2))
    same_with_gradients(ours, theirs, z)


@pytest.mark.parametrize("seed", range(3))
def test_on_any_graph_it_is_the_formula(seed):
    z, weights = embeddings(9, seed=seed), sparse(9, 9, seed)
    weights[4] = 1.0  # nothing is unrelated
    expected = by_loops(weights, z, z, lambda i, j: i == j)
    same_with_gradients(create("koleo")(weights, z), expected, z)


@pytest.mark.parametrize(("rows", "columns"), [(5, 9), (9, 4)])
def test_columns_that_are_not_the_rows(rows, columns):
    z, keys, weights = embeddings(rows), embeddings(columns, seed=1), sparse(rows, columns)
    weights[0] = 1.0
    expected = by_loops(weights, z, keys, lambda i, j: False)
    same_with_gradients(create("koleo")(weights, z, keys=keys), expected, z, keys)


def test_self_is_not_a_neighbor_at_any_column():
    z = embeddings(8)
    order = torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    nodes, program = rrl.Nodes(torch.arange(8) * 31), rrl.compile("random(0.3)")
    straight = create("koleo")(program.relate(nodes), z)
    moved = create("koleo")(program.relate(nodes, nodes[order]), z, keys=z[order])
    shuffled = create("koleo")(program.relate(nodes[order]), z[order])
    torch.testing.assert_close(straight, moved)
    torch.testing.assert_close(straight, shuffled)


@pytest.mark.parametrize("rows", [1, 6])
def test_rows_without_unrelated_rows_are_skipped(rows):
    z = embeddings(rows)
    relation = rrl.compile("all()").relate(rrl.Nodes(torch.arange(rows)))
    value = create("koleo")(relation, z)
    (gradient,) = torch.autograd.grad(value, z)
    assert float(value.detach()) == 0
    assert torch.equal(gradient, torch.zeros_like(z))
    assert create("koleo").skipped(relation) == {"without_unrelated": 1.0}


def test_skipped_is_the_share_without_an_unrelated_row():
    weights = torch.zeros(4, 4)
    weights[1] = 1.0
    assert create("koleo").skipped(of_matrix(weights)) == {"without_unrelated": 0.25}


def test_gradcheck():
    weights = sparse(7, 7)
    weights[2] = 1.0
    z, keys = embeddings(7, 3), embeddings(5, 3, seed=1)
    assert torch.autograd.gradcheck(lambda z: create("koleo")(weights, z), z)
    columns = sparse(7, 5)
    assert torch.autograd.gradcheck(lambda z, k: create("koleo")(columns, z, keys=k), (z, keys))


def test_a_zero_embedding_has_a_finite_gradient():
    z = torch.zeros(4, 3, requires_grad=True)
    value = create("koleo")(torch.zeros(4, 4), z)
    (gradient,) = torch.autograd.grad(value, z)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_half_precision_is_computed_in_float32():
    z = embeddings(16, dtype=torch.float32).detach().bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = create("koleo")(torch.zeros(16, 16), z)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, create("koleo")(torch.zeros(16, 16), z.float()))
