"""Values that are known from elsewhere: worked by hand, or out of published implementations."""

import lightly.loss
import pytest
import pytorch_metric_learning.losses
import torch
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.losses import create
from rrl_dsl.losses.whitening import sliced


def embeddings(rows, width=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator, dtype=torch.float64, requires_grad=True)


def two_views(samples):
    return rrl.Nodes(torch.arange(samples).repeat(2), torch.arange(2).repeat_interleave(samples))


def soft_graph(rows, columns, seed=0):
    """Weights with empty rows and without symmetry."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(rows, columns, generator=generator, dtype=torch.float64)
    weights = weights.where(weights > 0.6, 0.0)
    weights[:: max(2, rows // 3)] = 0.0
    return weights


def test_six_vectors_at_known_angles():
    angles = torch.deg2rad(torch.tensor([0, 10, 20, 50, 60, 80], dtype=torch.float64))
    z = torch.stack([angles.cos(), angles.sin()], dim=1)
    nodes = rrl.Nodes(torch.arange(6), labels={"label": torch.tensor([0, 0, 0, 1, 1, 2])})
    relation = rrl.compile("supervised()").relate(nodes)
    assert float(create("supcon", temperature=0.1)(relation, z)) == pytest.approx(0.7200604, 1e-6)
    assert float(create("suncet", temperature=0.1)(relation, z)) == pytest.approx(0.2940804, 1e-6)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_simclr_on_views_is_nt_xent(temperature):
    z = embeddings(24)
    relation = rrl.compile("ssl(views=2)").relate(two_views(12))
    ours = create("simclr", temperature=temperature)(relation, z)
    lightly_loss = lightly.loss.NTXentLoss(temperature=temperature)(z[:12], z[12:])
    pml_loss = pytorch_metric_learning.losses.NTXentLoss(temperature=temperature)(
        z, torch.arange(12).repeat(2)
    )
    torch.testing.assert_close(ours, lightly_loss, rtol=1e-6, atol=0)
    torch.testing.assert_close(ours, pml_loss, rtol=1e-6, atol=0)


def test_simclr_has_the_gradient_of_nt_xent():
    z = embeddings(24)
    relation = rrl.compile("ssl(views=2)").relate(two_views(12))
    (ours,) = torch.autograd.grad(create("simclr", temperature=0.2)(relation, z), z)
    peer = lightly.loss.NTXentLoss(temperature=0.2)(z[:12], z[12:])
    (theirs,) = torch.autograd.grad(peer, z)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("name", ["simclr", "supcon", "xclr"])
def test_on_labels_it_is_supcon(name):
    z, label = embeddings(30), torch.arange(30) % 5
    relation = rrl.compile("supervised()").relate(
        rrl.Nodes(torch.arange(30), labels={"label": label})
    )
    ours = create(name, temperature=0.1)(relation, z)
    theirs = pytorch_metric_learning.losses.SupConLoss(temperature=0.1)(z, label)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("rows", "columns"), [(9, 9), (7, 12), (12, 5)])
def test_xclr_is_cross_entropy_with_soft_targets(rows, columns):
    weights = soft_graph(rows, columns)
    z, keys = embeddings(rows), embeddings(columns, seed=1)
    ours = create("xclr", temperature=0.3)(weights, z, keys=keys)
    some = weights.sum(dim=1) > 0
    targets = weights[some] / weights[some].sum(dim=1, keepdim=True)
    logits = F.normalize(z) @ F.normalize(keys).T / 0.3
    torch.testing.assert_close(ours, F.cross_entropy(logits[some], targets), rtol=1e-9, atol=0)


@pytest.mark.parametrize(("rows", "columns"), [(9, 9), (7, 12), (12, 5)])
def test_suncet_is_minus_log_of_the_related_share(rows, columns):
    weights = soft_graph(rows, columns)
    z, keys = embeddings(rows), embeddings(columns, seed=1)
    ours = create("suncet", temperature=0.3)(weights, z, keys=keys)
    share = (weights * F.softmax(F.normalize(z) @ F.normalize(keys).T / 0.3, dim=1)).sum(dim=1)
    torch.testing.assert_close(ours, -share[share > 0].log().mean(), rtol=1e-9, atol=0)


def test_suncet_equals_the_authors_loss():
    """Assran et al.: anchors against a support set, softmax over it times one-hot labels."""
    label = torch.arange(20) % 4
    z = embeddings(20)
    unit = F.normalize(z)
    exponentials = torch.exp(unit @ unit.T / 0.1)
    not_self = 1 - torch.eye(20, dtype=torch.float64)
    related = (label[:, None] == label).double() * not_self
    share = (exponentials * related).sum(1) / (exponentials * not_self).sum(1)
    nodes = rrl.Nodes(torch.arange(20), labels={"label": label})
    relation = rrl.compile("supervised()").relate(nodes)
    ours = create("suncet", temperature=0.1)(relation, z)
    torch.testing.assert_close(ours, -share.log().mean(), rtol=1e-9, atol=0)


def test_supcon_as_the_paper_sums_it():
    z, weights = embeddings(9), soft_graph(9, 9)
    parts = [create(name, temperature=0.3)(weights, z) for name in ("simclr", "suncet")]
    whole = create("supcon", temperature=0.3, form="sum")(weights, z)
    torch.testing.assert_close(whole, sum(parts), rtol=1e-12, atol=0)


def test_self_in_the_denominator_is_equation_1_as_written():
    z, weights = embeddings(9), soft_graph(9, 9)
    weights.fill_diagonal_(0)
    ours = create("simclr", temperature=1.0, self_in_denominator=True)(weights, z)
    log_share = F.log_softmax(F.normalize(z) @ F.normalize(z).T, dim=1)
    degree = weights.sum(dim=1)
    rows = -(weights * log_share).sum(dim=1)[degree > 0] / degree[degree > 0]
    torch.testing.assert_close(ours, rows.mean(), rtol=1e-9, atol=0)


def test_equations_1_4_and_5_are_had_as_written():
    z, weights = embeddings(9), soft_graph(9, 9)
    weights.diagonal().fill_(1.0)
    share = F.softmax(F.normalize(z) @ F.normalize(z).T, dim=1)
    written = {"temperature": 1.0, "with_self": True}
    simclr = create("simclr", normalize="edges", **written)(weights, z)
    first = -(weights * share.log()).sum()
    torch.testing.assert_close(weights.sum() * simclr, first, rtol=1e-9, atol=0)
    fifth = -(weights * share).sum(dim=1).log().mean()
    torch.testing.assert_close(create("suncet", **written)(weights, z), fifth, rtol=1e-9, atol=0)
    supcon = create("supcon", form="sum", normalize="edges", **written)(weights, z)
    torch.testing.assert_close(supcon, first / weights.sum() + fifth, rtol=1e-9, atol=0)


def test_normalizing_by_edges_weighs_every_edge_alike():
    z, weights = embeddings(9), soft_graph(9, 9)
    weights.fill_diagonal_(0)
    ours = create("simclr", temperature=0.5, normalize="edges")(weights, z)
    logits = F.normalize(z) @ F.normalize(z).T / 0.5
    logits = logits.masked_fill(torch.eye(9, dtype=torch.bool), -torch.inf)
    log_share = F.log_softmax(logits, dim=1).masked_fill(torch.eye(9, dtype=torch.bool), 0)
    expected = -(weights * log_share).sum() / weights.sum()
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=0)


def test_wmse_on_views_is_lightly_s():
    z = embeddings(128, width=16)
    relation = rrl.compile("ssl(views=2)").relate(two_views(64))
    peer = lightly.loss.WMSELoss(embedding_dim=16, w_size=64, track_running_stats=False)
    torch.testing.assert_close(
        create("wmse", slice=0, shrinkage=0.0)(relation, z), peer.double()(z), rtol=1e-8, atol=0
    )


def test_wmse_on_the_same_slices_is_lightly_s(monkeypatch):
    z = embeddings(256, width=16)
    nodes = two_views(128)
    relation = rrl.compile("ssl(views=2)", seed=3).relate(nodes, step=7)
    parts = sliced(nodes.sample, nodes.view, 64, seed=3, step=7)
    assert [len(part) for part in parts] == [64] * 4
    order = torch.cat(parts[:2])
    assert torch.equal(torch.cat(parts[2:]), order + 128)  # alike in both views
    peer = lightly.loss.WMSELoss(embedding_dim=16, w_size=64, track_running_stats=False)
    monkeypatch.setattr(torch, "randperm", lambda count: order)
    torch.testing.assert_close(
        create("wmse", slice=64, shrinkage=0.0)(relation, z), peer.double()(z), rtol=1e-8, atol=0
    )


def test_wmse_on_any_graph_is_the_mean_over_rows_of_whitened_distances():
    z, weights = embeddings(60, width=8), soft_graph(60, 60)
    weights.fill_diagonal_(0)
    centered = z - z.mean(dim=0)
    values, vectors = torch.linalg.eigh(centered.T @ centered / 59)
    zca = centered @ vectors @ torch.diag(values.rsqrt()) @ vectors.T
    unit = F.normalize(zca)  # one slice: any whitening has the same distances
    distance = (unit[:, None] - unit).square().sum(dim=2)
    degree = weights.sum(dim=1)
    expected = ((weights * distance).sum(dim=1)[degree > 0] / degree[degree > 0]).mean()
    ours = create("wmse", shrinkage=0.0)(weights, z)
    torch.testing.assert_close(ours, expected, rtol=1e-7, atol=0)
    by_edges = create("wmse", shrinkage=0.0, normalize="edges")(weights, z)
    torch.testing.assert_close(
        by_edges, (weights * distance).sum() / weights.sum(), rtol=1e-7, atol=0
    )


def test_whitening_all_rows_together_makes_cholesky_and_zca_agree():
    z, nodes = embeddings(120, width=8), two_views(60)
    relation = rrl.compile("ssl(views=2)").relate(nodes)
    joint = create("wmse", slice=0, by_view=False, shrinkage=0.0)(relation, z)
    values, vectors = torch.linalg.eigh(torch.cov(z.T))
    zca = F.normalize((z - z.mean(dim=0)) @ vectors @ torch.diag(values.rsqrt()) @ vectors.T)
    expected = (zca[:60] - zca[60:]).square().sum(dim=1).mean()
    torch.testing.assert_close(joint, expected, rtol=1e-7, atol=0)
