"""byol, simsiam and nnclr: against published implementations, and the formulas in plain torch."""

import lightly.loss
import lightly.models.modules
import pytest
import torch
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.losses import create

SEEDS = [0, 1, 2]


def embeddings(rows, width=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator, dtype=torch.float64, requires_grad=True)


def soft_graph(rows, columns, seed=0):
    """Weights without symmetry, with empty rows."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    weights = weights.where(weights > 0.5, 0.0)
    weights[:: max(2, rows // 3)] = 0.0
    return weights


def two_views(samples, seed=None):
    """Rows of two views, and their order: shuffled if there is a seed."""
    nodes = rrl.Nodes(torch.arange(samples).repeat(2), torch.arange(2).repeat_interleave(samples))
    order = torch.arange(2 * samples)
    if seed is not None:
        order = torch.randperm(2 * samples, generator=torch.Generator().manual_seed(seed))
    return nodes[order], order


def assert_equal(ours, theirs, *inputs, rtol=1e-9):
    """The same value and the same gradients."""
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=1e-13)
    for x in inputs:
        pair = [torch.autograd.grad(value, x, retain_graph=True)[0] for value in (ours, theirs)]
        torch.testing.assert_close(*pair, rtol=rtol, atol=1e-13)


def mean_of_rows(weights, values):
    """The mean over rows with an edge of each row's weighted mean, and the mean over all edges."""
    degree = weights.sum(dim=1)
    rows = (weights * values).sum(dim=1)[degree > 0] / degree[degree > 0]
    return {"rows": rows.mean(), "edges": (weights * values).sum() / weights.sum()}


# byol and simsiam


@pytest.mark.parametrize("name", ["byol", "simsiam"])
@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize("width", [1, 8, 33])
@pytest.mark.parametrize("seed", SEEDS)
def test_on_views_it_is_lightly_s_negative_cosine(name, normalize, width, seed):
    p, k = embeddings(20, width, seed), embeddings(20, width, seed + 10)
    nodes, order = two_views(10, seed)
    relation = rrl.compile("ssl(views=2)").relate(nodes)
    ours = create(name, normalize=normalize)(relation, p[order], keys=k[order])
    peer = lightly.loss.NegativeCosineSimilarity()
    (p0, p1), (k0, k1) = p.chunk(2), k.detach().chunk(2)
    assert_equal(ours, 0.5 * (peer(p0, k1) + peer(p1, k0)), p)


@pytest.mark.parametrize("name", ["byol", "simsiam"])
@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize(("rows", "columns"), [(9, 9), (7, 12), (12, 5)])
@pytest.mark.parametrize("seed", SEEDS)
def test_on_any_graph_it_is_the_mean_of_negative_cosines(name, normalize, rows, columns, seed):
    weights = soft_graph(rows, columns, seed)
    if rows == columns:
        weights.fill_diagonal_(0.0)  # that is self
    p, k = embeddings(rows, seed=seed), embeddings(columns, seed=seed + 10)
    cosines = F.cosine_similarity(p[:, None], k.detach(), dim=2)
    ours = create(name, normalize=normalize)(weights, p, keys=k)
    assert_equal(ours, mean_of_rows(weights, -cosines)[normalize], p)
    distance = create(name, normalize=normalize, form="distance")(weights, p, keys=k)
    assert_equal(distance, mean_of_rows(weights, 2 - 2 * cosines)[normalize], p)


@pytest.mark.parametrize("form", ["cosine", "distance"])
@pytest.mark.parametrize(("rows", "columns"), [(6, 6), (5, 8)])
def test_the_gradient_of_byol_is_exact(form, rows, columns):
    weights, keys = soft_graph(rows, columns), embeddings(columns, 3, seed=1).detach()
    loss = create("byol", form=form)
    p = embeddings(rows, 3)
    assert torch.autograd.gradcheck(lambda p: loss(weights, p, keys=keys), p)


@pytest.mark.parametrize("name", ["byol", "simsiam"])
def test_the_gradient_stops_at_the_keys(name):
    p, k = embeddings(6), embeddings(6, seed=1)
    value = create(name)(torch.ones(6, 6), p, keys=k)
    assert torch.autograd.grad(value, k, allow_unused=True, retain_graph=True) == (None,)
    assert torch.autograd.grad(value, p)[0].abs().max() > 0


def test_where_predictions_and_keys_come_from():
    outputs = {
        "prediction": embeddings(6),
        "teacher_projection": embeddings(6, seed=1),
        "projection": embeddings(6, seed=2),
    }
    graph, p = torch.ones(6, 6), outputs["prediction"]
    for name, keys in (("byol", "teacher_projection"), ("simsiam", "projection")):
        loss = create(name)
        assert loss.over(graph, outputs) == loss(graph, p, keys=outputs[keys])
    assert create("byol").needs() == ("predictor", "teacher")
    assert create("simsiam").needs() == ("predictor",)
    assert create("nnclr").needs() == ("predictor", "bank")


