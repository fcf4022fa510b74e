"""VICReg and Barlow Twins: what other packages compute, and the formulas in plain loops."""

from itertools import chain

import lightly.loss
import pytest
import pytorch_metric_learning.losses
import torch
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.backends.dense_relation import DenseRelation
from rrl_dsl.losses import create

NAMES = ["vicreg", "barlow"]


def embeddings(rows, width=5, seed=0):
    """Correlated dimensions of different mean and scale, float64."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=generator, dtype=torch.float64)
    z = torch.randn(rows, width, generator=generator, dtype=torch.float64) @ mix / width
    return (z + torch.randn(width, generator=generator, dtype=torch.float64)).requires_grad_()


def views_of(samples, width=5, seed=0):
    """Two views with different distributions, one below the other, and their nodes."""
    first = embeddings(samples, width, seed)
    second = 0.6 * first + 3 * embeddings(samples, width, seed + 100) - 2
    z = torch.cat([first, second]).detach().requires_grad_()
    view = torch.arange(2).repeat_interleave(samples)
    return z, rrl.Nodes(torch.arange(samples).repeat(2), view)


def graph_of(rows, columns, seed=0, *, soft=True):
    """Weights without symmetry, some rows and columns empty, and something on the diagonal."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    weights = weights.where(weights > 0.5, 0.0)
    weights[:: max(2, rows // 3)] = 0.0
    weights[:, 1] = 0.0
    return weights if soft else (weights > 0).double()


def assert_same(ours, theirs, z, rtol=1e-9):
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=0)
    (gradient,) = torch.autograd.grad(ours, z)
    (expected,) = torch.autograd.grad(theirs, z)
    torch.testing.assert_close(gradient, expected, rtol=rtol, atol=1e-10)


def solo_learn_vicreg(a, b):
    """As solo-learn's published settings have it: the variance terms of both views are added."""

    def variance(z):
        return F.relu(1 - torch.sqrt(z.var(dim=0) + 1e-4)).mean()

    def covariance(z):
        off = torch.cov(z.T).fill_diagonal_(0)
        return (off**2).sum() / z.shape[1]

    pulled = F.mse_loss(a, b)
    return 25 * pulled + 25 * (variance(a) + variance(b)) + covariance(a) + covariance(b)


def solo_learn_barlow(a, b):
    """As solo-learn's published settings on CIFAR have it."""
    norm = torch.nn.BatchNorm1d(a.shape[1], affine=False).double()
    difference = norm(a).T @ norm(b) / len(a) - torch.eye(a.shape[1], dtype=a.dtype)
    weights = torch.full_like(difference, 5e-3).fill_diagonal_(1.0)
    return 0.1 * (weights * difference**2).sum()


def paper_barlow(a, b):
    """The pseudocode of Zbontar et al., whose `std` is unbiased; with the epsilon of their code."""
    a, b = ((z - z.mean(0)) / (z.var(0) + 1e-5).sqrt() for z in (a, b))
    difference = (a.T @ b / len(a) - torch.eye(a.shape[1], dtype=a.dtype)) ** 2
    return difference.diagonal().sum() + 0.0051 * (difference.sum() - difference.diagonal().sum())


PEERS = {
    "vicreg of lightly": ("vicreg", {}, lightly.loss.VICRegLoss()),
    "vicreg of lightly, other weights": (
        "vicreg",
        {"invariance": 10, "variance": 3.5, "covariance": 0.25},
        lightly.loss.VICRegLoss(10.0, 3.5, 0.25),
    ),
    "vicreg of pytorch-metric-learning": (
        "vicreg",
        {},
        lambda a, b: pytorch_metric_learning.losses.VICRegLoss()(a, ref_emb=b),
    ),
    "vicreg of solo-learn": ("vicreg", {"variance_over_views": "sum"}, solo_learn_vicreg),
    "barlow of lightly": ("barlow", {"redundancy": 5e-3}, lightly.loss.BarlowTwinsLoss()),
    "barlow of lightly, another lambda": (
        "barlow",
        {"redundancy": 0.3},
        lightly.loss.BarlowTwinsLoss(lambda_param=0.3),
    ),
    "barlow of solo-learn": ("barlow", {"redundancy": 5e-3, "scale": 0.1}, solo_learn_barlow),
    "barlow of the paper": ("barlow", {"correction": 1}, paper_barlow),
}


@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize(("seed", "samples", "width"), [(0, 12, 5), (1, 7, 16), (2, 40, 3)])
@pytest.mark.parametrize("peer", PEERS)
def test_on_two_views_it_is_the_peer_s(peer, seed, samples, width, normalize):
    name, options, theirs = PEERS[peer]
    z, nodes = views_of(samples, width, seed)
    relation = rrl.compile("ssl(views=2)").relate(nodes)
    ours = create(name, normalize=normalize, **options)(relation, z)
    assert_same(ours, theirs(z[:samples], z[samples:]), z)


@pytest.mark.parametrize("name", NAMES)
def test_one_view_against_the_other_is_the_two_together(name):
    z, nodes = views_of(12)
    program = rrl.compile("ssl(views=2)")
    joint = create(name)(program.relate(nodes), z)
    apart = create(name)(program.relate(nodes[:12], nodes[12:]), z[:12], keys=z[12:])
    if name == "barlow":
        torch.testing.assert_close(apart, joint, rtol=1e-10, atol=0)
    else:  # variance and covariance are of the rows alone
        other = create(name)(program.relate(nodes[12:], nodes[:12]), z[12:], keys=z[:12])
        torch.testing.assert_close((apart + other) / 2, joint, rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_rows_does_not_matter(name):
    z, nodes = views_of(12)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(3))
    program = rrl.compile("ssl(views=2) | random(0.3)")
    straight = create(name)(program.relate(nodes), z)
    shuffled = create(name)(program.relate(nodes[order]), z[order])
    torch.testing.assert_close(straight, shuffled, rtol=1e-10, atol=0)


# the formulas in plain loops, over any graph


def edges_of(weights, pairs, normalize):
    """(i, j) -> the share of the mean that the pair has."""
    kept = {pair: float(weights[pair]) for pair in pairs if weights[pair] > 0}
    if normalize == "edges":
        return {pair: weight / sum(kept.values()) for pair, weight in kept.items()}
    degree: dict[int, float] = {}
    for (i, _), weight in kept.items():
        degree[i] = degree.get(i, 0.0) + weight
    return {(i, j): weight / degree[i] / len(degree) for (i, j), weight in kept.items()}


def members_of(view):
    groups = [
        [i for i, sample in enumerate(view) if sample == which] for which in sorted(set(view))
    ]
    return [members for members in groups if len(members) > 1]


def plain_vicreg(z, keys, view, shares):
    value = 25 * sum(share * ((z[i] - keys[j]) ** 2).mean() for (i, j), share in shares.items())
    groups = members_of(view)
    for members in groups:
        covariance = torch.cov(z[members].T)
        floor = torch.relu(1 - (covariance.diagonal() + 1e-4).sqrt()).mean()
        off = covariance - covariance.diagonal().diag()
        value = value + (25 * floor + 2 * (off**2).sum() / z.shape[1]) / len(groups)
    return value


def plain_barlow(z, keys, view, key_view, shares):
    def standardized(x, of):
        result = torch.zeros_like(x)
        for members in members_of(of):
            spread = (x[members].var(dim=0, unbiased=False) + 1e-5).sqrt()
            result[members] = (x[members] - x[members].mean(dim=0)) / spread
        return result

    q, k = standardized(z, view), standardized(keys, key_view)
    c = sum(share * torch.outer(q[i], k[j]) for (i, j), share in shares.items())
    difference = (c - torch.eye(len(c), dtype=c.dtype)) ** 2
    weights = torch.full_like(c, 0.0051).fill_diagonal_(1.0)
    return (weights * difference).sum()


VIEWS = {
    "two": [0, 1] * 6,
    "three, shuffled": [2, 0, 0, 1, 2, 1, 0, 1, 2, 2, 0, 1],
    "one row alone": [0, 0, 5, 0, 1, 1, 0, 1, 0, 1, 1, 0],
}


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("seed", [0, 1])
def test_vicreg_on_any_graph_of_rows(seed, views, normalize, soft):
    view, z, weights = VIEWS[views], embeddings(12, seed=seed), graph_of(12, 12, seed, soft=soft)
    pairs = [(i, j) for i in range(12) for j in range(12) if i != j]
    expected = plain_vicreg(z, z, view, edges_of(weights, pairs, normalize))
    ours = create("vicreg", normalize=normalize)(weights, z, view=torch.tensor(view))
    assert_same(ours, expected, z)


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("seed", [0, 1])
def test_barlow_on_any_graph_of_rows(seed, views, normalize, soft):
    view, z, weights = VIEWS[views], embeddings(12, seed=seed), graph_of(12, 12, seed, soft=soft)
    usable = list(chain(*members_of(view)))
    pairs = [(i, j) for i in usable for j in usable if view[i] < view[j]]
    expected = plain_barlow(z, z, view, view, edges_of(weights, pairs, normalize))
    ours = create("barlow", normalize=normalize)(weights, z, view=torch.tensor(view))
    assert_same(ours, expected, z)


@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize(("rows", "columns"), [(9, 9), (7, 12), (12, 5)])
@pytest.mark.parametrize("name", NAMES)
def test_on_other_columns_every_edge_counts(name, rows, columns, normalize):
    z, keys, weights = embeddings(rows), embeddings(columns, seed=1), graph_of(rows, columns)
    view, key_view = [i % 2 for i in range(rows)], [j // 4 for j in range(columns)]
    relation = DenseRelation(
        weights,
        rrl.Nodes(torch.arange(rows), torch.tensor(view)),
        rrl.Nodes(torch.arange(columns) + 100, torch.tensor(key_view)),
    )
    ours = create(name, normalize=normalize)(relation, z, keys=keys)
    others = range(columns)
    if name == "barlow":
        others = list(
            chain(*members_of(key_view))
        )  # with 5 or 9 columns the last is alone in its view
    pairs = [(i, j) for i in range(rows) for j in others]
    shares = edges_of(weights, pairs, normalize)
    plain = {
        "vicreg": lambda: plain_vicreg(z, keys, view, shares),
        "barlow": lambda: plain_barlow(z, keys, view, key_view, shares),
    }
    expected = plain[name]()
    (of_keys,) = torch.autograd.grad(ours, keys, retain_graph=True)
    (wanted,) = torch.autograd.grad(expected, keys, retain_graph=True)
    torch.testing.assert_close(of_keys, wanted, rtol=1e-9, atol=1e-10)
    assert_same(ours, expected, z)


# what must not go wrong


@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize("weights", ["soft", "empty rows and columns", "two views"])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_exact(name, weights, normalize):
    loss, view = create(name, normalize=normalize), torch.arange(2).repeat(3)
    graph = {
        "soft": torch.rand(6, 6, generator=torch.Generator().manual_seed(0)).double(),
        "empty rows and columns": graph_of(6, 6),
        "two views": view[:, None] != view,
    }[weights]
    z, keys = embeddings(6, 2), embeddings(4, 2, seed=1)
    assert torch.autograd.gradcheck(lambda z: loss(graph, z, view=view), z)
    assert torch.autograd.gradcheck(
        lambda z, k: loss(graph[:, :4], z, keys=k, view=view), (z, keys)
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 8])
def test_a_graph_without_edges_pulls_nothing_together(name, rows):
    z, view = embeddings(rows), torch.arange(rows) % 2
    options = {"variance": 0, "covariance": 0} if name == "vicreg" else {}
    value = create(name, **options)(torch.eye(rows), z, view=view)
    (gradient,) = torch.autograd.grad(value, z)
    assert float(value.detach()) == 0
    assert torch.equal(gradient, torch.zeros_like(z))


def test_variance_and_covariance_do_not_read_the_graph():
    z, view = embeddings(8), torch.arange(8) % 2
    alone = create("vicreg", invariance=0)(torch.ones(8, 8), z, view=view)
    empty = create("vicreg")(torch.eye(8), z, view=view)
    assert float(alone.detach()) > 1
    torch.testing.assert_close(empty, alone)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("view", [[0, 0, 0, 0], [0, 1, 2, 3], [0, 1, 1, 1]])
@pytest.mark.parametrize("constant", [True, False])
def test_it_is_finite_in_views_of_one_row_and_where_all_rows_are_alike(name, view, constant):
    z = torch.ones(4, 3, requires_grad=True) if constant else embeddings(4)
    value = create(name)(torch.ones(4, 4), z, view=torch.tensor(view))
    (gradient,) = torch.autograd.grad(value, z)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


def test_rows_alone_in_their_views_have_no_variance():
    z = embeddings(4, 3)
    value = create("vicreg")(torch.ones(4, 4), z, view=torch.arange(4))
    distance = (z[:, None] - z).square().mean(dim=2)
    torch.testing.assert_close(value, 25 * distance.sum() / 12)


def test_barlow_says_that_one_view_holds_no_pair():
    z, graph = embeddings(6).detach(), torch.ones(6, 6, dtype=torch.bool)
    assert float(create("barlow")(graph, z)) == 0
    relation = DenseRelation(graph, rrl.Nodes(torch.arange(6)))
    assert float(create("barlow").skipped(relation)["without_another_view"]) == 1


def test_skipped_rows_are_reported():
    view = torch.tensor([0, 0, 0, 1, 1, 2])
    weights = torch.zeros(6, 6)
    weights[0, 3] = weights[3, 0] = weights[1, 2] = weights[2, 5] = 1
    relation = DenseRelation(weights, rrl.Nodes(torch.arange(6), view))
    for name in NAMES:
        skipped = create(name).skipped(relation)
        assert float(skipped["without_edge"]) == pytest.approx(2 / 6)
        assert float(skipped["alone_in_view"]) == pytest.approx(1 / 6)
    assert float(skipped["without_another_view"]) == pytest.approx(3 / 6)
    bank = DenseRelation(weights, relation.rows, rrl.Nodes(torch.arange(6) + 9))
    assert "without_another_view" not in create("barlow").skipped(bank)


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_under_autocast_is_close(name):
    z, nodes = views_of(24)
    relation = rrl.compile("ssl(views=2)").relate(nodes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = create(name)(relation, z.bfloat16())
        full = create(name)(relation, z.float())
    assert half.dtype == full.dtype == torch.float32
    torch.testing.assert_close(half, full, rtol=2e-2, atol=0)
    torch.testing.assert_close(full.double(), create(name)(relation, z), rtol=1e-5, atol=0)


def test_scale_and_weights_are_factors():
    z, nodes = views_of(12)
    relation = rrl.compile("ssl(views=2)").relate(nodes)
    one = create("barlow")(relation, z)
    torch.testing.assert_close(create("barlow", scale=0.1)(relation, z), 0.1 * one)
    parts = [
        create("vicreg", **{"invariance": 0, "variance": 0, "covariance": 0, term: 2})(relation, z)
        for term in ("invariance", "variance", "covariance")
    ]
    whole = create("vicreg", invariance=2, variance=2, covariance=2)(relation, z)
    torch.testing.assert_close(sum(parts), whole)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vicreg", {"variance": -1}),
        ("vicreg", {"variance_over_views": "max"}),
        ("barlow", {"correction": 2}),
        ("barlow", {"scale": 0}),
    ],
)
def test_bad_options_are_refused(name, options):
    with pytest.raises(rrl.RRLError) as problem:
        create(name, **options)
    assert [diagnostic.code for diagnostic in problem.value.diagnostics] == ["RRL408"]
