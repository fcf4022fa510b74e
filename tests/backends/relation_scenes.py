"""Random relations, and the reductions of losses written as loops over pairs in float64."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import Tensor

import rrl_dsl as rrl
from rrl_dsl.backends.blocked import BlockedRelation
from rrl_dsl.backends.dense_relation import DenseRelation
from rrl_dsl.backends.relation import Relation


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


def pointwise(weights: Tensor, similarity: Tensor) -> Tensor:
    """A function of both that is finite everywhere, and not 0 at weight 0."""
    return (1 + weights) * torch.nn.functional.softplus(2 * similarity - weights)


def pointwise_sum(s: Scene, with_self: bool) -> Tensor:
    def row(i: int) -> Tensor:
        terms = [
            pointwise(s.weights[i, j], s.q[i] @ s.k[j])
            for j in range(len(s.cols))
            if (with_self if s.same(i, j) else s.contrasted(i, j) or s.weight(i, j) > 0)
        ]
        return total(terms, s.q)

    return s.by_row(row)


REDUCTIONS |= {
    "sum": (lambda s: s.relation.sum(pointwise, s.q, s.k), lambda s: pointwise_sum(s, False)),
    "sum with self": (
        lambda s: s.relation.sum(pointwise, s.q, s.k, with_self=True),
        lambda s: pointwise_sum(s, True),
    ),
}


def gradients(value: Tensor, s: Scene) -> list[Tensor]:
    """Of a random sum over the finite entries, for the rows and for the columns."""
    weights = torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).view_as(value)
    finite = torch.where(value.isfinite(), value, 0.0)
    gradients = torch.autograd.grad((finite * weights).sum(), [s.q, s.k], allow_unused=True)
    return [
        torch.zeros_like(x) if g is None else g for g, x in zip(gradients, (s.q, s.k), strict=True)
    ]
