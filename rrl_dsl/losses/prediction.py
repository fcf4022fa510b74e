"""Losses that compare predictions with embeddings of related rows, or with neighbors in a bank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

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
    """Negative cosine similarity between the prediction of a row and the related teacher rows.

    - sum_ij w_ij cos(p_i, sg(k_j)) / sum_ij w_ij, p the predictions, k the teacher's projections

    Grill et al. (2020). On `ssl(views=2)` it is averaged over both orders of the views.
    `normalize=edges` is the formula above. `normalize=rows` is the mean over rows with an edge of
    the mean of each row. Both agree on `ssl(views=2)`.

    `form=cosine` is the form of lightly and SimSiam. `form=distance` is 2 - 2 cos, the squared
    distance of unit vectors, as in equation 2 of BYOL. The paper and solo-learn sum over the two
    orders of the views, so their values are twice the value of `distance`. The published accuracies
    of solo-learn use that form.
    """

    row_wise: ClassVar[bool] = True

    form: Annotated[
        Literal["cosine", "distance"],
        Field(description="`cosine` is -cos, `distance` is 2 - 2 cos."),
    ] = "cosine"
    normalize: Annotated[
        Normalize, Field(description="Whether to average over rows or over edges.")
    ] = "rows"

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
    """Squared distance between the prediction of a row and the related teacher rows.

    - mean_i (1/deg_i) sum_j w_ij (2 - 2 cos(p_i, sg(k_j))), p the predictions, k the teacher's

    `byol` in the form of the code of MeanShift (Koohpayegani et al. 2021). Use it with the k
    nearest rows to the teacher's embedding of the other view: `ssl() | knn(k - 1, space=teacher,
    bank=m, query=other, directed=true)`. It is k - 1 because the other view is its own nearest
    neighbor. In their code, the rows are one view of the batch, and the columns are the other view
    and earlier rows of it; `relate(rows, cols)` of such rows gives their loss. The trainer uses
    both views as rows and as columns. It averages both directions, and searches neighbors among
    both views of the other samples.
    """

    form: Annotated[
        Literal["cosine", "distance"],
        Field(description="`cosine` is -cos, `distance` is 2 - 2 cos."),
    ] = "distance"


@register("simsiam")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SimSiam(BYOL):
    """Negative cosine similarity between the prediction of a row and the related projections.

    - sum_ij w_ij cos(p_i, sg(z_j)) / sum_ij w_ij, p the predictions, z the projections

    `byol` without a teacher: the gradient stops at the projections (Chen and He 2021). On
    `ssl(views=2)`, `form=cosine` is the loss of the paper, of lightly and of solo-learn, averaged
    over both orders of the views.
    """

    def inputs(self) -> Mapping[str, Output]:
        """Predictions, and the projections they are predicted from as keys."""
        return {"z": "prediction", "keys": "projection"}


@register("nnclr")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class NNCLR(Loss):
    """Cross-entropy of the related rows under a softmax from the nearest neighbor in a bank.

    - mean_i (1/deg_i) sum_j w_ij log softmax_j(a_i . p_j / T)

    a_i is the row of the bank that is nearest to the projection z_i by cosine similarity. p_j are
    the predictions. All have length 1. Only the predictions receive a gradient. `normalize=edges`
    divides the sum over all edges by sum w; it agrees with `rows` on `ssl(views=2)`. Dwibedi et al.
    (2021). Equation 21 of Maes et al. lacks -log and the sum over the graph, writes i != q for i !=
    k, and has projections in place of predictions.

    `form=info_nce` compares a_i with the columns of the other views: n columns for a batch of n
    samples with two views. Edges within a view are ignored. This is the pseudocode of the paper and
    the code of solo-learn, which published 69.62 on CIFAR-100 and 91.88 on CIFAR-10 with T = 0.2
    and a bank of 65,536. If all columns are of the row's own view, the row is compared with all
    columns except itself.

    `form=nt_xent` is the example of lightly: NT-Xent over neighbors and predictions together. The
    neighbor of a row is compared with the predictions of other views and the neighbors of its own
    view. The prediction of a row is compared with the neighbors of other views and the predictions
    of its own view. Edges within a view count. The columns must be the rows.
    """

    temperature: Temperature = 0.2
    form: Annotated[
        Literal["info_nce", "nt_xent"],
        Field(description="The columns of other views, or NT-Xent with neighbors."),
    ] = "info_nce"
    normalize: Annotated[
        Normalize, Field(description="Whether to average over rows or over edges.")
    ] = "rows"

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
            RRLError: RRL406 if the bank is empty or of another width, or if `form=nt_xent`
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
        total, degree = (torch.cat(values) for values in zip(*parts, strict=True))
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
    """Returns the row of a bank that is nearest to each embedding by cosine similarity.

    Args:
        z: (n, d).
        bank: (m, d), m > 0.

    Returns:
        (n, d), of length 1, without a gradient.
    """
    candidates = unit(bank.to(z.dtype))
    return candidates[(unit(z) @ candidates.T).argmax(dim=1)]


def _across_views(relation: Relation) -> Iterator[tuple[Relation, Tensor, Tensor]]:
    """The relation of the rows of each view to the columns of other views, with their positions.

    If there is no other view, the relation is to all columns.
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
