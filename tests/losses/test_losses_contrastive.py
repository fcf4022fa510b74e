"""simclr, supcon, xclr and suncet: peers on shuffled rows, and pairwise formulas on any graph."""

import lightly.loss
import pytest
import pytorch_metric_learning.losses
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.backends.dense_relation import DenseRelation
from rrl_dsl.losses import create

MODEST = settings(max_examples=40, deadline=None, derandomize=True, database=None)
TEMPERATURES = [0.01, 0.07, 0.5, 10.0]
CLOSE = {torch.float32: {"rtol": 2e-5, "atol": 2e-6}, torch.float64: {"rtol": 1e-6, "atol": 1e-11}}


def embeddings(rows, width=8, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    return draw.to(dtype).requires_grad_()


def shuffled(nodes, seed):
    order = torch.randperm(len(nodes), generator=torch.Generator().manual_seed(seed))
    return nodes[order], order


def two_views(samples, labels=None):
    columns = {} if labels is None else {"label": labels.repeat(2)}
    view = torch.arange(2).repeat_interleave(samples)
    return rrl.Nodes(torch.arange(samples).repeat(2), view, labels=columns)


def assert_equal(ours, theirs, *inputs, dtype=torch.float64):
    """The same value and the same gradients, measured by the largest."""
    torch.testing.assert_close(ours, theirs, **CLOSE[dtype])
    for x in inputs:
        pair = [torch.autograd.grad(value, x, retain_graph=True)[0] for value in (ours, theirs)]
        assert torch.isfinite(pair[0]).all()
        size = pair[1].abs().max().clamp(min=1e-6)
        torch.testing.assert_close(
            pair[0] / size, pair[1] / size, rtol=0, atol=CLOSE[dtype]["rtol"]
        )


# published implementations


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("width", [2, 16, 65])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("normalize", ["rows", "edges"])
def test_on_shuffled_views_simclr_is_nt_xent(temperature, width, dtype, normalize):
    z = embeddings(24, width, seed=width, dtype=dtype)
    nodes, order = shuffled(two_views(12), seed=width)
    relation = rrl.compile("ssl(views=2)").relate(nodes)
    ours = create("simclr", temperature=temperature, normalize=normalize)(relation, z[order])
    assert ours.dtype == dtype
    lightly_s = lightly.loss.NTXentLoss(temperature=temperature)(z[:12], z[12:])
    assert_equal(ours, lightly_s, z, dtype=dtype)
    if (temperature, dtype) != (0.01, torch.float32):  # there its exponentials underflow
        metric_s = pytorch_metric_learning.losses.NTXentLoss(temperature=temperature)
        assert_equal(ours, metric_s(z, torch.arange(12).repeat(2)), z, dtype=dtype)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("width", [2, 16, 65])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("views", [1, 2])
def test_on_shuffled_labels_supcon_is_that_of_metric_learning(temperature, width, dtype, views):
    """Classes of one to six samples: where there is one view, that of one has no edge."""
    label = torch.tensor([0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3])
    nodes = two_views(12, label) if views == 2 else rrl.Nodes(range(12), labels={"label": label})
    z = embeddings(len(nodes), width, seed=width, dtype=dtype)
    nodes, order = shuffled(nodes, seed=width)
    relation = rrl.compile("supervised()").relate(nodes)
    assert bool((relation.degree() == 0).any()) == (views == 1)
    ours = create("supcon", temperature=temperature)(relation, z[order])
    peer = pytorch_metric_learning.losses.SupConLoss(temperature=temperature)
    assert_equal(ours, peer(z, label.repeat(views)), z, dtype=dtype)


# the formulas, pair by pair


def dense_contrastive(weights, compared, q, k, temperature, *, name, normalize="rows"):
    """From the log shares of all pairs; `weights` without self."""
    some = weights.sum(dim=1) > 0
    weights, compared = weights[some], compared[some]
    s = F.normalize(q[some]) @ F.normalize(k).T / temperature
    log_share = s - s.masked_fill(~compared, -torch.inf).logsumexp(dim=1, keepdim=True)
    log_share = log_share.masked_fill(weights == 0, 0.0)
    degree = weights.sum(dim=1)
    if name == "suncet":
        return -(weights * log_share.exp()).sum(dim=1).log().mean()
    of_row = -(weights * log_share).sum(dim=1)
    return of_row.sum() / degree.sum() if normalize == "edges" else (of_row / degree).mean()


@st.composite
def relations(draw):
    """Soft or binary weights without symmetry, empty rows, perhaps a contrast; square or not."""
    seed = draw(st.integers(0, 10_000))
    rows, columns = draw(st.sampled_from([(7, 7), (6, 11), (9, 4)]))
    chance = torch.Generator().manual_seed(seed)
    weights = torch.rand(rows, columns, generator=chance, dtype=torch.float64) + 0.01
    weights = weights * (torch.rand(rows, columns, generator=chance) < draw(st.floats(0.2, 0.9)))
    if draw(st.booleans()):
        weights = weights > 0
    weights[seed % rows] = 0
    contrast = None
    if draw(st.booleans()):
        contrast = torch.rand(rows, columns, generator=chance) < 0.5
    here = rrl.Nodes(torch.randperm(rows, generator=chance))
    there = here if rows == columns else rrl.Nodes(torch.randperm(columns, generator=chance) + 3)
    return DenseRelation(weights, here, there, contrast=contrast)


def parts_of(relation):
    """Weights without self, and which pairs the softmax is over."""
    weights = relation.weights.double().masked_fill(relation.same, 0.0)
    contrast = torch.ones_like(relation.same) if relation.contrast is None else relation.contrast
    return weights, ((weights > 0) | contrast) & ~relation.same


@MODEST
@given(relations(), st.sampled_from(["simclr", "suncet"]), st.sampled_from(TEMPERATURES))
def test_on_any_relation_the_formula_holds(relation, name, temperature):
    n, m = relation.shape
    z = embeddings(n)
    given = {} if n == m else {"keys": embeddings(m, seed=1)}
    keys = given.get("keys", z)
    weights, compared = parts_of(relation)
    if not weights.any():
        return
    ours = create(name, temperature=temperature)(relation, z, **given)
    theirs = dense_contrastive(weights, compared, z, keys, temperature, name=name)
    assert_equal(ours, theirs, z, *given.values())
    if name == "simclr":
        by_edges = create(name, temperature=temperature, normalize="edges")(relation, z, **given)
        theirs = dense_contrastive(
            weights, compared, z, keys, temperature, name=name, normalize="edges"
        )
        assert_equal(by_edges, theirs, z, *given.values())


def test_a_row_that_is_compared_with_nothing_costs_nothing():
    weights, contrast = torch.eye(4).roll(1, dims=1), torch.zeros(4, 4, dtype=torch.bool)
    weights[2] = 0
    z = F.normalize(embeddings(4))
    relation = DenseRelation(weights, rrl.Nodes(torch.arange(4)), contrast=contrast)
    total, degree = relation.cross_entropy(z, z, 2.0)
    assert degree.tolist() == [1, 1, 0, 1]
    torch.testing.assert_close(total, torch.zeros_like(total), rtol=0, atol=1e-12)


OPTIONS = [
    ("simclr", {}),
    ("simclr", {"normalize": "edges", "temperature": 0.05}),
    ("simclr", {"self_in_denominator": True}),
    ("xclr", {"temperature": 5.0}),
    ("supcon", {"form": "sum"}),
    ("suncet", {"temperature": 0.5}),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
@settings(MODEST, max_examples=8)
@given(relations())
def test_the_gradient_is_exact(name, options, relation):
    n, m = relation.shape
    loss = create(name, **options)
    z = embeddings(n, 3)
    if n == m:
        assert torch.autograd.gradcheck(lambda z: loss(relation, z), z)
    else:
        inputs = (z, embeddings(m, 3, seed=1))
        assert torch.autograd.gradcheck(lambda z, k: loss(relation, z, keys=k), inputs)


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_single_precision_is_within_a_hundred_thousandth(name, options):
    z, graph = embeddings(40, 16), torch.rand(40, 40, generator=torch.Generator().manual_seed(0))
    loss = create(name, **options)
    exact = loss(graph.where(graph > 0.7, 0.0), z)
    single = loss(graph.where(graph > 0.7, 0.0), z.float())
    assert (exact.dtype, single.dtype) == (torch.float64, torch.float32)
    torch.testing.assert_close(single.double(), exact, rtol=1e-5, atol=0)


# laws


@MODEST
@given(relations(), st.floats(0.01, 100.0))
def test_lengths_do_not_matter_and_neither_does_the_scale_of_the_weights(relation, scale):
    n, m = relation.shape
    z, keys = embeddings(n), embeddings(m, seed=1)
    given = {} if n == m else {"keys": keys * scale}
    plain = {} if n == m else {"keys": keys}
    scaled = DenseRelation(
        relation.weights * scale, relation.rows, relation.cols, contrast=relation.contrast
    )
    for name in ("simclr", "suncet"):
        loss = create(name)
        value = loss(relation, z, **plain)
        torch.testing.assert_close(loss(relation, z * scale, **given), value)
        shift = 0.0 if name == "simclr" or not value else torch.tensor(scale).double().log()
        torch.testing.assert_close(loss(scaled, z, **plain), value - shift)


@MODEST
@given(relations())
def test_the_order_of_the_columns_does_not_matter(relation):
    n, m = relation.shape
    z, keys = embeddings(n), embeddings(m, seed=1)
    order = torch.randperm(m, generator=torch.Generator().manual_seed(n))
    moved = relation.restricted(torch.arange(n), order)
    for name in ("simclr", "suncet"):
        there = z if n == m else keys
        straight = create(name)(relation, z, keys=there)
        torch.testing.assert_close(create(name)(moved, z, keys=there[order]), straight)


@MODEST
@given(relations())
def test_by_jensen_l_in_is_at_most_l_out(relation):
    n, m = relation.shape
    weights, _ = parts_of(relation)
    degree = weights.sum(dim=1)
    given = {} if n == m else {"keys": embeddings(m, seed=1)}
    shares = weights / degree.clamp(min=1e-12)[:, None]
    evened = DenseRelation(shares, relation.rows, relation.cols, contrast=relation.contrast)
    l_in, l_out = (create(name)(evened, embeddings(n), **given) for name in ("suncet", "simclr"))
    assert float(l_in.detach()) <= float(l_out.detach()) + 1e-12