@pytest.mark.parametrize("name", ["byol", "simsiam", "nnclr"])
def test_without_keys_it_is_refused(name):
    bank = {"bank": embeddings(3)} if name == "nnclr" else {}
    with pytest.raises(rrl.RRLError, match="needs `keys`") as problem:
        create(name)(torch.ones(6, 6), embeddings(6), **bank)
    assert [diagnostic.code for diagnostic in problem.value.diagnostics] == ["RRL406"]


@pytest.mark.parametrize("seed", SEEDS)
def test_mean_shift_is_that_of_its_authors(seed):
    """Koohpayegani et al.: the targets join the bank, of whose rows the k nearest are drawn to."""
    samples, k = 7, 5
    q, t = embeddings(samples, seed=seed), embeddings(samples, seed=seed + 10).detach()
    earlier = embeddings(60, seed=seed + 20).detach()
    recipe = f"ssl(views=2) | knn({k - 1}, space=teacher, bank=60, query=other, directed=true)"
    ids = torch.arange(samples)
    rows = rrl.Nodes(ids)
    cols = rrl.Nodes(torch.cat([ids, 100 + torch.arange(60)]), torch.ones(67, dtype=torch.int64))
    keys = torch.cat([t, earlier])
    own = embeddings(samples, seed=seed + 30).detach()  # the teacher's of the rows are no columns
    relation = rrl.compile(recipe).relate(rows, cols, spaces={"teacher": (own, keys)})
    assert relation.degree().tolist() == [k] * samples

    query, target = F.normalize(q, dim=1), F.normalize(t, dim=1)
    queue = torch.cat([target, F.normalize(earlier, dim=1)])
    nearest = (2 - 2 * target @ queue.T).topk(k, dim=1, largest=False).indices
    published = ((2 - 2 * query @ queue.T).gather(1, nearest).sum(dim=1) / k).mean()
    assert_equal(create("mean_shift")(relation, q, keys=keys), published, q)


@pytest.mark.parametrize("seed", SEEDS)
def test_against_the_neighbors_in_a_bank_byol_is_near_mean_shift(seed):
    """The mean over rows of the mean over the k neighbors of 2 - 2 cos."""
    samples, k = 6, 3
    rows, _ = two_views(samples, seed)
    p, t = embeddings(2 * samples, seed=seed), embeddings(2 * samples, seed=seed + 10).detach()
    bank = t.repeat(4, 1) + 0.1 * embeddings(8 * samples, seed=seed + 20).detach()
    sample = torch.cat([rows.sample, torch.arange(len(bank)) + 100])
    cols = rrl.Nodes(sample, torch.cat([rows.view, torch.zeros(len(bank), dtype=torch.int64)]))
    keys = torch.cat([t, bank])
    program = rrl.compile(f"knn({k}, space=teacher, bank={len(bank)}, query=other)")
    relation = program.relate(rows, cols, spaces={"teacher": (t, keys)})
    ours = create("byol", form="distance")(relation, p, keys=keys)

    means = []
    for i in range(2 * samples):
        other = int(((rows.sample == rows.sample[i]) & (rows.view != rows.view[i])).nonzero())
        near = F.cosine_similarity(t[other], bank, dim=1).topk(k).indices
        means.append((2 - 2 * F.cosine_similarity(p[i], bank[near], dim=1)).mean())
    assert relation.degree().tolist() == [k] * (2 * samples)
    assert_equal(ours, torch.stack(means).mean(), p)


# nnclr


def solo_learn_s_nnclr(z, p, bank, temperature):
    """Dwibedi et al.'s pseudo-code; solo-learn's `nnclr_loss_func` and how it is called."""
    bank = F.normalize(bank, dim=1)

    def one_way(z, p):
        near = bank[(F.normalize(z, dim=1) @ bank.T).max(dim=1)[1]]
        logits = near @ F.normalize(p, dim=1).T / temperature
        return F.cross_entropy(logits, torch.arange(len(p)))

    (z0, z1), (p0, p1) = z.chunk(2), p.chunk(2)
    return one_way(z0, p1) / 2 + one_way(z1, p0) / 2


def lightly_s_nnclr(z, p, bank, temperature):
    module = lightly.models.modules.NNMemoryBankModule(size=bank.shape)
    module.bank = bank
    criterion = lightly.loss.NTXentLoss(temperature=temperature)
    (z0, z1), (p0, p1) = z.detach().chunk(2), p.chunk(2)
    n0, n1 = module(z0, update=False), module(z1, update=False)
    return 0.5 * (criterion(n0, p1) + criterion(n1, p0))


