"""Losses whose optimum is known from linear algebra."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from rrl_dsl.backends.relation import Relation
from rrl_dsl.language.diagnostics import error
from rrl_dsl.losses.base import OPTIONS, Loss, Normalize, mean_over_edges
from rrl_dsl.losses.collapse import collapsed
from rrl_dsl.losses.covariance import center, cholesky, whiten
from rrl_dsl.losses.registry import register


@register("spectral")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Spectral(Loss):
    """Spectral contrastive loss: large inner products for related rows, none for unrelated rows.

    -2 x mean over edges of s_ij + mean over unrelated pairs of s_ij^2, s_ij = z_i . z_j

    HaoChen et al. (2021), for a relation. With one view as rows and the other as columns, it is the
    loss of their code. Embeddings are not normalized. Unrelated pairs are the pairs of the contrast
    without an edge. Rows without an edge are ignored in both means. With `normalize=edges`, the
    first term is -2 sum w s / sum w, and the second is the mean over all unrelated pairs of the
    remaining rows. With `rows`, both terms are means over rows of the mean of each row. Both agree
    if all rows have the same degree and the same number of unrelated columns.

    With `mu`, rows longer than sqrt(mu) are cut to that length, and the loss is divided by mu. The
    code of the authors does this with mu = 1 on CIFAR and mu = 10 on ImageNet.
    """

    row_wise: ClassVar[bool] = True

    normalize: Annotated[Normalize, Field(description="Average over rows or pairs.")] = "rows"
    mu: Annotated[
        float | None,
        Field(gt=0, allow_inf_nan=False, description="The largest squared length, or none."),
    ] = None

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        q = self._within(z)
        k = q if keys is z else self._within(keys)
        degree = relation.degree()
        unrelated = relation.unrelated_count().masked_fill(degree == 0, 0)
        pulled = mean_over_edges(relation.dot(q, k), degree, self.normalize)
        pushed = mean_over_edges(relation.unrelated_sum_sq(q, k), unrelated, self.normalize)
        return (pushed - 2 * pulled) / (self.mu or 1.0)

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """The share of rows without an edge, and of those with edges but nothing unrelated."""
        nothing = (relation.unrelated_count() == 0) & (relation.degree() > 0)
        return super().skipped(relation) | {"without_unrelated": nothing.float().mean()}

    def _within(self, z: Tensor) -> Tensor:
        if self.mu is None:
            return z
        longest = math.sqrt(self.mu)
        length: Tensor = torch.linalg.vector_norm(z, dim=1, keepdim=True)
        return z * (longest / length.clamp(min=longest))


class _OverRows(Loss):
    """A loss whose columns must be the rows."""

    symmetric: ClassVar[bool] = True

    def least_rows(self, width: int) -> int:
        """One more than the width: fewer rows span no more than themselves."""
        return width + 1

    def _check(self, z: Tensor, keys: Tensor, count: int) -> None:
        """Refuses other columns, and fewer rows than `least_rows`."""
        if keys is not z:
            message = f"the loss `{self.name()}` needs the rows as columns"
            raise error("RRL406", message, hint="leave out `keys=`, and relate only the rows")
        least = self.least_rows(z.shape[1])
        if count < least:
            message = f"`{self.name()}` on {z.shape[1]} dimensions needs at least {least} rows"
            hint = "use larger batches or a narrower projector"
            raise error("RRL405", f"{message} that count, but there are {count}", hint=hint)


@register("projection")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Projection(_OverRows):
    """Projects the graph on the embeddings: the residual of a least-squares fit.

    - tr(P_Z G) / n, P_Z = Z (Z^T Z)^-1 Z^T

    Appendix E of Maes et al., equations 22 to 30, which write Y^T Y for Y Y^T. For targets Y and G
    = Y Y^T, as for `supervised()`, it is min_W |Y - Z W|^2 / n - tr(G) / n: up to a constant, the
    residual of the best linear map from the embeddings to the targets. It is a trace and not a mean
    over edges: all n rows count, weights are used as they are, self is included, and an asymmetric
    graph is replaced by (G + G^T) / 2. A row with an unknown label has the target 0.

    P_Z is computed from a Cholesky factor of Z^T Z in float64. With a ridge, it is the projection
    of ridge regression.
    """

    ridge: Annotated[
        float, Field(ge=0, lt=1, description="The ridge, relative to the diagonal of Z^T Z.")
    ] = 1e-6
    intercept: Annotated[bool, Field(description="Whether the linear map has an intercept.")] = (
        False
    )

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`.

        Raises:
            RRLError: RRL405 if there are no more rows than dimensions, RRL406 if the columns
                are not the rows, RRL409 if the embeddings do not span their dimensions.
        """
        self._check(z, keys, len(z))
        ones = torch.ones(len(z), dtype=torch.float64, device=z.device)
        exact, constant = center(z, ones) if self.intercept else (z.double(), False)
        gram = exact.T @ exact
        ridge = self.ridge * gram.diagonal().mean()
        identity = torch.eye(len(gram), dtype=gram.dtype, device=z.device)
        factor, failed = cholesky(gram + ridge * identity)
        if bool(failed | constant):
            raise collapsed(z, "the graph cannot be projected on them", hint="raise `ridge`")
        basis: Tensor = torch.linalg.solve_triangular(factor, exact.T, upper=False).T
        if self.intercept:
            basis = torch.cat([basis, ones[:, None] / len(z) ** 0.5], dim=1)
        kept = (basis * relation.matmul(basis, with_self=True)).sum()
        return (-kept / len(z)).to(z.dtype)

    def least_rows(self, width: int) -> int:
        """One more than the linear map has constants: fewer are met exactly."""
        return super().least_rows(width) + self.intercept


