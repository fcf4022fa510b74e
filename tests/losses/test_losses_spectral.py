"""Spectral contrastive and Laplacian eigenmaps: the published loss, and dense eigenproblems."""

import pytest
import torch
from scipy.linalg import eigh, subspace_angles

import rrl_dsl as rrl
from rrl_dsl.backends.dense_relation import DenseRelation
from rrl_dsl.losses import create
from rrl_dsl.losses.covariance import whiten


def draw(rows, width=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    return z.requires_grad_()


def two_views(samples):
    return rrl.Nodes(torch.arange(samples).repeat(2), torch.arange(2).repeat_interleave(samples))


def graph_of(rows, columns, seed=0, *, symmetric=False):
    """Weights with empty rows, and something on the diagonal."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    if symmetric:
        weights = (weights + weights.T) / 2
    weights = weights.where(weights > 0.5, 0.0)
    weights[:: max(2, rows // 2)] = 0.0
    if symmetric:
        weights[:, :: max(2, rows // 2)] = 0.0
    return weights


def assert_same(ours, theirs, *inputs, rtol=1e-9):
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=1e-12)
    gradients = torch.autograd.grad(ours, inputs)
    for gradient, expected in zip(gradients, torch.autograd.grad(theirs, inputs), strict=True):
        torch.testing.assert_close(gradient, expected, rtol=rtol, atol=1e-11)


# spectral


def of_haochen(a, b, mu=None):
    """HaoChen et al. 2021: one view against the other, as their code computes it."""
    count = len(a)
    if mu is not None:
        a, b = (z * (mu**0.5 / z.norm(dim=1, keepdim=True)).clamp(max=1) for z in (a, b))
    value = -2 * (a * b).sum(dim=1).mean()
    for i in range(count):
        for j in range(count):
            if i != j:
                value = value + (a[i] @ b[j]) ** 2 / (count * (count - 1))
    return value / (1 if mu is None else mu)


@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize("mu", [None, 1.0, 3.0, 10.0])
@pytest.mark.parametrize(("samples", "width"), [(5, 4), (12, 3), (8, 16)])
def test_one_view_against_the_other_is_haochen_s(samples, width, mu, normalize):
    a, b, nodes = draw(samples, width), draw(samples, width, seed=1), two_views(samples)
    relation = rrl.compile("ssl(views=2)").relate(nodes[:samples], nodes[samples:])
    ours = create("spectral", mu=mu, normalize=normalize)(relation, a, keys=b)
    assert_same(ours, of_haochen(a, b, mu), a, b)


def plain_spectral(z, keys, weights, unrelated, same, normalize):
    """The formula in loops; `unrelated` and `same` are bool (n, m)."""
    pulled, pushed = [], []
    for i in range(len(z)):
        edges = [j for j in range(len(keys)) if weights[i, j] > 0 and not same[i, j]]
        others = [j for j in range(len(keys)) if unrelated[i, j]]
        if edges:
            pulled.append([(weights[i, j], z[i] @ keys[j]) for j in edges])
            pushed.append([(1.0, (z[i] @ keys[j]) ** 2) for j in others])

    def mean(rows):
        rows = [row for row in rows if row]
        if normalize == "edges":
            rows = [[pair for row in rows for pair in row]]
        means = [sum(w * x for w, x in row) / sum(w for w, _ in row) for row in rows]
        return sum(means) / len(means)

    return mean(pushed) - 2 * mean(pulled)


@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize("contrasted", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(9, 9), (7, 12), (12, 5)])
@pytest.mark.parametrize("seed", [0, 1])
def test_spectral_on_any_graph(seed, rows, columns, contrasted, normalize):
    weights, z = graph_of(rows, columns, seed), draw(rows, seed=seed)
    contrast = None
    if contrasted:
        contrast = torch.rand(rows, columns, generator=torch.Generator().manual_seed(9)) > 0.4
        contrast[1] = False  # a row with edges and nothing unrelated
    nodes = rrl.Nodes(torch.arange(rows))
    square = rows == columns
    others = nodes if square else rrl.Nodes(torch.arange(columns) + 99)
    keys = z if square else draw(columns, seed=seed + 5)
    same = torch.eye(rows, dtype=torch.bool) if square else torch.zeros_like(weights > 0)
    unrelated = (weights == 0) & ~same
    unrelated = unrelated if contrast is None else unrelated & contrast
    relation = DenseRelation(weights, nodes, others, contrast=contrast)
    loss = create("spectral", normalize=normalize)
    ours = loss(relation, z) if square else loss(relation, z, keys=keys)
    expected = plain_spectral(z, keys, weights, unrelated, same, normalize)
    assert_same(ours, expected, *({z} | {keys}))
    nothing = sum(
        bool((weights[i] * ~same[i]).sum() > 0 and not unrelated[i].any()) for i in range(rows)
    )
    skipped = loss.skipped(relation)["without_unrelated"]
    assert float(skipped) == pytest.approx(nothing / rows)


def test_rows_with_equal_degrees_weigh_as_their_pairs_do():
    z, relation = draw(24), rrl.compile("ssl(views=2)").relate(two_views(12))
    by_rows, by_edges = (
        create("spectral", normalize=normalize)(relation, z) for normalize in ROWS_EDGES
    )
    torch.testing.assert_close(by_rows, by_edges)


# laplacian

ROWS_EDGES = ["rows", "edges"]
CONSTRAINTS = ["identity", "degree"]


def eigenproblem(weights, normalize, constraint):
    """The Laplacian L and the constraint M of L f = lambda M f, scaled as the loss is; dense."""
    weights = weights.clone().fill_diagonal_(0.0)
    degree = weights.sum(dim=1)
    if normalize == "rows":
        weights = weights / degree.masked_fill(degree == 0, 1.0)[:, None]
        degree = weights.sum(dim=1)
    weights, total = (weights + weights.T) / 2, weights.sum()
    laplacian = (weights.sum(dim=1).diag() - weights) / total
    mass = degree / total if constraint == "degree" else torch.ones_like(degree) / len(degree)
    return laplacian, mass.diag()


@pytest.mark.parametrize("normalize", ROWS_EDGES)
@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_laplacian_is_the_quadratic_form_of_whitened_rows(seed, constraint, normalize):
    weights, z = graph_of(14, 14, seed), draw(14, seed=seed)
    laplacian, mass = eigenproblem(weights, normalize, constraint)
    weight = mass.diagonal()
    centered = z - weight @ z
    moments = centered.T @ mass @ centered
    expected = (torch.linalg.inv(moments) @ centered.T @ laplacian @ centered).trace()
    loss = create("laplacian", normalize=normalize, constraint=constraint, shrinkage=0)
    assert_same(loss(weights, z), expected, z, rtol=1e-8)


def minimized(objective, start):
    z = start.detach().clone().requires_grad_()
    solver = torch.optim.LBFGS(
        [z],
        max_iter=300,
        tolerance_grad=1e-9,
        tolerance_change=1e-15,
        line_search_fn="strong_wolfe",
    )

    def closure():
        solver.zero_grad()
        value = objective(z)
        value.backward()
        return value

    solver.step(closure)
    return z.detach()


@pytest.mark.parametrize("graph", ["soft", "asymmetric", "neighbors"])
@pytest.mark.parametrize("normalize", ROWS_EDGES)
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_its_minimum_is_the_eigenmap(constraint, normalize, graph):
    points = draw(14, 2, seed=4).detach()
    weights = {
        "soft": torch.exp(-torch.cdist(points, points).square() / 2),
        "asymmetric": torch.rand(14, 14, generator=torch.Generator().manual_seed(0)).double() ** 3,
        "neighbors": (torch.cdist(points, points) < 1.0).double(),
    }[graph]
    laplacian, mass = eigenproblem(weights, normalize, constraint)
    some = mass.diagonal() > 0  # a row without an edge has no place in the eigenmap by degrees
    loss = create("laplacian", normalize=normalize, constraint=constraint, shrinkage=0)
    minimizer = minimized(lambda z: loss(weights, z), draw(14, 3, seed=1))
    values, vectors = eigh(laplacian[some][:, some].numpy(), mass[some][:, some].numpy())
    least = float(values[1:4].sum())
    assert float(loss(weights, draw(14, 3, seed=1).detach())) > 1.2 * least
    assert float(loss(weights, minimizer)) == pytest.approx(least, rel=1e-7, abs=1e-9)
    if values[4] - values[3] > 1e-3:  # else the vectors are not the only ones
        with_ones = torch.cat([minimizer, torch.ones_like(minimizer[:, :1])], dim=1)[some]
        assert max(subspace_angles(with_ones.numpy(), vectors[:, :4])) < 1e-3


def test_on_views_all_normalizations_agree():
    z, relation = draw(24), rrl.compile("ssl(views=2)").relate(two_views(12))
    first, *others = (
        create("laplacian", normalize=normalize, constraint=constraint)(relation, z)
        for normalize in ROWS_EDGES
        for constraint in CONSTRAINTS
    )
    for other in others:
        torch.testing.assert_close(first, other)


def test_only_the_span_matters_to_laplacian():
    weights, z = graph_of(14, 14), draw(14)
    loss = create("laplacian", shrinkage=0)
    torch.testing.assert_close(loss(weights, z), loss(weights, z @ draw(4, 4, seed=3) + 5))
    torch.testing.assert_close(loss(weights, z), loss(3 * weights, z))


def test_by_degrees_rows_without_an_edge_have_no_weight():
    weights, z = graph_of(14, 14, symmetric=True), draw(14)
    alone = weights.sum(dim=1) == 0
    assert bool(alone.any())
    moved = torch.where(alone[:, None], z + 100 * draw(14, seed=8), z)
    loss = create("laplacian", constraint="degree", normalize="edges")
    torch.testing.assert_close(loss(weights, z), loss(weights, moved))


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_too_few_rows_are_refused(constraint):
    loss = create("laplacian", constraint=constraint)
    assert loss.least_rows(4) == 5
    assert torch.isfinite(loss(torch.ones(5, 5), draw(5)))
    with pytest.raises(rrl.RRLError, match="at least 5 rows") as raised:
        loss(torch.ones(4, 4), draw(4))
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == ["RRL405"]


def test_by_degrees_only_rows_with_an_edge_count():
    weights = torch.zeros(20, 20)
    weights[:4, :4] = 1
    with pytest.raises(rrl.RRLError, match="at least 5 rows that count, but there are 4"):
        create("laplacian", constraint="degree")(weights, draw(20))
    assert torch.isfinite(create("laplacian")(weights, draw(20)))


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("value", [0.0, 0.1, float("nan")])
def test_embeddings_that_cannot_be_whitened_have_collapsed(value, constraint):
    z = torch.full((23, 4), value, dtype=torch.float64)
    weights = torch.rand(23, 23, generator=torch.Generator().manual_seed(0))
    with pytest.raises(rrl.RRLError, match="collapsed") as raised:
        create("laplacian", constraint=constraint, normalize="edges")(weights, z)
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == ["RRL409"]


@pytest.mark.parametrize("name", ["laplacian", "wmse"])
def test_without_shrinkage_a_lost_dimension_is_collapse(name):
    z = draw(24, 3)
    lost = torch.cat([z, z[:, :1] + z[:, 1:2]], dim=1)
    with pytest.raises(rrl.RRLError, match="raise `shrinkage`"):
        create(name, shrinkage=0)(torch.ones(24, 24), lost)
    assert torch.isfinite(create(name)(torch.ones(24, 24), lost))


@pytest.mark.parametrize("seed", range(5))
def test_whitened_rows_have_the_moments_that_their_weights_say(seed):
    z = draw(20, seed=seed).detach() @ draw(4, 4, seed=seed + 1).detach() + 3
    mass = graph_of(20, 20, seed).sum(dim=1)
    whitened, failed = whiten(z, 0.0, mass=mass)
    assert not bool(failed)
    torch.testing.assert_close(mass @ whitened, torch.zeros(4).double(), rtol=0, atol=1e-10)
    moments = whitened.T @ mass.diag() @ whitened / mass.sum()
    torch.testing.assert_close(moments, torch.eye(4).double(), rtol=0, atol=1e-10)


# both


@pytest.mark.parametrize("weights", ["soft", "binary", "empty rows"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("spectral", {}),
        ("spectral", {"mu": 2.0, "normalize": "edges"}),
        ("laplacian", {"shrinkage": 0.01}),
        ("laplacian", {"constraint": "degree", "normalize": "edges"}),
    ],
)
def test_gradients_are_exact(name, options, weights):
    generator = torch.Generator().manual_seed(0)
    soft = torch.rand(8, 8, generator=generator, dtype=torch.float64)
    graph = {"soft": soft.where(soft > 0.3, 0.0), "binary": soft > 0.5}.get(weights, graph_of(8, 8))
    loss = create(name, **options)
    assert torch.autograd.gradcheck(lambda z: loss(graph, z), draw(8, 3))
    if name == "spectral":
        inputs = (draw(8, 3), draw(5, 3, seed=1))
        assert torch.autograd.gradcheck(lambda z, k: loss(graph[:, :5], z, keys=k), inputs)


@pytest.mark.parametrize(
    ("name", "options"),
    [("spectral", {"mu": 1.0}), ("laplacian", {}), ("laplacian", {"constraint": "degree"})],
)
def test_graphs_without_edges_and_complete_ones_are_finite(name, options):
    z = draw(10)
    for graph in (torch.eye(10), torch.ones(10, 10)):
        value = create(name, **options)(graph, z)
        (gradient,) = torch.autograd.grad(value, z)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()
        if not bool((graph.triu(1) > 0).any()):
            assert float(value.detach()) == 0
            assert torch.equal(gradient, torch.zeros_like(z))


def test_zero_embeddings_have_a_finite_gradient_in_spectral():
    z = torch.zeros(6, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(create("spectral", mu=1.0)(torch.ones(6, 6), z), z)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["spectral", "laplacian"])
def test_the_order_and_the_precision_of_the_rows_hardly_matter(name):
    z, nodes = draw(24), two_views(12)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    program, loss = rrl.compile("ssl(views=2) | random(0.2)"), create(name)
    exact = loss(program.relate(nodes), z)
    torch.testing.assert_close(loss(program.relate(nodes[order]), z[order]), exact)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        single, half = (
            loss(program.relate(nodes), embedding) for embedding in (z.float(), z.bfloat16())
        )
    assert single.dtype == half.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-5, atol=0)
    torch.testing.assert_close(half.double(), exact, rtol=2e-2, atol=0)


@pytest.mark.parametrize(
    ("name", "options"), [("spectral", {"mu": 0}), ("laplacian", {"constraint": "none"})]
)
def test_bad_options_are_refused(name, options):
    with pytest.raises(rrl.RRLError) as problem:
        create(name, **options)
    assert [diagnostic.code for diagnostic in problem.value.diagnostics] == ["RRL408"]
