"""The reductions that losses are made of, against loops over pairs in float64, with gradients."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

import rrl_dsl as rrl
from rrl_dsl.backends.blocked import BlockedRelation
from rrl_dsl.backends.relation import DenseRelation, Relation, of_matrix


@dataclass(frozen=True)
class Scene:
    """Weights over rows x columns, with embeddings of both."""

    weights: Tensor
    rows: rrl.Nodes
    cols: rrl.Nodes
    contrast: Tensor | None
    q: Tensor
    k: Tensor
    strategy: str = "dense"

    @property
    def relation(self) -> Relation:
        if self.strategy == "dense":
            return DenseRelation(self.weights, self.rows, self.cols, contrast=self.contrast)
        prepared = Matrices([self.weights, self.contrast])
        symmetric = self.rows is self.cols and bool((self.weights == self.weights.T).all())
        return BlockedRelation(prepared, self.rows, self.cols, symmetric=symmetric, pairs=9)

    def same(self, i: int, j: int) -> bool:
        sample = bool(self.rows.sample[i] == self.cols.sample[j])
        return sample and bool(self.rows.view[i] == self.cols.view[j])

    def weight(self, i: int, j: int, with_self: bool = False) -> float:
        return float(self.weights[i, j]) if with_self or not self.same(i, j) else 0.0

    def contrasted(self, i: int, j: int) -> bool:
        return self.contrast is None or bool(self.contrast[i, j])

    def unrelated(self, i: int) -> list[int]:
        return [
            j
            for j in range(len(self.cols))
            if self.weights[i, j] == 0 and not self.same(i, j) and self.contrasted(i, j)
        ]

    def by_row(self, value: Callable[[int], Tensor]) -> Tensor:
        return torch.stack([value(i) for i in range(len(self.rows))])


class Matrices:
    """Weights and contrast as a program prepares them, from which tiles are cut."""

    def __init__(self, matrices: list[Tensor | None]) -> None:
        self.matrices = matrices
        self.plan = SimpleNamespace(result=0, contrast=None if matrices[1] is None else 1)

    def weights(self, result: int, rows: slice, cols: slice) -> Tensor:
        return self.matrices[result][rows, cols].clone()

    def restricted(self, rows: Tensor, cols: Tensor) -> "Matrices":
        return Matrices([None if m is None else m[rows][:, cols] for m in self.matrices])


def scene(seed: int, *, dtype: torch.dtype = torch.float64, strategy: str = "dense") -> Scene:
    """Soft weights with empty rows and columns, duplicate rows, some of them among the columns."""
    chance = torch.Generator().manual_seed(seed)
    n, m, d = ((7, 7, 4), (6, 9, 3), (9, 4, 5), (1, 6, 2))[seed % 4]

    def nodes(count: int) -> rrl.Nodes:
        draw = torch.randint(0, 4, (2, count), generator=chance)
        return rrl.Nodes(draw[0], draw[1] % 2)

    rows = nodes(n)
    cols = rows if n == m else nodes(m)
    weights = torch.rand(n, m, generator=chance, dtype=dtype)
    weights = weights * (torch.rand(n, m, generator=chance) < 0.5)
    weights[n // 2] = 0.0
    weights[:, 0] = 0.0
    contrast = None if seed % 3 == 0 else torch.rand(n, m, generator=chance) < 0.6
    if contrast is not None:
        contrast[n // 2] = False
    q = torch.randn(n, d, generator=chance, dtype=dtype, requires_grad=True)
    k = torch.randn(m, d, generator=chance, dtype=dtype, requires_grad=True)
    return Scene(weights, rows, cols, contrast, q, k, strategy)


# the reductions as the reference defines them


def total(terms: list[Tensor], like: Tensor) -> Tensor:
    return torch.stack(terms).sum() if terms else like.sum() * 0


def log_total_exp(terms: list[Tensor], like: Tensor) -> Tensor:
    return torch.stack(terms).exp().sum().log() if terms else like.sum() * 0 - torch.inf


def degree(s: Scene, with_self: bool) -> Tensor:
    return s.by_row(
        lambda i: torch.tensor(
            sum(s.weight(i, j, with_self) for j in range(len(s.cols))), dtype=torch.float64
        )
    )


def lse(s: Scene, scale: float, with_self: bool) -> Tensor:
    def row(i: int) -> Tensor:
        compared = [
            j
            for j in range(len(s.cols))
            if (with_self if s.same(i, j) else s.contrasted(i, j) or s.weight(i, j) > 0)
        ]
        return log_total_exp([scale * s.q[i] @ s.k[j] for j in compared], s.q)

    return s.by_row(row)


def dot(s: Scene, scale: float, with_self: bool) -> Tensor:
    return s.by_row(
        lambda i: total(
            [s.weight(i, j, with_self) * scale * (s.q[i] @ s.k[j]) for j in range(len(s.cols))], s.q
        )
    )


def masked_lse(s: Scene, scale: float, with_self: bool) -> Tensor:
    def row(i: int) -> Tensor:
        related = [j for j in range(len(s.cols)) if s.weight(i, j, with_self) > 0]
        weights = [s.weight(i, j, with_self) for j in related]
        logs = [torch.tensor(weight, dtype=torch.float64).log() for weight in weights]
        terms = [log + scale * s.q[i] @ s.k[j] for log, j in zip(logs, related, strict=True)]
        return log_total_exp(terms, s.q)

    return s.by_row(row)


def sqdist(s: Scene, with_self: bool) -> Tensor:
    return s.by_row(
        lambda i: total(
            [
                s.weight(i, j, with_self) * (s.q[i] - s.k[j]).square().sum()
                for j in range(len(s.cols))
            ],
            s.q,
        )
    )


def matmul(s: Scene, with_self: bool) -> Tensor:
    return s.by_row(
        lambda i: torch.stack([s.weight(i, j, with_self) * s.k[j] for j in range(len(s.cols))]).sum(
            dim=0
        )
    )


def unrelated_sum_sq(s: Scene) -> Tensor:
    return s.by_row(lambda i: total([(s.q[i] @ s.k[j]).square() for j in s.unrelated(i)], s.q))


def cross_entropy(s: Scene, scale: float, with_self: bool, self_compared: bool) -> Tensor:
    sums = lse(s, scale, self_compared)
    related = dot(s, scale, with_self)
    degrees = degree(s, with_self)
    return degrees * torch.where(degrees > 0, sums, 0.0) - related


REDUCTIONS: dict[str, tuple[Callable[[Scene], Tensor], Callable[[Scene], Tensor]]] = {
    "lse": (lambda s: s.relation.lse(s.q, s.k, 2.0), lambda s: lse(s, 2.0, False)),
    "lse with self": (
        lambda s: s.relation.lse(s.q, s.k, 0.5, with_self=True),
        lambda s: lse(s, 0.5, True),
    ),
    "dot": (lambda s: s.relation.dot(s.q, s.k, 2.0), lambda s: dot(s, 2.0, False)),
    "dot with self": (
        lambda s: s.relation.dot(s.q, s.k, 2.0, with_self=True),
        lambda s: dot(s, 2.0, True),
    ),
    "masked_lse": (
        lambda s: s.relation.masked_lse(s.q, s.k, 2.0),
        lambda s: masked_lse(s, 2.0, False),
    ),
    "masked_lse with self": (
        lambda s: s.relation.masked_lse(s.q, s.k, 2.0, with_self=True),
        lambda s: masked_lse(s, 2.0, True),
    ),
    "cross_entropy": (
        lambda s: s.relation.cross_entropy(s.q, s.k, 2.0)[0],
        lambda s: cross_entropy(s, 2.0, False, False),
    ),
    "cross_entropy with self": (
        lambda s: s.relation.cross_entropy(s.q, s.k, 0.5, with_self=True)[0],
        lambda s: cross_entropy(s, 0.5, True, True),
    ),
    "cross_entropy over self": (
        lambda s: s.relation.cross_entropy(s.q, s.k, 2.0, self_in_denominator=True)[0],
        lambda s: cross_entropy(s, 2.0, False, True),
    ),
    "sqdist": (lambda s: s.relation.sqdist(s.q, s.k), lambda s: sqdist(s, False)),
    "sqdist with self": (
        lambda s: s.relation.sqdist(s.q, s.k, with_self=True),
        lambda s: sqdist(s, True),
    ),
    "matmul": (lambda s: s.relation.matmul(s.k), lambda s: matmul(s, False)),
    "matmul with self": (
        lambda s: s.relation.matmul(s.k, with_self=True),
        lambda s: matmul(s, True),
    ),
    "unrelated_sum_sq": (lambda s: s.relation.unrelated_sum_sq(s.q, s.k), unrelated_sum_sq),
}


def gradients(value: Tensor, s: Scene) -> list[Tensor]:
    """Of a random sum over the finite entries, for the rows and for the columns."""
    weights = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).view_as(value)
    finite = torch.where(value.isfinite(), value, 0.0)
    found = torch.autograd.grad((finite * weights).sum(), [s.q, s.k], allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, (s.q, s.k), strict=True)]


STRATEGIES = pytest.mark.parametrize("strategy", ["dense", "blocked"])


@STRATEGIES
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_equals_its_definition_with_gradients(name: str, seed: int, strategy: str):
    found, expected = REDUCTIONS[name]
    here = scene(seed, strategy=strategy)
    value, wanted = found(here), expected(here)
    torch.testing.assert_close(value, wanted, rtol=1e-9, atol=1e-12)
    for one, other in zip(gradients(value, here), gradients(wanted, here), strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-11)


@STRATEGIES
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_in_float32_agrees_with_float64(name: str, seed: int, strategy: str):
    found, expected = REDUCTIONS[name]
    here = scene(seed, dtype=torch.float32, strategy=strategy)
    exact = Scene(
        here.weights.double(),
        here.rows,
        here.cols,
        here.contrast,
        here.q.detach().double().requires_grad_(),
        here.k.detach().double().requires_grad_(),
    )
    value, wanted = found(here), expected(exact)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), wanted, rtol=1e-5, atol=1e-5)
    for one, other in zip(gradients(value, here), gradients(wanted, exact), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-5)


@STRATEGIES
@pytest.mark.parametrize("seed", range(12))
def test_counts_and_nearest(seed: int, strategy: str):
    here = scene(seed, strategy=strategy)
    for with_self in (False, True):
        found = here.relation.degree(with_self=with_self)
        torch.testing.assert_close(found, degree(here, with_self))
    unrelated = [here.unrelated(i) for i in range(len(here.rows))]
    assert here.relation.unrelated_count().tolist() == [len(each) for each in unrelated]
    index, distance = here.relation.nearest_unrelated(here.q.detach(), here.k.detach())
    for i, others in enumerate(unrelated):
        distances = {j: (here.q[i] - here.k[j]).norm().item() for j in others}
        if not distances:
            assert (int(index[i]), float(distance[i])) == (-1, float("inf"))
        else:
            assert float(distance[i]) == pytest.approx(min(distances.values()))
            assert distances[int(index[i])] == min(distances.values())


@pytest.mark.parametrize("seed", range(12))
def test_own_column_is_the_first_that_is_the_same_row(seed: int):
    here = scene(seed)
    if here.cols is not here.rows:
        expected = [
            next((j for j in range(len(here.cols)) if here.same(i, j)), -1)
            for i in range(len(here.rows))
        ]
        assert here.relation.own_column().tolist() == expected


def test_own_column_where_the_columns_are_the_rows_is_the_place_itself():
    rows = rrl.Nodes([5, 5, 2], [1, 1, 0])
    assert DenseRelation(torch.ones(3, 3), rows).own_column().tolist() == [0, 1, 2]
    far = rrl.Nodes([2**62, 2, 2**62], [2**40, 0, 0])
    assert DenseRelation(torch.ones(3, 3), far, far[[2, 0, 1]]).own_column().tolist() == [1, 2, 0]


def test_scenes_hold_what_is_easy_to_forget():
    scenes = [scene(seed) for seed in range(12)]
    pairs = [
        [here.same(i, j) for i in range(len(here.rows)) for j in range(len(here.cols))]
        for here in scenes
    ]
    assert any(sum(each) > len(here.rows) for each, here in zip(pairs, scenes, strict=True))
    assert any(here.weights.shape[0] < here.weights.shape[1] for here in scenes)
    assert any(here.weights.shape[0] > here.weights.shape[1] for here in scenes)
    assert any(bool((here.relation.degree() == 0).any()) for here in scenes)
    assert any(here.contrast is None for here in scenes)
    assert any(bool(here.relation.lse(here.q, here.k).isinf().any()) for here in scenes)


@STRATEGIES
def test_gradcheck_of_what_has_a_gradient(strategy: str):
    here = scene(1, strategy=strategy)
    relation = here.relation
    for reduction in (relation.dot, relation.sqdist, relation.unrelated_sum_sq):
        assert torch.autograd.gradcheck(reduction, (here.q, here.k))
    busy = relation.degree() > 0
    assert torch.autograd.gradcheck(lambda q, k: relation.masked_lse(q, k)[busy], (here.q, here.k))


def test_bool_graph_counts_as_noughts_and_ones():
    here = scene(2)
    related = here.weights > 0
    soft = DenseRelation(related.double(), here.rows, here.cols, contrast=here.contrast)
    hard = DenseRelation(related, here.rows, here.cols, contrast=here.contrast)
    torch.testing.assert_close(hard.degree(), soft.degree().float())
    torch.testing.assert_close(hard.dot(here.q, here.k), soft.dot(here.q, here.k))
    torch.testing.assert_close(hard.masked_lse(here.q, here.k), soft.masked_lse(here.q, here.k))
    torch.testing.assert_close(hard.matmul(here.k), soft.matmul(here.k))


def test_distances_do_not_cancel():
    here = scene(4)
    far = 1e6
    exact = here.relation.sqdist(here.q, here.k)
    moved = here.relation.sqdist(here.q + far, here.k + far)
    torch.testing.assert_close(moved, exact, rtol=1e-6, atol=1e-6)


@STRATEGIES
def test_coinciding_vectors_have_a_finite_gradient(strategy: str):
    here = scene(4, strategy=strategy)
    q = torch.zeros(7, 4, dtype=torch.float64, requires_grad=True)
    relation = here.relation
    (
        relation.sqdist(q, q) + relation.nearest_unrelated(q, q)[1].nan_to_num(posinf=0)
    ).sum().backward()
    assert q.grad is not None
    assert q.grad.isfinite().all()


@STRATEGIES
def test_half_precision_is_reduced_in_float32(strategy: str):
    here = scene(0, dtype=torch.float32, strategy=strategy)
    q, k = here.q.detach().bfloat16(), here.k.detach().bfloat16()
    for half, single in (
        (here.relation.lse(q, k), here.relation.lse(q.float(), k.float())),
        (here.relation.sqdist(q, k), here.relation.sqdist(q.float(), k.float())),
        (here.relation.matmul(k), here.relation.matmul(k.float())),
        (
            here.relation.cross_entropy(q, k)[0],
            here.relation.cross_entropy(q.float(), k.float())[0],
        ),
    ):
        assert half.dtype == torch.float32
        torch.testing.assert_close(half, single)


@STRATEGIES
def test_autocast_does_not_reach_the_reductions(strategy: str):
    here = scene(0, dtype=torch.float32, strategy=strategy)
    for reduction in (here.relation.lse, lambda q, k: here.relation.cross_entropy(q, k)[0]):
        plain = reduction(here.q, here.k)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.testing.assert_close(reduction(here.q, here.k), plain, rtol=0, atol=0)


@pytest.mark.parametrize("temperature", [0.01, 1.0])
@pytest.mark.parametrize("self_compared", [False, True])
def test_a_symmetric_relation_of_vectors_with_themselves_has_their_gradient(
    temperature: float, self_compared: bool
):
    for seed in (0, 4, 8):
        here = scene(seed)
        weights = (here.weights + here.weights.T) / 2
        contrast = None if here.contrast is None else here.contrast | here.contrast.T
        z = torch.nn.functional.normalize(here.q.detach()).requires_grad_()
        scale = torch.tensor(1 / temperature, dtype=torch.float64, requires_grad=True)
        found = []
        for strategy in ("dense", "blocked"):
            symmetric = replace(here, weights=weights, contrast=contrast, strategy=strategy)
            value, degrees = symmetric.relation.cross_entropy(
                z, z, scale, self_in_denominator=self_compared
            )
            torch.testing.assert_close(degrees, symmetric.relation.degree().double())
            slope = torch.linspace(0.5, 1.5, len(z), dtype=torch.float64)
            found.append([value, *torch.autograd.grad((value * slope).sum(), [z, scale])])
        for one, other in zip(*found, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


# a user's own matrix


def test_matrix_alone_has_its_diagonal_as_self():
    weights = torch.tensor([[9.0, 1.0, 0.0], [1.0, 9.0, 2.0], [0.0, 2.0, 9.0]])
    assert of_matrix(weights).degree().tolist() == [1.0, 3.0, 2.0]
    assert of_matrix(weights).degree(with_self=True).tolist() == [10.0, 12.0, 11.0]


def test_matrix_with_columns_of_its_own_has_no_self():
    weights = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert of_matrix(weights, columns=True).degree().tolist() == [3.0, 7.0]
    assert of_matrix(torch.ones(2, 5), columns=True).shape == (2, 5)


def test_rows_of_a_view_are_numbered_as_they_come():
    relation = of_matrix(torch.ones(5, 5), view=torch.tensor([0, 1, 1, 0, 1]))
    assert relation.rows.sample.tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("weights", "code"),
    [
        (torch.ones(3), "RRL406"),
        (torch.ones(2, 3), "RRL406"),
        (torch.ones(2, 2, dtype=torch.complex64), "RRL406"),
        (torch.ones(2, 2).to_sparse(), "RRL406"),
    ],
)
def test_impossible_matrix_is_refused(weights: Tensor, code: str):
    with pytest.raises(rrl.RRLError, match=code):
        of_matrix(weights)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bfloat16, torch.float64])
def test_a_negative_weight_is_refused_with_its_place(dtype: torch.dtype):
    weights = torch.ones(2, 3, dtype=dtype)
    weights[1, 2] = -2
    with pytest.raises(rrl.RRLError, match="weight of row 1 and column 2 is -2") as problem:
        of_matrix(weights, columns=True)
    assert problem.value.diagnostics[0].hint == "weights are finite and not negative"


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_refused(weight: float):
    with pytest.raises(rrl.RRLError, match=f"weight of row 0 and column 0 is {weight}"):
        of_matrix(torch.full((2, 2), weight))
