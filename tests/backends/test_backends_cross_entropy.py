"""The contrastive cross-entropy by every strategy, against its definition in float64."""

import pytest
import torch
from torch import Tensor

import rrl_dsl as rrl
from rrl_dsl.backends.strategy import TILE_PAIRS
from rrl_dsl.losses import create


def rows_of(samples: list[int], views: list[int]) -> rrl.Nodes:
    label = torch.tensor(samples) % 4 - 1  # a quarter of the samples has no label
    # duplicates and single views are meant
    return rrl.Nodes(torch.tensor(samples), torch.tensor(views), {"label": label}, check=False)


TWO_VIEWS = rows_of([*range(11)] * 2, [0] * 11 + [1] * 11)
DUPLICATES = rows_of([5, 2, 5, 5, 9, 2, 7], [0, 1, 0, 1, 0, 0, 0])
CASES = {
    "few edges": ("ssl(views=2)", TWO_VIEWS, None),
    "rows without an edge": ("supervised()", rows_of([0, 4, 1, 2, 3, 8, 12, 7], [0] * 8), None),
    "no edge": ("none()", TWO_VIEWS, None),
    "weights above 1": ("3 * ssl(views=2) + 0.5 * supervised()", TWO_VIEWS, None),
    "duplicated ids": ("ssl(views=2) | supervised()", DUPLICATES, None),
    "contrast": ("ssl(views=2)\ncontrast cross_view()", TWO_VIEWS, None),
    "draws": ("ssl(views=2) | supervised(frac=0.5) | corrupt(fpr=0.2)", TWO_VIEWS, None),
    "other columns": ("ssl(views=2) | supervised()", DUPLICATES, TWO_VIEWS),
    "one row": ("ssl(views=2)", rows_of([3], [0]), None),
    "one row and its columns": ("ssl(views=2)", rows_of([3], [0]), TWO_VIEWS),
}


def defined(relation: rrl.Relation, weights: Tensor, z: Tensor, k: Tensor, t: float) -> Tensor:
    """The mean over rows with an edge of - sum_j w_ij log softmax_j(s_ij / t) / sum_j w_ij."""
    q, k = (torch.nn.functional.normalize(embedding) for embedding in (z, k))
    terms = []
    for i in range(len(q)):
        others = [
            j
            for j in range(len(k))
            if relation.rows.sample[i] != relation.cols.sample[j]
            or relation.rows.view[i] != relation.cols.view[j]
        ]
        contrast = relation.contrast
        compared = [
            j for j in others if weights[i, j] > 0 or contrast is None or bool(contrast[i, j])
        ]
        w = weights[i, compared]
        if len(compared) and w.sum() > 0:
            logs = (k[compared] @ q[i] / t).log_softmax(dim=0)
            terms.append(-(w * logs).sum() / w.sum())
    return torch.stack(terms).mean() if terms else 0.0 * z.sum()


@pytest.mark.parametrize("strategy", ["dense", "blocked"])
@pytest.mark.parametrize("temperature", [0.01, 0.2])
@pytest.mark.parametrize("case", CASES)
def test_simclr_is_its_definition(case: str, temperature: float, strategy: str, monkeypatch):
    monkeypatch.setitem(TILE_PAIRS, "cpu", 16)
    text, rows, cols = CASES[case]
    program = rrl.compile(text, seed=2)
    chance = torch.Generator().manual_seed(1)
    z = torch.randn(len(rows), 6, generator=chance, dtype=torch.float64, requires_grad=True)
    k = z
    if cols is not None:
        k = torch.randn(len(cols), 6, generator=chance, dtype=torch.float64, requires_grad=True)
    dense = program.relate(rows, cols, strategy="dense")
    wanted = defined(dense, dense.weights.double(), z, k, temperature)
    loss = create("simclr", temperature=torch.tensor(temperature, dtype=torch.float64))
    relation = program.relate(rows, cols, strategy=strategy)
    value = loss(relation, z, keys=None if cols is None else k)
    torch.testing.assert_close(value, wanted, rtol=1e-9, atol=1e-12)
    leaves = [z] if cols is None else [z, k]
    gradients = (torch.autograd.grad(scalar, leaves) for scalar in (value, wanted))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("strategy", ["dense", "blocked"])
@pytest.mark.parametrize("temperature", [0.01, 0.2])
def test_single_precision_is_as_good_as_it_can_be(temperature: float, strategy: str):
    z = torch.randn(22, 6, generator=torch.Generator().manual_seed(0))
    relation = rrl.compile("ssl(views=2)").relate(TWO_VIEWS, strategy=strategy)
    loss = create("simclr", temperature=temperature)
    single, exact = z.clone().requires_grad_(), z.double().requires_grad_()
    value, wanted = loss(relation, single), loss(relation, exact)
    torch.testing.assert_close(value.double(), wanted, rtol=1e-5, atol=1e-6)
    value.backward()
    wanted.backward()
    scale = exact.grad.abs().max()
    torch.testing.assert_close(single.grad / scale, (exact.grad / scale).float(), rtol=0, atol=1e-4)


def test_weights_that_are_learned_get_their_gradient():
    weights = torch.rand(5, 5, dtype=torch.float64, requires_grad=True)
    z = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda w: create("simclr")(w, z), weights)