@pytest.mark.parametrize(
    ("form", "peer"), [("info_nce", solo_learn_s_nnclr), ("nt_xent", lightly_s_nnclr)]
)
@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize(("width", "temperature"), [(2, 0.01), (8, 0.1), (8, 0.2), (33, 10.0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_on_views_nnclr_is_its_peer_s(form, peer, normalize, width, temperature, seed):
    z, p = embeddings(24, width, seed), embeddings(24, width, seed + 10)
    bank = embeddings(50, width, seed + 20).detach() * 3
    nodes, order = two_views(12, seed)
    relation = rrl.compile("ssl(views=2)").relate(nodes)
    loss = create("nnclr", form=form, normalize=normalize, temperature=temperature)
    ours = loss(relation, z[order], keys=p[order], bank=bank)
    theirs = peer(z, p, bank, temperature)
    assert_equal(ours, theirs, p, rtol=1e-6 if peer is lightly_s_nnclr else 1e-9)


def dense_nnclr(weights, z, p, bank, temperature, compared):
    """Its formula over the pairs that are compared, by rows and by edges."""
    bank, p = F.normalize(bank), F.normalize(p)
    near = bank[(F.normalize(z)[:, None] - bank).square().sum(dim=2).argmin(dim=1)]
    logits = (near @ p.T / temperature).masked_fill(~compared, -torch.inf)
    shares = F.log_softmax(logits, dim=1).masked_fill(~compared, 0.0)
    return mean_of_rows(weights * compared, -shares)


@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize("seed", SEEDS)
def test_on_a_rich_graph_nnclr_compares_with_other_views_alone(normalize, seed):
    nodes = rrl.Nodes(torch.arange(5).repeat(3), torch.arange(3).repeat_interleave(5))
    weights = soft_graph(15, 15, seed)
    weights[1] = 0.0
    weights[1, 3] = 1.0  # an edge within view 0, and no other
    z, p, bank = embeddings(15), embeddings(15, seed=1), embeddings(20, seed=2).detach()
    loss = create("nnclr", normalize=normalize)
    ours = loss(weights, z, keys=p, bank=bank, view=nodes.view)
    compared = nodes.view[:, None] != nodes.view
    assert_equal(ours, dense_nnclr(weights, z, p, bank, 0.2, compared)[normalize], p)
    relation = rrl.backends.dense_relation.DenseRelation(weights, nodes)
    empty = int((weights.sum(dim=1) == 0).sum())
    within = int(((weights.sum(dim=1) > 0) & ((weights * compared).sum(dim=1) == 0)).sum())
    assert within >= 1
    shares = {name: round(float(share) * 15) for name, share in loss.skipped(relation).items()}
    assert shares == {"without_edge": empty, "without_edge_to_another_view": within}
    assert list(create("nnclr", form="nt_xent").skipped(relation)) == ["without_edge"]


@pytest.mark.parametrize("normalize", ["rows", "edges"])
def test_nt_xent_compares_neighbors_and_predictions_as_two_crosswise_batches(normalize):
    weights, view = soft_graph(12, 12), torch.arange(12) % 3
    z, p, bank = embeddings(12), embeddings(12, seed=1), embeddings(20, seed=2).detach()
    loss = create("nnclr", form="nt_xent", normalize=normalize, temperature=0.3)
    ours = loss(weights, z, keys=p, bank=bank, view=view)
    units = F.normalize(bank)
    near, p1 = units[(F.normalize(z) @ units.T).argmax(dim=1)], F.normalize(p)
    expected = []
    for i in range(12):
        for mine, yours in ((near, p1), (p1, near)):
            others = [j for j in range(12) if j != i]
            logits = torch.stack(
                [mine[i] @ (mine if view[i] == view[j] else yours)[j] / 0.3 for j in others]
            )
            w = weights[i, others]
            if w.sum() > 0:
                share = w.sum() if normalize == "rows" else 1.0
                expected.append(-(w * F.log_softmax(logits, dim=0)).sum() / share)
    weights.fill_diagonal_(0.0)
    count = len(expected) if normalize == "rows" else 2 * weights.sum()
    assert_equal(ours, sum(expected) / count, p)


@pytest.mark.parametrize("normalize", ["rows", "edges"])
@pytest.mark.parametrize(("rows", "columns"), [(7, 12), (12, 5)])
@pytest.mark.parametrize("view", [None, 2])
def test_columns_that_are_not_the_rows_are_all_compared(normalize, rows, columns, view):
    """A plain matrix knows no views of its columns."""
    weights = soft_graph(rows, columns)
    z, p, bank = embeddings(rows), embeddings(columns, seed=1), embeddings(9, seed=2).detach()
    loss = create("nnclr", normalize=normalize)
    views = None if view is None else torch.arange(rows) % view
    ours = loss(weights, z, keys=p, bank=bank, view=views)
    compared = torch.ones(rows, columns, dtype=torch.bool)
    assert_equal(ours, dense_nnclr(weights, z, p, bank, 0.2, compared)[normalize], p)


def test_with_one_view_a_row_is_compared_with_all_but_itself():
    weights, compared = soft_graph(9, 9), ~torch.eye(9, dtype=torch.bool)
    z, p, bank = embeddings(9), embeddings(9, seed=1), embeddings(9, seed=2).detach()
    ours = create("nnclr")(weights, z, keys=p, bank=bank)
    assert_equal(ours, dense_nnclr(weights, z, p, bank, 0.2, compared)["rows"], p)


@pytest.mark.parametrize("form", ["info_nce", "nt_xent"])
@pytest.mark.parametrize("seed", SEEDS)
def test_nnclr_s_gradient_is_exact_and_reaches_the_predictions_alone(form, seed):
    weights, view = soft_graph(8, 8, seed), torch.arange(8) % 2
    z, p, bank = embeddings(8, 3, seed), embeddings(8, 3, seed + 1), embeddings(9, 3, seed + 2)
    loss = create("nnclr", form=form)
    assert torch.autograd.gradcheck(lambda p: loss(weights, z, keys=p, bank=bank, view=view), p)
    value = loss(weights, z, keys=p, bank=bank, view=view)
    assert torch.autograd.grad(value, (z, bank), allow_unused=True) == (None, None)


def test_nnclr_wants_a_bank_that_fits():
    z, graph = embeddings(6), torch.ones(6, 6)
    with pytest.raises(rrl.RRLError, match="needs `bank`"):
        create("nnclr")(graph, z, keys=z)
    for bank in (torch.ones(0, 8), torch.ones(5, 7), torch.ones(8)):
        with pytest.raises(rrl.RRLError, match=r"must have shape \(m, 8\)") as problem:
            create("nnclr")(graph, z, keys=z, bank=bank)
        assert [diagnostic.code for diagnostic in problem.value.diagnostics] == ["RRL406"]


@pytest.mark.parametrize("columns", [6, 9])
def test_nt_xent_of_other_columns_is_refused(columns):
    rows, cols = rrl.Nodes(torch.arange(6)), rrl.Nodes(torch.arange(columns) + 1)
    relation = rrl.compile("random(0.5)").relate(rows, cols)
    z, p = embeddings(6), embeddings(columns)
    with pytest.raises(rrl.RRLError, match="needs the rows as columns") as problem:
        create("nnclr", form="nt_xent")(relation, z, keys=p, bank=z)
    assert [diagnostic.code for diagnostic in problem.value.diagnostics] == ["RRL406"]


# what goes wrong elsewhere

LOSSES = [
    ("byol", {}),
    ("byol", {"form": "distance"}),
    ("simsiam", {"normalize": "edges"}),
    ("nnclr", {}),
    ("nnclr", {"form": "nt_xent", "normalize": "edges"}),
    ("nnclr", {"temperature": 0.01}),
]


def apply(name, options, graph, p, keys=None, **named):
    """The loss with p as predictions, whichever input they are."""
    others = embeddings(len(p), p.shape[1], seed=5).detach().to(p.dtype)
    if name == "nnclr":
        return create(name, **options)(graph, others, keys=p, bank=others, **named)
    return create(name, **options)(graph, p, keys=others, **named)


@pytest.mark.parametrize(("name", "options"), LOSSES)
@pytest.mark.parametrize("rows", [1, 10])
def test_a_graph_without_edges_costs_nothing(name, options, rows):
    p = embeddings(rows, 4)
    value = apply(name, options, torch.zeros(rows, rows), p, view=torch.arange(rows) % 2)
    (gradient,) = torch.autograd.grad(value, p)
    assert float(value.detach()) == 0
    assert torch.equal(gradient, torch.zeros_like(p))


@pytest.mark.parametrize(("name", "options"), LOSSES)
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e15])
def test_a_complete_graph_and_odd_lengths_are_finite(name, options, scale):
    p = (embeddings(10, 4).detach().float() * scale).requires_grad_()
    value = apply(name, options, torch.ones(10, 10), p, view=torch.arange(10) % 2)
    (gradient,) = torch.autograd.grad(value, p)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize(("name", "options"), LOSSES)
def test_half_precision_is_computed_in_float32_and_double_stays(name, options):
    p, graph = embeddings(10, 4).detach(), torch.ones(10, 10)
    exact = apply(name, options, graph, p)
    assert exact.dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = apply(name, options, graph, p.bfloat16())
    assert half.dtype == torch.float32
    rounded = apply(name, options, graph, p.bfloat16().float())
    torch.testing.assert_close(half, rounded, rtol=0.05, atol=0.01)
