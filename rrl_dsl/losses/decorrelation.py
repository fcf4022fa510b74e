"""Losses that pull related rows together and keep the dimensions apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from rrl_dsl.backends.relation import Relation
from rrl_dsl.losses.base import OPTIONS, Loss, Normalize, mean_over_edges
from rrl_dsl.losses.registry import register

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@register("vicreg")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class VICReg(Loss):
    """Pulls related rows together, keeps the variance of dimensions, and decorrelates them.

    25 I + 25 V + 1 C, where

    I = mean over edges of |z_i - z_j|^2 / d, d the width

    V = mean over views of mean_k max(0, 1 - sqrt(var_k + 1e-4))

    C = 2 x mean over views of sum_{k != l} cov_kl^2 / d

    Bardes, Ponce and LeCun (2022), for a relation. Only I depends on the graph. With
    `normalize=edges` it is sum w |z_i - z_j|^2 / (d sum w). V and C use all rows of a view, with or
    without edges, and n - 1 in the denominator. A row that is alone in its view is ignored in V and
    C. Embeddings are not normalized. If the columns are other rows, V and C only use the rows.

    On two views it equals the code of the authors, lightly and pytorch-metric-learning. solo-learn
    does not halve V; `variance_over_views=sum` gives its published accuracies. All of them sum C
    over the two views.
    """

    normalize: Annotated[
        Normalize, Field(description="Whether to average over rows or over edges.")
    ] = "rows"
    invariance: Annotated[Weight, Field(description="The weight of the distance term.")] = 25
    variance: Annotated[Weight, Field(description="The weight of the variance term.")] = 25
    covariance: Annotated[Weight, Field(description="The weight of the covariance term.")] = 1
    variance_over_views: Annotated[
        Literal["mean", "sum"], Field(description="How to combine the variance of views.")
    ] = "mean"

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        degree = relation.degree()
        distance = relation.sqdist(z, keys) / z.shape[1]
        value = self.invariance * mean_over_edges(distance, degree, self.normalize)
        terms = [_spread(z[members]) for members in _by_view(relation.rows.view)]
        if terms:
            variance, covariance = torch.stack(terms).unbind(dim=1)
            joined = variance.sum() if self.variance_over_views == "sum" else variance.mean()
            value = value + self.variance * joined + self.covariance * 2 * covariance.mean()
        return value

    def least_rows(self, width: int) -> int:
        """Two: one row has no variance."""
        return 2

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """The share of rows without an edge, and of those without variance: alone in their view."""
        return super().skipped(relation) | {
            "alone_in_view": _alone(relation.rows.view).float().mean()
        }


@register("barlow")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class BarlowTwins(Loss):
    """Moves the cross-correlation matrix of related rows of different views to the identity.

    scale x ( sum_k (1 - C_kk)^2 + redundancy x sum_{k != l} C_kl^2 ), where

    C = sum w_ij z_i z_j^T / sum w_ij, i in view a, j in view b, over all views a < b

    Zbontar et al. (2021), for a relation. Every dimension is standardized within each view.
    `normalize=edges` is the formula above. With `normalize=rows`, C is the mean over the rows with
    an edge to a later view of sum_j w_ij z_i z_j^T / sum_j w_ij. On `ssl(views=2)` both are the
    cross-correlation of the two views.

    If the columns are the rows, only edges from an earlier view to a later view count. If the
    columns are not the rows, such as a second view or a bank, every edge counts, and the columns
    are standardized by their own views. A row that is alone in its view has no standard deviation
    and is ignored. If no edge connects two views, the loss is 0.

    The standard deviation is sqrt(var + 1e-5) with the biased variance, as in the code of the
    authors, lightly and solo-learn, which use batch normalization. `correction=1` is `std` of the
    paper's pseudocode. lightly and solo-learn use a `redundancy` of 0.005. The published CIFAR
    accuracies of solo-learn use a `scale` of 0.1.
    """

    views: ClassVar[int] = 2

    normalize: Annotated[
        Normalize, Field(description="Whether to average over rows or over edges.")
    ] = "rows"
    redundancy: Annotated[Weight, Field(description="The weight off the diagonal.")] = 0.0051
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False, description="A factor.")] = 1.0
    correction: Annotated[
        Literal[0, 1], Field(description="0: biased standard deviation, 1: unbiased.")
    ] = 0

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        q = _standardized(z, relation.rows.view, self.correction)
        k = q if keys is z else _standardized(keys, relation.cols.view, self.correction)
        width = z.shape[1]
        total, weight = q[:0].T @ k[:0], z.new_zeros(())  # an empty sum, with a gradient
        for rows, cols in _pairs(relation):
            part = relation.restricted(rows, cols)
            degree, related = part.degree().to(z.dtype), part.matmul(k[cols])
            if self.normalize == "rows":
                some = degree > 0
                related = related / degree.masked_fill(~some, 1.0)[:, None]
                degree = some.to(z.dtype)
            total = total + q[rows].T @ related
            weight = weight + degree.sum()
        correlation = total / weight.masked_fill(weight == 0, 1.0)
        on = (1 - correlation.diagonal()).square().sum()
        diagonal = torch.eye(width, dtype=torch.bool, device=z.device)
        off = correlation.masked_fill(diagonal, 0.0).square().sum()
        return self.scale * (on + self.redundancy * off).where(weight > 0, 0.0)

    def least_rows(self, width: int) -> int:
        """Two: one row has no standard deviation."""
        return 2

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """The share of rows without an edge, alone in their view, or in no pair of views."""
        alone = {"alone_in_view": _alone(relation.rows.view).float().mean()}
        if relation.cols is not relation.rows:
            return super().skipped(relation) | alone
        view = relation.rows.view
        paired = torch.zeros(len(view), dtype=torch.bool, device=view.device)
        for index in torch.unique(view):
            rows, others = _where(view == index), _where(view != index)
            paired[rows] = relation.restricted(rows, others).degree() > 0
        share = (~paired).float().mean()
        return super().skipped(relation) | alone | {"without_another_view": share}


def _pairs(relation: Relation) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows and columns, int64, whose edges count in the cross-correlation."""
    by_view = list(_by_view(relation.rows.view))
    if relation.cols is relation.rows:
        for index, rows in enumerate(by_view[:-1]):
            yield rows, torch.cat(by_view[index + 1 :])
    elif by_view and (columns := list(_by_view(relation.cols.view))):
        yield torch.cat(by_view), torch.cat(columns)


