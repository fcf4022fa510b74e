"""Losses that predict related rows' embeddings, or find them in a bank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from rrl_dsl.backends.relation import Relation
from rrl_dsl.language.diagnostics import error
from rrl_dsl.losses.base import OPTIONS, Loss, Normalize, mean_over_edges, unit
from rrl_dsl.losses.contrastive import Temperature
from rrl_dsl.losses.outputs import Output
from rrl_dsl.losses.registry import register


@register("byol")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class BYOL(Loss):
    """Negative cosine similarity of each row's prediction to the teacher's related rows.

    - sum_ij w_ij cos(p_i, sg(k_j)) / sum_ij w_ij, p the predictions, k the teacher's projections

    Grill et al. (2020), on `ssl(views=2)` averaged over both orders of the views. `normalize=rows`
    is the mean over rows with an edge of each row's mean, `edges` the formula above; on
    `ssl(views=2)` they agree.

    `form=cosine` is lightly's and SimSiam's. `form=distance` is 2 - 2 cos, the squared distance of
    unit vectors: equation 2 of BYOL. BYOL's paper and solo-learn, whose
    published numbers are of `distance`, sum over the two orders of the views what is averaged
    here: twice this value.
    """

    form: Annotated[
        Literal["cosine", "distance"], Field(description="-cos, or the distance 2 - 2 cos.")
    ] = "cosine"
    normalize: Annotated[Normalize, Field(description="Mean over rows or over edges.")] = "rows"

    def inputs(self) -> Mapping[str, Output]:
        """Predictions, and the teacher's projections as keys."""
        return {"z": "prediction", "keys": "teacher_projection"}

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        degree = relation.degree().to(z.dtype)
        cosines = relation.dot(unit(z), unit(keys.detach()))
        total = -cosines if self.form == "cosine" else 2 * (degree - cosines)
        return mean_over_edges(total, degree, self.normalize)


@register("mean_shift")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class MeanShift(BYOL):
    """Squared distance of each row's prediction to the teacher's related rows.

    - mean_i (1/deg_i) sum_j w_ij (2 - 2 cos(p_i, sg(k_j))), p the predictions, k the teacher's

    `byol` in the form of MeanShift's code (Koohpayegani et al. 2021), over the k nearest rows to
    the other view's teacher: `ssl() | knn(k - 1, space=teacher, bank=m, query=other,
    directed=true)`, since the other view is its own nearest. In its code the rows are one view of
    the batch, and the columns the other view and earlier ones of it; `relate(rows, cols)` of such
    rows gives its loss. The trainer has both views as rows and as columns: it averages both
    directions, and seeks neighbors among both views of the other samples.
    """

    form: Annotated[
        Literal["cosine", "distance"], Field(description="-cos, or the distance 2 - 2 cos.")
    ] = "distance"


@register("simsiam")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SimSiam(BYOL):
    """Negative cosine similarity of each row's prediction to the related rows' own projections.

    - sum_ij w_ij cos(p_i, sg(z_j)) / sum_ij w_ij, p the predictions, z the projections

    `byol` without a teacher: the gradient stops at the projections (Chen and He 2021). On
    `ssl(views=2)` `form=cosine` is the paper's loss, lightly's and solo-learn's, averaged over
    both orders of the views as theirs are.
    """

    def inputs(self) -> Mapping[str, Output]:
        """Predictions, and the projections they are predicted from as keys."""
        return {"z": "prediction", "keys": "projection"}


