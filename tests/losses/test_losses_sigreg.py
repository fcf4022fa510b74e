"""SIGReg and LeJEPA against the formulas of the authors' code, and against known integrals.

The formulas are those of `MINIMAL.md` and `lejepa.univariate.EppsPulley` in the authors'
repository, rbalestr-lab/lejepa, and of the listing of arXiv:2511.08544.
"""

import math

import pytest
import torch

import rrl_dsl as rrl
from rrl_dsl.losses import create
from rrl_dsl.losses.sigreg import sketch


def related(views, samples, seed=0, step=0):
    rows = rrl.Nodes(
        torch.arange(samples).repeat(views), torch.arange(views).repeat_interleave(samples)
    )
    return rrl.compile(f"ssl(views={views})", seed=seed).relate(rows, step=step)


def embeddings(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def published_invariance(proj):
    """Of proj (V, N, d): the distance of each view to the mean of the views."""
    return (proj.mean(0) - proj).square().mean()


def published_sigreg(proj, directions, t_max=3.0, knots=17):
    """Of proj (V, N, d): on [0, t_max], doubled."""
    t = torch.linspace(0, t_max, knots, dtype=proj.dtype)
    spacing = t_max / (knots - 1)
    rule = torch.full((knots,), 2 * spacing, dtype=proj.dtype)
    rule[0] = rule[-1] = spacing
    normal = (-t.square() / 2).exp()
    angles = (proj @ directions)[..., None] * t
    error = (angles.cos().mean(1) - normal).square() + angles.sin().mean(1).square()
    return ((error @ (rule * normal)) * proj.shape[1]).mean()


def listed_sigreg(x, directions):
    """Of one view x (N, d): the listing of the paper, with complex numbers on [-5, 5]."""
    t = torch.linspace(-5, 5, 17, dtype=x.dtype)
    normal = torch.exp(-0.5 * t**2)
    empirical = (1j * (x @ directions)[..., None] * t).exp().mean(0)
    error = (empirical - normal).abs().square() * normal
    return (torch.trapezoid(error, t, dim=1) * len(x)).mean()


def same_with_gradients(ours, theirs, z):
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    gradient, expected = (torch.autograd.grad(value, z)[0] for value in (ours, theirs))
    torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("views", [2, 3, 4])
@pytest.mark.parametrize("weight", [0.0, 0.02, 0.05, 1.0])
def test_on_ssl_it_is_the_authors_loss(views, weight):
    # in one dimension the directions are 1 and -1, and the statistic is the same for both
    z = embeddings(views * 11, 1)
    proj = z.view(views, 11, 1)
    sigreg = published_sigreg(proj, torch.ones(1, 1, dtype=z.dtype))
    expected = weight * sigreg + (1 - weight) * published_invariance(proj)
    ours = create("lejepa", weight=weight, slices=5)(related(views, 11), z)
    same_with_gradients(ours, expected, z)


@pytest.mark.parametrize("views", [2, 3])
def test_in_many_dimensions_it_is_the_authors_loss_for_the_same_directions(views):
    z = embeddings(views * 9, 6)
    proj = z.view(views, 9, 6)
    directions = sketch(6, 40, seed=5, step=8).double()
    expected = 0.1 * published_sigreg(proj, directions) + 0.9 * published_invariance(proj)
    ours = create("lejepa", weight=0.1, slices=40)(related(views, 9, seed=5, step=8), z)
    same_with_gradients(ours, expected, z)


def test_half_the_knots_are_the_listing_of_the_paper():
    z = embeddings(2 * 7, 4)
    directions = sketch(4, 30, seed=0, step=0).double()
    expected = (listed_sigreg(z[:7], directions) + listed_sigreg(z[7:], directions)) / 2
    ours = create("sigreg", slices=30, t_max=5, knots=9)(related(2, 7), z)
    same_with_gradients(ours, expected, z)


@pytest.mark.parametrize("normalize", ["rows", "edges"])
def test_on_any_graph_the_distance_counts_the_row_itself(normalize):
    z = embeddings(9, 3)
    weights = torch.rand(9, 9, generator=torch.Generator().manual_seed(1), dtype=z.dtype)
    weights = weights.where(weights > 0.5, 0.0)
    weights[4] = 0
    totals, degrees = [], []
    for i in range(9):
        others = [j for j in range(9) if j != i and weights[i, j] > 0]
        if others:
            pulled = [weights[i, j] * (z[i] - z[j]).square().sum() / 2 / 3 for j in others]
            totals.append(sum(pulled))
            degrees.append(1 + sum(weights[i, j] for j in others))
    totals, degrees = torch.stack(totals), torch.stack(degrees)
    rows, edges = (totals / degrees).mean(), totals.sum() / degrees.sum()
    expected = rows if normalize == "rows" else edges
    ours = create("lejepa", weight=0, normalize=normalize)(weights, z)
    same_with_gradients(ours, expected, z)


def test_the_graph_does_not_matter_to_sigreg():
    z = embeddings(8, 3)
    values = [create("sigreg")(torch.full((8, 8), edge), z) for edge in (0.0, 1.0)]
    assert torch.equal(*values)


def test_a_collapsed_view_has_the_value_of_the_integral():
    # N times the integral of (1 - exp(-t^2 / 2))^2 exp(-t^2 / 2) over [-3, 3]
    erf = [math.sqrt(2 * math.pi / k) * math.erf(3 * math.sqrt(k / 2)) for k in (1, 2, 3)]
    expected = 50 * (erf[0] - 2 * erf[1] + erf[2])
    value = create("sigreg", knots=1000)(related(1, 50), torch.zeros(50, 4))
    assert float(value) == pytest.approx(expected, rel=1e-4)


def test_a_gaussian_has_the_expected_statistic():
    # the variance of the mean of exp(itx) over N standard normal x is (1 - exp(-t^2)) / N
    erf = [math.sqrt(2 * math.pi / k) * math.erf(3 * math.sqrt(k / 2)) for k in (1, 3)]
    values = [
        create("sigreg", slices=64)(related(1, 400), embeddings(400, 32, seed=seed).detach())
        for seed in range(10)
    ]
    assert float(torch.stack(values).mean()) == pytest.approx(erf[0] - erf[1], rel=0.1)


def test_another_scale_mean_or_distribution_costs_more():
    z = embeddings(400, 8).detach()
    relation, loss = related(1, 400), create("sigreg")
    value = loss(relation, z)
    uniform = (torch.rand(400, 8, generator=torch.Generator().manual_seed(0)) - 0.5) * 12**0.5
    for other in (0.5 * z, 2 * z, z + 0.5, z[:, :1].expand(-1, 8), z.sign()):
        assert loss(relation, other) > 2 * value
    assert create("sigreg")(relation, uniform[:, :1]) > 2 * create("sigreg")(relation, z[:, :1])


def test_directions_are_uniform_and_follow_seed_and_step():
    directions = sketch(8, 20000, seed=3, step=4)
    torch.testing.assert_close(directions.norm(dim=0), torch.ones(20000))
    torch.testing.assert_close(directions.mean(dim=1), torch.zeros(8), rtol=0, atol=0.01)
    moment = directions @ directions.T / 20000
    torch.testing.assert_close(moment, torch.eye(8) / 8, rtol=0, atol=0.005)
    assert torch.equal(directions, sketch(8, 20000, seed=3, step=4))
    for other in ({"seed": 4, "step": 4}, {"seed": 3, "step": 5}):
        assert not torch.equal(directions, sketch(8, 20000, **other))


def test_columns_that_are_not_the_rows_do_not_change_sigreg():
    z, keys, weights = embeddings(5, 3), embeddings(7, 3, seed=1), torch.ones(5, 7)
    alone = create("sigreg")(torch.zeros(5, 5), z)
    torch.testing.assert_close(create("lejepa", weight=1)(weights, z, keys=keys), alone)
