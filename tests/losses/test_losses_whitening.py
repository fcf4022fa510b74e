"""wmse's slicings, ways of whitening and stopped gradients, against lightly and plain torch."""

import lightly.loss
import pytest
import torch
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.backends.dense_relation import DenseRelation
from rrl_dsl.losses import create
from rrl_dsl.losses.covariance import inverse_root
from rrl_dsl.losses.whitening import sliced


def embeddings(rows, width=8, seed=0):
    """Correlated, with a mean."""
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(rows + width + 1, width, generator=generator, dtype=torch.float64)
    z = draw[:rows] @ (draw[rows:-1] + 2 * torch.eye(width)) + draw[-1]
    return z.requires_grad_()


def views_of(samples, views=2, seed=None):
    """Rows of some views, and their order: shuffled if there is a seed."""
    view = torch.arange(views).repeat_interleave(samples)
    nodes = rrl.Nodes(torch.arange(samples).repeat(views), view)
    order = torch.arange(views * samples)
    if seed is not None:
        order = torch.randperm(len(order), generator=torch.Generator().manual_seed(seed))
    return nodes[order], order


def soft_relation(nodes, cols=None, seed=0):
    cols = nodes if cols is None else cols
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(len(nodes), len(cols), generator=generator, dtype=torch.float64)
    weights = weights.where(weights > 0.7, 0.0)
    weights[::5] = 0.0
    return DenseRelation(weights, nodes, cols, seed=3, step=7)


def assert_equal(ours, theirs, *inputs, rtol=1e-7):
    """The same value and the same gradients."""
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=1e-12)
    for x in inputs:
        pair = [torch.autograd.grad(value, x, retain_graph=True)[0] for value in (ours, theirs)]
        torch.testing.assert_close(*pair, rtol=rtol, atol=1e-10)


def whitened(z, slices, method, unit_length=True):
    """Each slice by a decomposition of its own; rows of length 1, or 1 on average."""
    result = torch.zeros_like(z)
    for rows in slices:
        if method == "cholesky":
            centered = z[rows] - z[rows].mean(dim=0)
            part = centered @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(z[rows].T))).T
        else:
            values, vectors = torch.linalg.eigh(torch.cov(z[rows].T))
            part = (z[rows] - z[rows].mean(dim=0)) @ vectors @ torch.diag(values**-0.5) @ vectors.T
        result = result.index_copy(0, rows, part)
    return F.normalize(result) if unit_length else result / z.shape[1] ** 0.5


def dense_wmse(relation, v, k, normalize="rows", detach="none"):
    """The mean over edges of squared distances, pair by pair in one matrix."""
    weights, rows, cols = relation.weights.clone(), relation.rows, relation.cols
    weights[relation.same] = 0.0
    left, right = v[:, None].expand(-1, len(k), -1), k.expand(len(v), -1, -1)
    if detach == "later":
        later = (cols.view > rows.view[:, None])[..., None]
        earlier = (cols.view < rows.view[:, None])[..., None]
        left = torch.where(earlier, left.detach(), left)
        right = torch.where(later, right.detach(), right)
    distance = (left - right).square().sum(dim=2)
    if normalize == "edges":
        return (weights * distance).sum() / weights.sum()
    degree = weights.sum(dim=1)
    return ((weights * distance).sum(dim=1)[degree > 0] / degree[degree > 0]).mean()


