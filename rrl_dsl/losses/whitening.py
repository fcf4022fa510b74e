"""Losses that whiten the embeddings and then pull related rows together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.relation import Relation
from rrl_dsl.graph import draws
from rrl_dsl.graph.streams import stream_word
from rrl_dsl.language.diagnostics import error
from rrl_dsl.losses.base import OPTIONS, Loss, Normalize, mean_over_edges, unit
from rrl_dsl.losses.collapse import collapsed
from rrl_dsl.losses.covariance import Whitening, whiten
from rrl_dsl.losses.registry import register


@register("wmse")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class WMSE(Loss):
    """Whitening MSE: mean squared distance of related rows after whitening.

    mean over edges of |v_i - v_j|^2, v the whitened and then l2-normalized rows

    Ermolov et al. (2021); equation 2 of Maes et al., with a minus sign that the equation lacks.
    Each view is whitened separately, in slices of samples of nearly equal size. Slices are ordered
    by a hash of (seed, step, sample), so they are the same in every view. Edges between slices
    count. Whitening runs in float64 on the covariance, shrunk relative to its trace. `iterations`
    averages over several slicings, like `w_iter` of the authors.

    The authors, lightly and solo-learn whiten with Cholesky factors. `whitening=zca` moves the rows
    least, and does not depend on the order of the dimensions. If all rows are whitened together,
    both give the same loss, because one is a rotation of the other.

    `detach=later` stops the gradient of each edge at its later view. The value does not change. The
    last view then follows the others only through the shared weights. solo-learn does this; it
    published 61.33 on CIFAR-100 and 88.67 on CIFAR-10 with slices of 128 and one iteration. The
    authors and lightly do not.

    On dense graphs, the mean over rows and the slices matter: whitening all rows together
    (`slice=0`, `by_view=false`) or `normalize=edges` lowers the accuracy.

    `unit_length=false` divides whitened rows by sqrt(d) instead, so that their mean squared length
    is 1, like `norm=False` of the authors. Use it if labels relate many rows and there are fewer
    classes than dimensions. Rows of length 1 have a shortcut there: a few outliers take all of the
    variance, all other rows coincide, and this costs less than separated classes.
    """

    normalize: Annotated[
        Normalize, Field(description="Whether to average over rows or over edges.")
    ] = "rows"
    slice: Annotated[
        int, Field(ge=0, description="The least number of samples in a slice; 0: all.")
    ] = 128
    iterations: Annotated[int, Field(ge=1, le=1000, description="The number of slicings.")] = 1
    by_view: Annotated[bool, Field(description="Whether to whiten views separately.")] = True
    whitening: Annotated[
        Whitening, Field(description="By a Cholesky factor or a symmetric root.")
    ] = "cholesky"
    shrinkage: Annotated[
        float, Field(ge=0, lt=1, description="The share of the mean variance.")
    ] = 1e-6
    unit_length: Annotated[
        bool, Field(description="Whether to scale each whitened row to length 1.")
    ] = True
    detach: Annotated[
        Literal["none", "later"],
        Field(description="Where to stop the gradient of an edge."),
    ] = "none"

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`.

        Raises:
            RRLError: RRL405 if a view has fewer rows than twice the width, RRL409 if the
                embeddings have collapsed so far that no slice can be whitened.
        """
        values = [
            self._of_slicing(relation, z, keys, iteration) for iteration in range(self.iterations)
        ]
        return torch.stack(values).mean()

    def least_rows(self, width: int) -> int:
        """Twice the width: fewer rows have no covariance worth whitening by."""
        return 2 * width

    def _of_slicing(self, relation: Relation, z: Tensor, keys: Tensor, iteration: int) -> Tensor:
        draw = {"seed": relation.seed, "step": relation.step, "iteration": iteration}
        q = self._whitened(z, relation.rows, draw)
        k = q if keys is z else self._whitened(keys, relation.cols, draw)
        stopped = self.detach == "later"
        total = _sqdist_of_earlier(relation, q, k) if stopped else relation.sqdist(q, k)
        return mean_over_edges(total, relation.degree(), self.normalize)

    def _whitened(self, z: Tensor, rows: Nodes, draw: Mapping[str, int]) -> Tensor:
        least = self.least_rows(z.shape[1])
        views = rows.view if self.by_view else torch.zeros_like(rows.view)
        size = max(self.slice, least) if self.slice else len(rows)
        slices = sliced(rows.sample, views, size, **draw)
        for members in slices:
            if len(members) < least:
                message = f"whitening {z.shape[1]} dimensions needs at least {least} rows per view"
                hint = "use larger batches or a narrower projector"
                raise error("RRL405", f"{message}, but there are {len(members)}", hint=hint)
        parts = [whiten(z[members], self.shrinkage, whitening=self.whitening) for members in slices]
        order = torch.cat(slices)
        whitened = torch.cat([part for part, _ in parts])
        if bool(torch.stack([failed for _, failed in parts]).any()):
            raise collapsed(z, "they cannot be whitened", hint="raise `shrinkage`")
        ordered = torch.empty_like(whitened).index_copy(0, order, whitened).to(z.dtype)
        return unit(ordered) if self.unit_length else ordered / z.shape[1] ** 0.5


def sliced(
    sample: Tensor, view: Tensor, size: int, *, seed: int, step: int, iteration: int = 0
) -> list[Tensor]:
    """Divides the rows of each view into slices of nearly equal size, to whiten separately.

    Samples are ordered by a hash, so that a slice holds the same samples in every view and does
    not depend on the order of the batch.

    Args:
        sample: int64 (n,).
        view: int64 (n,).
        size: The least number of rows in a slice, unless the view itself has fewer.
        seed: The recipe's seed.
        step: The optimizer step.
        iteration: The number of the slicing within the step.

    Returns:
        Row indices, int64, one tensor per slice; together a permutation of all rows.
    """
    key = torch.full_like(sample[:1], draws.key(seed, stream_word("wmse", iteration), step))
    hashes = draws.row_hash(sample, None, key) << 31 | sample & 0x7FFFFFFF
    slices: list[Tensor] = []
    for index in torch.unique(view):
        members = (view == index).nonzero().squeeze(1)
        ordered = members[hashes[members].argsort(stable=True)]
        slices += ordered.tensor_split(max(1, len(ordered) // size))
    return slices


def _sqdist_of_earlier(relation: Relation, q: Tensor, k: Tensor) -> Tensor:
    """`relation.sqdist`, with a gradient only at the row of the earlier view of each pair.

    In a pair within one view, both rows have a gradient.
    """
    total = q.new_zeros(len(q))
    for view in torch.unique(relation.rows.view):
        rows = (relation.rows.view == view).nonzero().squeeze(1)
        earlier, later = relation.cols.view < view, relation.cols.view > view
        there = torch.where(later[:, None], k.detach(), k)
        for side, here in ((earlier, q.detach()), (~earlier, q)):
            cols = side.nonzero().squeeze(1)
            part = relation.restricted(rows, cols).sqdist(here[rows], there[cols])
            total = total.index_add(0, rows, part)
    return total