@register("laplacian")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Laplacian(_OverRows):
    """Laplacian eigenmaps: whitened embeddings that differ little along edges.

    mean over edges of |v_i - v_j|^2 / 2, v the embeddings, whitened all together

    With `normalize=edges` it is tr(V^T L V) / sum w, where L = D - W is the Laplacian of the graph,
    or of (W + W^T) / 2 if W is asymmetric. Its minimum is the sum of the d smallest eigenvalues
    except that of the constant vector; V then spans their eigenvectors. The constraint determines
    the eigenvalue problem.

    `constraint=identity` whitens all rows equally: V^T 1 = 0 and V^T V / n = I. The eigenvalues are
    those of n L / sum w, as in Balestriero and LeCun (2022). Here, every row without an edge adds
    an eigenvector with eigenvalue 0.

    `constraint=degree` whitens with the degrees D: V^T D 1 = 0 and V^T D V / sum w = I. The
    eigenvalues are those of L f = lambda D f, the eigenmaps of Belkin and Niyogi (2003). D has the
    row sums of W, also if W is asymmetric. Rows without an edge have no weight.

    With `normalize=rows`, the rows of the graph are first scaled to sum to 1, so D is 1 for rows
    with an edge and 0 for others. On `ssl(views=2)` all four combinations agree.

    Whitening uses a Cholesky factor in float64, shrunk relative to the trace. A dimension whose
    variance is below the shrinkage costs less than its eigenvalue.
    """

    normalize: Annotated[
        Normalize, Field(description="Whether to average over rows or over edges.")
    ] = "rows"
    constraint: Annotated[
        Literal["identity", "degree"], Field(description="How to weight rows in the whitening.")
    ] = "identity"
    shrinkage: Annotated[
        float, Field(ge=0, lt=1, description="The share of the mean variance.")
    ] = 1e-6

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`.

        Raises:
            RRLError: RRL405 if no more rows than dimensions weigh in the whitening, RRL406 where
                the columns are not the rows, RRL409 if the embeddings cannot be whitened.
        """
        degree = relation.degree()
        mass = self._mass(degree)
        self._check(z, keys, int((mass > 0).sum()))
        whitened, failed = whiten(z, self.shrinkage, mass=mass)
        if bool(failed):
            raise collapsed(z, "they cannot be whitened", hint="raise `shrinkage`")
        distance = relation.sqdist(whitened, whitened)
        return mean_over_edges(distance, degree, self.normalize).to(z.dtype) / 2

    def _mass(self, degree: Tensor) -> Tensor:
        """Returns the weight of each row in the whitening, (n,)."""
        related = degree > 0
        if self.constraint == "identity":
            return torch.ones_like(degree)
        mass = degree if self.normalize == "edges" else related.to(degree.dtype)
        return mass.where(related.any(), 1.0)  # a graph without edges has the loss 0