@register("nnclr")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class NNCLR(Loss):
    """Cross-entropy of relations under a softmax from each row's nearest neighbor in a bank.

    - mean_i (1/deg_i) sum_j w_ij log softmax_j(a_i . p_j / T)

    Equation 21 of Maes et al. (Dwibedi et al. 2021), which lacks -log and the sum over G, writes
    i != q for i != k, and has projections for predictions. a_i is the bank's nearest row to the
    projection z_i by cosine similarity, p_j are the predictions, all of length 1. The gradient
    reaches the predictions alone. `normalize=edges` sums over all edges and divides by sum w; on
    `ssl(views=2)` it agrees with `rows`.

    `form=info_nce` compares a_i with the columns of other views than row i's, n of them in a
    batch of n samples with two views; edges within a view do not count. That is the paper's
    pseudo-code, and solo-learn's code, which published 69.62 on CIFAR-100 and 91.88 on CIFAR-10
    at T = 0.2 with a bank of 65,536. Where all columns are of the row's own view, it is compared
    with all but itself.

    `form=nt_xent` is what lightly's example does: NT-Xent over neighbors and predictions together.
    A row's neighbor is compared with the predictions of other views and the neighbors of its
    own, its prediction with the neighbors of other views and the predictions of its own; edges
    within a view count. The columns must be the rows.
    """

    temperature: Temperature = 0.2
    form: Annotated[
        Literal["info_nce", "nt_xent"],
        Field(description="Against other views, or NT-Xent of neighbors and predictions."),
    ] = "info_nce"
    normalize: Annotated[Normalize, Field(description="Mean over rows or over edges.")] = "rows"

    def inputs(self) -> Mapping[str, Output]:
        """Projections, predictions as keys, and a bank of earlier projections."""
        return {"z": "projection", "keys": "prediction", "bank": "bank"}

    def value(self, relation: Relation, z: Tensor, keys: Tensor, *, bank: Tensor) -> Tensor:
        """See `Loss.value`.

        Args:
            relation: The relation of n rows and m columns.
            z: The projections of the rows, (n, d).
            keys: The predictions of the columns, (m, d).
            bank: Earlier projections, (b, d) with b > 0, in any order.

        Raises:
            RRLError: RRL406 where the bank is empty or of another width, or where `form=nt_xent`
                meets columns that are not the rows.
        """
        if bank.ndim != 2 or bank.shape[1] != z.shape[1] or not len(bank):
            message = (
                f"a bank for embeddings of width {z.shape[1]} must have shape (m, {z.shape[1]})"
            )
            hint = "fill it with earlier projections before the first loss"
            raise error("RRL406", f"{message} and m > 0, not {tuple(bank.shape)}", hint=hint)
        anchors, predictions = nearest(z, bank), unit(keys)
        if self.form == "info_nce":
            compared = [
                (part, anchors[rows], predictions[cols])
                for part, rows, cols in _across_views(relation)
            ]
        else:
            compared = list(_joined(relation, anchors, predictions))
        parts = [part.cross_entropy(q, k, 1 / self.temperature) for part, q, k in compared]
        total, degree = (torch.cat(each) for each in zip(*parts, strict=True))
        return mean_over_edges(total, degree, self.normalize)

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """As `Loss.skipped`; `form=info_nce` leaves out rows with edges in their own view alone."""
        shares = super().skipped(relation)
        if self.form == "info_nce":
            parts = list(_across_views(relation))
            counted = torch.cat([part.degree() > 0 for part, _, _ in parts])
            related = torch.cat([relation.degree()[rows] > 0 for _, rows, _ in parts])
            shares["without_edge_to_another_view"] = (related & ~counted).float().mean()
        return shares


@torch.no_grad()
def nearest(z: Tensor, bank: Tensor) -> Tensor:
    """The row of a bank that is nearest to each embedding by cosine similarity.

    Args:
        z: (n, d).
        bank: (m, d), m > 0.

    Returns:
        (n, d), of length 1, without a gradient.
    """
    found = unit(bank.to(z.dtype))
    return found[(unit(z) @ found.T).argmax(dim=1)]


def _across_views(relation: Relation) -> Iterator[tuple[Relation, Tensor, Tensor]]:
    """For the rows of each view, their relation to the columns of other views, or to all columns.

    With it the places of its rows and columns. All columns where there is no other view.
    """
    for view in torch.unique(relation.rows.view):
        rows = (relation.rows.view == view).nonzero().squeeze(1)
        cols = (relation.cols.view != view).nonzero().squeeze(1)
        if not len(cols):
            cols = torch.arange(len(relation.cols), device=rows.device)
        yield relation.restricted(rows, cols), rows, cols


def _joined(
    relation: Relation, anchors: Tensor, predictions: Tensor
) -> Iterator[tuple[Relation, Tensor, Tensor]]:
    """For the rows of each view, what NT-Xent over anchors and predictions compares them with."""
    rows, cols = relation.rows, relation.cols
    if not (torch.equal(rows.sample, cols.sample) and torch.equal(rows.view, cols.view)):
        message = "`form=nt_xent` of the loss `nnclr` needs the rows as columns"
        raise error("RRL406", message, hint="use `form=info_nce` for other columns")
    everything = torch.arange(len(rows), device=rows.device)
    for view in torch.unique(rows.view):
        own = rows.view == view
        members = own.nonzero().squeeze(1)
        part = relation.restricted(members, everything)
        for here, there in ((anchors, predictions), (predictions, anchors)):
            yield part, here[members], torch.where(own[:, None], here, there)
