"""Losses that whiten the embeddings and then pull related rows together."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from rrl_dsl.backends import hashing
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.relation import Relation
from rrl_dsl.graph import draws
from rrl_dsl.graph.streams import stream_word
from rrl_dsl.language.diagnostics import error
from rrl_dsl.losses.base import OPTIONS, Loss, Normalize, mean_over_edges, unit
from rrl_dsl.losses.collapse import collapsed
from rrl_dsl.losses.registry import register


@register("wmse")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class WMSE(Loss):
    """Whitening MSE: mean squared distance of related rows after whitening.

    mean over edges of |v_i - v_j|^2, v the whitened and then l2-normalised rows

    Equation 2 of Maes et al., with the minus sign that it lacks (Ermolov et al. 2021). Each
    view is whitened by itself, in slices of its samples: ordered by a hash of (seed, step, sample),
    alike in every view, near-equal in size. Edges across slices count. Whitening is by the
    Cholesky factor of the covariance, in float64, shrunk relative to its trace.

    On rich graphs the mean over rows and the slices matter: whitening all rows together
    (`slice=0`, `by_view=false`) or `normalize=edges` costs accuracy there.
    """

    normalize: Annotated[Normalize, Field(description="Mean over rows or over edges.")] = "rows"
    slice: Annotated[
        int, Field(ge=0, description="Samples whitened together, at least; 0 for all.")
    ] = 128
    by_view: Annotated[bool, Field(description="Whiten each view by itself.")] = True
    shrinkage: Annotated[
        float, Field(ge=0, lt=1, description="Share of the mean variance mixed in.")
    ] = 1e-6

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`.

        Raises:
            RRLError: RRL405 where a view has fewer rows than twice the width, RRL409 where the
                embeddings have collapsed so far that no slice can be whitened.
        """
        seed, step = relation.seed, relation.step
        q = self._whitened(z, relation.rows, seed, step)
        k = q if keys is z else self._whitened(keys, relation.cols, seed, step)
        return mean_over_edges(relation.sqdist(q, k), relation.degree(), self.normalize)

    def least_rows(self, width: int) -> int:
        """Twice the width: fewer rows have no covariance worth whitening by."""
        return 2 * width

    def _whitened(self, z: Tensor, rows: Nodes, seed: int, step: int) -> Tensor:
        least = self.least_rows(z.shape[1])
        views = rows.view if self.by_view else torch.zeros_like(rows.view)
        size = max(self.slice, least) if self.slice else len(rows)
        slices = sliced(rows.sample, views, size, seed=seed, step=step)
        for each in slices:
            if len(each) < least:
                message = f"whitening {z.shape[1]} dimensions wants at least {least} rows of a view"
                hint = "use larger batches or a narrower projector"
                raise error("RRL405", f"{message}, and there are {len(each)}", hint=hint)
        parts = [whiten(z[each], self.shrinkage) for each in slices]
        order = torch.cat(slices)
        whitened = torch.cat([part for part, _ in parts])
        if bool(torch.stack([failed for _, failed in parts]).any()):
            raise collapsed(z, "they cannot be whitened", hint="raise `shrinkage`")
        return unit(torch.empty_like(whitened).index_copy(0, order, whitened).to(z.dtype))


def sliced(sample: Tensor, view: Tensor, size: int, *, seed: int, step: int) -> list[Tensor]:
    """Rows to whiten together: of one view, near-equal numbers, at least `size` where there are.

    Samples are ordered by a hash, so that a slice holds the same samples in every view and does
    not depend on the order of the batch.

    Args:
        sample: int64 (n,).
        view: int64 (n,).
        size: The least number of rows in a slice, unless the view itself has fewer.
        seed: The recipe's seed.
        step: The optimiser step.

    Returns:
        Row indices, int64, one tensor a slice; together a permutation of all rows.
    """
    key = torch.full_like(sample[:1], draws.key(seed, stream_word("wmse", 0), step))
    hashes = hashing.row_hash(sample, None, key) << 31 | sample & 0x7FFFFFFF
    slices: list[Tensor] = []
    for each in torch.unique(view):
        members = (view == each).nonzero().squeeze(1)
        ordered = members[hashes[members].argsort(stable=True)]
        slices += ordered.tensor_split(max(1, len(ordered) // size))
    return slices


def whiten(z: Tensor, shrinkage: float, mass: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Rows with zero mean and, but for the shrinkage, the identity as covariance.

    Args:
        z: (n, d).
        shrinkage: How much of the mean variance is mixed into the covariance, from 0 to 1.
        mass: What each row weighs in mean and covariance, (n,), not negative; the covariance is
            then divided by its sum. Where left out all rows weigh 1, and it is by n - 1.

    Returns:
        float64 (n, d), and a bool scalar that says whether the covariance had no Cholesky factor.
    """
    weights = torch.ones(len(z), device=z.device) if mass is None else mass
    total = max(len(z) - 1, 1) if mass is None else mass.double().sum()
    centred, constant = centre(z, weights)
    covariance = (weights.double()[:, None] * centred).T @ centred / total
    mean_variance = covariance.diagonal().mean()
    identity = torch.eye(z.shape[1], dtype=torch.float64, device=z.device)
    covariance = (1 - shrinkage) * covariance + shrinkage * mean_variance * identity
    factor, failed = cholesky(covariance)
    failed = failed | constant
    return torch.linalg.solve_triangular(factor, centred.T, upper=False).T, failed


def centre(z: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Rows less their weighted mean.

    Args:
        z: (n, d).
        weights: (n,), not all 0.

    Returns:
        float64 (n, d), and a bool scalar that says whether all rows are alike, so that nothing is
        left but rounding errors.
    """
    weights = weights.double()[:, None]
    mean = (weights * z.double()).sum(dim=0) / weights.sum()
    centred = z.double() - mean
    rounding = len(z) * torch.finfo(torch.float64).eps * mean.abs()
    return centred, (centred.abs() <= rounding).all()


def cholesky(gram: Tensor) -> tuple[Tensor, Tensor]:
    """The Cholesky factor of a Gram matrix, and whether it has none.

    A dimension that the earlier ones explain but for rounding counts as explained: its pivot would
    be made of rounding errors, and so would all that is solved by it.

    Args:
        gram: (d, d), symmetric.

    Returns:
        The lower factor (d, d), the identity where there is none; and a bool scalar.
    """
    factor, info = torch.linalg.cholesky_ex(gram)
    left = factor.diagonal().square()
    rounding = len(gram) * torch.finfo(gram.dtype).eps * gram.diagonal()
    failed = (info != 0) | ~torch.isfinite(factor).all() | (left <= rounding).any()
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return torch.where(failed, identity, factor), failed