@pytest.mark.parametrize("iterations", [1, 3])
@pytest.mark.parametrize(("width", "size"), [(4, 8), (8, 32), (16, 64)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_mean_over_slicings_is_lightly_s(iterations, width, size, seed, monkeypatch):
    z = embeddings(128, width, seed)
    nodes, order = views_of(64, seed=seed)
    relation = rrl.compile("ssl(views=2)", seed=3).relate(nodes, step=7)
    straight, _ = views_of(64)
    orders = []
    for iteration in range(iterations):
        parts = sliced(straight.sample, straight.view, size, seed=3, step=7, iteration=iteration)
        orders.append(torch.cat(parts[: 64 // size]))
    assert len({tuple(drawn.tolist()) for drawn in orders}) == iterations
    loss = create("wmse", slice=size, shrinkage=0.0, iterations=iterations)
    ours = loss(relation, z[order])
    peer = lightly.loss.WMSELoss(
        embedding_dim=width, w_size=size, w_iter=iterations, track_running_stats=False
    )
    monkeypatch.setattr(torch, "randperm", lambda count: orders.pop(0))
    assert_equal(ours, peer.double()(z), z)


def solo_learn_s(z, order, size):
    """Its `training_step` with `wmse_loss_func`: the later view is detached."""
    whitening = lightly.loss.wmse_loss.Whitening2d(z.shape[1], track_running_stats=False).double()
    count = len(z) // 2
    v = torch.empty_like(z)
    for rows in order.view(-1, size):
        for view in range(2):
            v[rows + view * count] = whitening(z[rows + view * count])
    return 2 - 2 * F.cosine_similarity(v[:count], v[count:].detach(), dim=-1).mean()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_detached_it_is_solo_learn_s(seed):
    z = embeddings(128, seed=seed)
    nodes, order = views_of(64, seed=seed)
    relation = rrl.compile("ssl(views=2)", seed=3).relate(nodes, step=7)
    straight, _ = views_of(64)
    parts = sliced(straight.sample, straight.view, 32, seed=3, step=7)
    options = {"slice": 32, "shrinkage": 0.0}
    ours = create("wmse", detach="later", **options)(relation, z[order])
    assert_equal(ours, solo_learn_s(z, torch.cat(parts[:2]), 32), z)
    (gradient,) = torch.autograd.grad(ours, z, retain_graph=True)
    assert torch.equal(gradient[64:], torch.zeros(64, 8))
    whole = create("wmse", **options)(relation, z[order])
    torch.testing.assert_close(ours, whole, rtol=1e-12, atol=0)
    assert torch.autograd.grad(whole, z)[0][64:].abs().max() > 0


@pytest.mark.parametrize("method", ["cholesky", "zca"])
@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize("detach", ["none", "later"])
@pytest.mark.parametrize("by_view", [True, False])
@pytest.mark.parametrize("unit_length", [True, False])
def test_on_any_graph_over_three_views(method, normalize, detach, by_view, unit_length):
    """Edges within a view, across views and across slices; both sides of an edge move."""
    z, (nodes, _) = embeddings(90, 4), views_of(30, views=3, seed=1)
    relation = soft_relation(nodes)
    views = nodes.view if by_view else torch.zeros_like(nodes.view)
    slices = sliced(nodes.sample, views, 14, seed=3, step=7)
    v = whitened(z, slices, method, unit_length)
    ours = create(
        "wmse",
        slice=14,
        shrinkage=0.0,
        whitening=method,
        normalize=normalize,
        detach=detach,
        by_view=by_view,
        unit_length=unit_length,
    )(relation, z)
    assert_equal(ours, dense_wmse(relation, v, v, normalize, detach), z)


@pytest.mark.parametrize("method", ["cholesky", "zca"])
@pytest.mark.parametrize("detach", ["none", "later"])
def test_columns_that_are_not_the_rows_are_whitened_by_themselves(method, detach):
    (rows, _), (cols, _) = views_of(12), views_of(20, views=3, seed=1)
    z, keys = embeddings(24, 4), embeddings(60, 4, seed=1)
    relation = soft_relation(rows, cols)
    slices = [sliced(side.sample, side.view, 60, seed=3, step=7) for side in (rows, cols)]
    v, k = whitened(z, slices[0], method), whitened(keys, slices[1], method)
    loss = create("wmse", slice=0, shrinkage=0.0, whitening=method, detach=detach)
    ours = loss(relation, z, keys=keys)
    assert_equal(ours, dense_wmse(relation, v, k, detach=detach), z, keys)


@pytest.mark.parametrize("method", ["cholesky", "zca"])
@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_the_gradient_is_exact(method, shrinkage):
    nodes, _ = views_of(8)
    relation = soft_relation(nodes)
    loss = create("wmse", slice=4, shrinkage=shrinkage, whitening=method, iterations=2)
    assert torch.autograd.gradcheck(lambda z: loss(relation, z), embeddings(16, 2))


def test_outliers_cost_less_than_separated_classes_only_if_rows_have_length_1():
    """10 classes in 64 dimensions; and one large row in each dimension, all others nearly equal."""
    labels, generator = torch.arange(128) % 10, torch.Generator().manual_seed(0)
    weights = (labels[:, None] == labels).double().fill_diagonal_(0)
    centers, noise = (torch.randn(n, 64, generator=generator).double() for n in (10, 128))
    separated, outliers = centers[labels] + 0.1 * noise, 1e-3 * noise
    outliers[:64] += 10 * torch.eye(64)
    for unit_length in (True, False):
        loss = create("wmse", unit_length=unit_length)
        assert (loss(weights, outliers) < loss(weights, separated)) == unit_length


def test_whitened_together_the_two_ways_agree():
    z, (nodes, _) = embeddings(60, 8), views_of(30)
    options = {"slice": 0, "by_view": False, "shrinkage": 0.0}
    cholesky, zca = (
        create("wmse", whitening=whitening, **options)(soft_relation(nodes), z)
        for whitening in ("cholesky", "zca")
    )
    assert_equal(zca, cholesky, z)


def test_zca_in_slices_does_not_depend_on_the_axes():
    z, (nodes, _) = embeddings(120, 6), views_of(60)
    turn, _ = torch.linalg.qr(embeddings(6, 6, seed=1).detach())
    relation = soft_relation(nodes)
    zca, cholesky = (
        create("wmse", slice=20, whitening=whitening) for whitening in ("zca", "cholesky")
    )
    torch.testing.assert_close(zca(relation, z @ turn), zca(relation, z), rtol=1e-9, atol=0)
    assert (cholesky(relation, z @ turn) - cholesky(relation, z)).abs() > 1e-4


# the inverse square root


@pytest.mark.parametrize(
    "values", [[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 5.0, 5.0], [1e-3, 1.0, 1.0 + 1e-12, 1e3]]
)
def test_equal_eigenvalues_do_not_harm_the_gradient_of_the_root(values):
    turn, _ = torch.linalg.qr(embeddings(4, 4).detach())
    matrix = (turn * torch.tensor(values, dtype=torch.float64)) @ turn.T
    matrix.requires_grad_()
    root, failed = inverse_root(matrix)
    assert not failed
    torch.testing.assert_close(root @ matrix @ root, torch.eye(4).double(), rtol=1e-8, atol=1e-8)

    def of_symmetric(x):
        return inverse_root((x + x.T) / 2)[0]

    assert torch.autograd.gradcheck(of_symmetric, matrix, eps=1e-7, atol=1e-3, rtol=1e-4)


def test_the_gradient_of_the_root_is_that_of_its_definition():
    """S A S = 1, so that dS A S + S dA S + S A dS = 0: a Sylvester equation for dS."""
    x = embeddings(20, 5)
    matrix = torch.cov(x.detach().T)
    change = torch.cov(embeddings(20, 5, seed=1).detach().T)
    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    root, _ = inverse_root(matrix + step * change)
    rows = [torch.autograd.grad(entry, step, retain_graph=True)[0] for entry in root.flatten()]
    moved, s = torch.stack(rows).view(5, 5), root.detach()
    residual = moved @ matrix @ s + s @ change @ s + s @ matrix @ moved
    torch.testing.assert_close(residual, torch.zeros_like(residual), rtol=0, atol=1e-9)


def test_the_root_has_one_derivative_and_says_so():
    matrix = torch.eye(3, dtype=torch.float64, requires_grad=True)
    root, _ = inverse_root(matrix * 2)
    (gradient,) = torch.autograd.grad(root.square().sum(), matrix, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("least", [0.0, 1e-17, -1e-3, float("nan")])
def test_a_matrix_singular_but_for_rounding_has_no_root(least):
    root, failed = inverse_root(torch.tensor([1.0, least], dtype=torch.float64).diag())
    assert failed
    assert torch.isfinite(root).all()


def collapsed(rows):
    line = torch.linspace(-1, 1, rows, dtype=torch.float64)[:, None].expand(-1, 4)
    odd = torch.randn(rows, 4, generator=torch.Generator().manual_seed(0)).double()
    odd[3, 2] = float("inf")
    return {"constant": torch.ones(rows, 4).double(), "line": line, "infinite": odd}


@pytest.mark.parametrize("method", ["cholesky", "zca"])
@pytest.mark.parametrize("which", ["constant", "line", "infinite"])
def test_a_singular_covariance_is_a_collapse(method, which):
    loss = create("wmse", whitening=method, shrinkage=0.0)
    with pytest.raises(rrl.RRLError, match="collapsed") as problem:
        loss(torch.ones(32, 32), collapsed(32)[which])
    assert [diagnostic.code for diagnostic in problem.value.diagnostics] == ["RRL409"]


# what goes wrong elsewhere


@pytest.mark.parametrize("method", ["cholesky", "zca"])
@pytest.mark.parametrize("detach", ["none", "later"])
def test_a_graph_without_edges_costs_nothing(method, detach):
    z = embeddings(32, 4)
    loss = create("wmse", whitening=method, detach=detach, slice=8, iterations=2)
    value = loss(torch.zeros(32, 32), z, view=torch.arange(32) % 2)
    (gradient,) = torch.autograd.grad(value, z)
    assert float(value.detach()) == 0
    assert torch.equal(gradient, torch.zeros_like(z))


@pytest.mark.parametrize("method", ["cholesky", "zca"])
@pytest.mark.parametrize("detach", ["none", "later"])
def test_equal_rows_have_finite_gradients(method, detach):
    """Equal views are at distance 0, and whiten to equal rows."""
    z = embeddings(16, 4).detach().repeat(2, 1).requires_grad_()
    relation = rrl.compile("ssl(views=2)").relate(views_of(16)[0])
    value = create("wmse", whitening=method, detach=detach)(relation, z)
    (gradient,) = torch.autograd.grad(value, z)
    torch.testing.assert_close(value, torch.zeros_like(value), rtol=0, atol=1e-12)
    assert torch.isfinite(gradient).all()


def test_slicings_of_a_step_differ_and_the_first_is_that_of_one_iteration():
    sample, view = torch.arange(100), torch.zeros(100, dtype=torch.int64)
    parts = [
        sliced(sample, view, 30, seed=0, step=0, iteration=iteration)[0] for iteration in range(3)
    ]
    assert torch.equal(parts[0], sliced(sample, view, 30, seed=0, step=0)[0])
    assert len({tuple(part.tolist()) for part in parts}) == 3
