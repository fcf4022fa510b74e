"""The projection loss: appendix E of the paper, on numbers, and at the minimum."""

import pytest
import torch
from scipy.linalg import subspace_angles

import rrl_dsl as rrl
from rrl_dsl.losses import create


def draw(rows, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    return z.requires_grad_()


def targets(rows, classes, seed=0):
    """Labels of which every class has some, and the same one-hot (n, C)."""
    generator = torch.Generator().manual_seed(seed)
    others = torch.randint(classes, (rows - classes,), generator=generator)
    label = torch.cat([torch.arange(classes), others])
    return label, torch.nn.functional.one_hot(label, classes).double()


def residual(z, y):
    """min_W |Y - Z W|^2 / n, equations 22 and 23."""
    fitted = z @ torch.linalg.lstsq(z, y).solution
    return (y - fitted).square().sum() / len(y)


def supervised(label):
    nodes = rrl.Nodes(torch.arange(len(label)), labels={"label": label})
    return rrl.compile("supervised()").relate(nodes)


# appendix E


@pytest.mark.parametrize("seed", range(40))
def test_it_is_the_residual_of_least_squares_but_for_a_constant(seed):
    rows, width, classes = 6 + 3 * (seed % 8), 1 + seed % 5, 1 + seed % 6
    label, y = targets(rows, classes, seed)
    z = draw(rows, width, seed)
    loss = create("projection", ridge=0)(supervised(label), z)
    expected = residual(z, y)
    constant = (y.T @ y).trace() / rows
    torch.testing.assert_close(constant + loss, expected, rtol=1e-9, atol=1e-12)
    (ours,) = torch.autograd.grad(loss, z)
    (theirs,) = torch.autograd.grad(expected, z)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("seed", range(10))
def test_targets_need_not_be_classes(seed):
    y, z = draw(20, 3, seed + 50).detach(), draw(20, 4, seed)
    shifted = y @ y.T + 100  # a matrix holds no negative weights
    ones = torch.full_like(y[:, :1], 10)
    loss = create("projection", ridge=0)(shifted, z)
    expected = residual(z, torch.cat([y, ones], dim=1))
    torch.testing.assert_close(shifted.trace() / 20 + loss, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", range(10))
def test_with_an_intercept_the_map_has_a_constant(seed):
    label, y = targets(24, 4, seed)
    z = draw(24, 3, seed)
    loss = create("projection", ridge=0, intercept=True)(supervised(label), z + 7)
    with_ones = torch.cat([z, torch.ones_like(z[:, :1])], dim=1)
    torch.testing.assert_close(1 + loss, residual(with_ones, y), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_any_graph_counts_with_self_and_as_if_it_were_symmetric(seed):
    z = draw(12, 3, seed)
    weights = torch.rand(12, 12, generator=torch.Generator().manual_seed(seed)).double()
    weights = weights.where(weights > 0.6, 0.0)
    projector = z @ torch.linalg.pinv(z)
    loss = create("projection", ridge=0)
    torch.testing.assert_close(loss(weights, z), -(projector @ weights).trace() / 12)
    torch.testing.assert_close(loss(weights, z), loss((weights + weights.T) / 2, z))


@pytest.mark.parametrize("ridge", [1e-6, 0.1])
def test_a_ridge_is_that_of_ridge_regression(ridge):
    label, y = targets(20, 3)
    z = draw(20, 4)
    gram = z.T @ z
    hat = z @ torch.linalg.inv(gram + ridge * gram.trace() / 4 * torch.eye(4).double()) @ z.T
    loss = create("projection", ridge=ridge)(supervised(label), z)
    torch.testing.assert_close(loss, -(y.T @ hat @ y).trace() / 20, rtol=1e-10, atol=0)


def minimized(objective, start):
    z = start.clone().requires_grad_()
    solver = torch.optim.LBFGS(
        [z], max_iter=300, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        solver.zero_grad()
        value = objective(z)
        value.backward()
        return value

    solver.step(closure)
    return z.detach()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("width", [3, 4, 5])
def test_the_minimizers_are_those_of_least_squares(width, seed):
    label, y = targets(24, 3, seed)
    relation, loss = supervised(label), create("projection", ridge=0)
    start = draw(24, width, seed).detach()
    by_loss = minimized(lambda z: loss(relation, z), start)
    by_residual = minimized(lambda z: residual(z, y), draw(24, width, seed + 9).detach())
    assert float(loss(relation, start)) > -0.9  # there was something to do
    for minimizer in (by_loss, by_residual):  # each is a minimizer of both
        assert float(residual(minimizer, y)) < 1e-9
        assert float(loss(relation, minimizer)) == pytest.approx(-1, abs=1e-9)
        within = torch.linalg.lstsq(minimizer, y).solution
        angles = subspace_angles((minimizer @ within).numpy(), y.numpy())  # Y's span lies in Z's
        assert max(angles) < 1e-4


@pytest.mark.parametrize("width", [1, 2])
def test_a_narrow_embedding_keeps_the_largest_classes(width):
    label = torch.tensor([0] * 9 + [1] * 6 + [2] * 3)
    relation, loss = supervised(label), create("projection", ridge=0)
    minimizer = minimized(lambda z: loss(relation, z), draw(18, width).detach())
    assert float(loss(relation, minimizer)) == pytest.approx(-[9, 15][width - 1] / 18, abs=1e-9)


# what must not go wrong


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 1e-2])
def test_gradients_are_exact(ridge, intercept):
    weights = torch.rand(7, 7, generator=torch.Generator().manual_seed(1)).double()
    weights = weights.where(weights > 0.5, 0.0)
    weights[2] = 0.0
    loss = create("projection", ridge=ridge, intercept=intercept)
    assert torch.autograd.gradcheck(lambda z: loss(weights, z), draw(7, 3))
    assert torch.autograd.gradcheck(lambda z: loss(weights > 0, z), draw(7, 3))


def test_only_the_span_matters():
    label, _ = targets(20, 3)
    z, mix = draw(20, 4), draw(4, 4, seed=1)
    loss = create("projection", ridge=0)
    torch.testing.assert_close(loss(supervised(label), z), loss(supervised(label), z @ mix))
    scaled = z * torch.tensor([1e-8, 1.0, 1e8, 1e-4])
    torch.testing.assert_close(loss(supervised(label), z), loss(supervised(label), scaled))


def test_a_graph_without_edges_costs_nothing():
    z = draw(10, 3)
    value = create("projection")(torch.zeros(10, 10), z)
    (gradient,) = torch.autograd.grad(value, z)
    assert float(value.detach()) == 0
    assert torch.equal(gradient, torch.zeros_like(z))


def test_a_lost_dimension_costs_its_share():
    label, y = targets(24, 3)
    lost = torch.cat([y[:, :2], y[:, :1]], dim=1)
    value = create("projection")(supervised(label), lost)
    kept = (label != 2).double().mean()
    torch.testing.assert_close(value, -kept, rtol=1e-5, atol=0)


def deficient(kind):
    z = draw(12, 3).detach()
    return {
        "zeros": torch.zeros(12, 3),
        "not finite": torch.full((12, 3), torch.nan),
        "a sum": torch.cat([z, z[:, :1] + z[:, 1:2]], dim=1),
        "constant": torch.full((12, 3), 0.1, dtype=torch.float64),
    }[kind]


@pytest.mark.parametrize("kind", ["zeros", "not finite", "a sum", "constant"])
@pytest.mark.parametrize("intercept", [False, True])
def test_embeddings_that_do_not_span_their_dimensions_have_collapsed(kind, intercept):
    loss = create("projection", ridge=0, intercept=intercept)
    with pytest.raises(
        rrl.RRLError, match=r"collapsed.*: (their effective rank|they hold)"
    ) as raised:
        loss(torch.ones(12, 12), deficient(kind))
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == ["RRL409"]


@pytest.mark.parametrize(("kind", "intercept"), [("zeros", False), ("constant", True)])
def test_no_ridge_helps_where_there_is_nothing(kind, intercept):
    with pytest.raises(rrl.RRLError, match="collapsed"):
        create("projection", intercept=intercept)(torch.ones(12, 12), deficient(kind))


@pytest.mark.parametrize(("rows", "intercept"), [(4, False), (5, True)])
def test_too_few_rows_are_refused(rows, intercept):
    loss = create("projection", intercept=intercept)
    with pytest.raises(rrl.RRLError, match=f"at least {rows + 1} rows") as raised:
        loss(torch.ones(rows, rows), draw(rows, 4))
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == ["RRL405"]
    assert loss.least_rows(4) == rows + 1
    assert torch.isfinite(loss(torch.ones(rows + 1, rows + 1), draw(rows + 1, 4)))


@pytest.mark.parametrize("name", ["projection", "laplacian"])
def test_other_columns_are_refused(name):
    with pytest.raises(rrl.RRLError, match="needs the rows as columns") as raised:
        create(name)(torch.ones(12, 12), draw(12, 3), keys=draw(12, 3, seed=1))
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == ["RRL406"]


def test_the_order_and_the_precision_of_the_rows_hardly_matter():
    label, _ = targets(24, 3)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    z, loss = draw(24, 4), create("projection")
    exact = loss(supervised(label), z)
    torch.testing.assert_close(loss(supervised(label[order]), z[order]), exact)
    single = loss(supervised(label), z.float())
    half = loss(supervised(label), z.bfloat16())
    assert single.dtype == half.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-6, atol=0)
    torch.testing.assert_close(half.double(), exact, rtol=2e-2, atol=0)