def _by_view(view: Tensor) -> Iterator[Tensor]:
    """The rows of each view that has more than one, int64, in the order of the views."""
    for index in torch.unique(view):
        members = _where(view == index)
        if len(members) > 1:
            yield members


def _alone(view: Tensor) -> Tensor:
    """Which rows are the only one of their view, bool (n,)."""
    _, which, counts = torch.unique(view, return_inverse=True, return_counts=True)
    alone: Tensor = counts[which] == 1
    return alone


def _spread(z: Tensor) -> Tensor:
    """The variance and the covariance term of the rows of one view (n, d): (2,)."""
    rows, width = z.shape
    centered = z - z.mean(dim=0)
    covariance = centered.T @ centered / (rows - 1)
    deviation = (covariance.diagonal() + 1e-4).sqrt()
    diagonal = torch.eye(width, dtype=torch.bool, device=z.device)
    off = covariance.masked_fill(diagonal, 0.0).square().sum() / width
    return torch.stack([(1 - deviation).relu().mean(), off])


def _standardized(z: Tensor, view: Tensor, correction: int) -> Tensor:
    """Mean 0 and variance 1 in each view, (n, d). A row alone in its view does not change."""
    result = z
    for members in _by_view(view):
        variance, mean = torch.var_mean(z[members], dim=0, correction=correction)
        result = result.index_copy(0, members, (z[members] - mean) * (variance + 1e-5).rsqrt())
    return result


def _where(mask: Tensor) -> Tensor:
    return mask.nonzero().squeeze(1)
