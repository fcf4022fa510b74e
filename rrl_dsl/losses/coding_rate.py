"""SimDINO: alignment with a teacher, and the coding rate in place of prototypes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from rrl_dsl.backends.relation import Relation
from rrl_dsl.language.diagnostics import error
from rrl_dsl.losses.base import OPTIONS, Loss, Normalize, mean_over_edges, unit
from rrl_dsl.losses.contrastive import WithSelf
from rrl_dsl.losses.outputs import Output
from rrl_dsl.losses.registry import register

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@register("simdino")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class SimDINO(Loss):
    """Alignment of rows and hidden patches with the teacher, minus the coding rate of the student.

    - mean over edges of cos(s_i, t_j) - a mean over hidden patches of cos(s_ip, t_ip) - b R

    Wu et al. (2025): SimDINO and SimDINOv2. `patch_weight=0` is SimDINO, and needs no patches. s
    are the embeddings of the student, and t those of the teacher, without a gradient. a is
    `patch_weight`, and b is `rate_weight`. There are two forms:

    - `form=authors` is the code of the authors. All embeddings have length 1. R is the mean over
      views of (1/d + 1/m) (1/2) logdet(I + d / (m epsilon) S^T S), where S are the m rows of a
      view, not centered. Only views that the teacher sees have a rate: views with a row among the
      columns, so no local crops. If no row is a column, as with a bank, all views have one. The
      mean over patches is over the hidden patches of a row, then over the rows that have patches;
      local crops may have none. A row without hidden patches counts as 0. The published runs use
      `epsilon=0.05` (epsilon^2 in the paper), `rate=mean` and weights of 1; SimDINO has no patch
      term.
    - `form=paper` is equations 16 to 20 of Maes et al., with embeddings that are not normalized. It
      is 1/n times the sum over edges of w_ij |s_i - t_j|^2, whatever `normalize` is, plus a/n times
      the sum over hidden patches of |s_ip - t_ip|^2, minus b R with R = (1/2) logdet(I + d /
      epsilon^2 Cov(G S)). The covariance is over all rows, centered, and divided by n. G keeps its
      diagonal there. The sum over edges includes the diagonal with `with_self=true`, as in equation
      18. Equation 20 prints the embeddings of the teacher, which have no gradient; Wu et al. use
      those of the student, and so does this loss. Every column must therefore be one of the rows.

    Sums over edges exclude self, unless `with_self` is set. The mean over edges with
    `normalize=edges` is the mean over all pairs of views in the code of the authors; `rows` agrees
    unless there are local crops. A graph without edges has no alignment term. The other terms of
    `form=authors` do not depend on the graph.
    """

    epsilon: Annotated[
        float, Field(gt=0, allow_inf_nan=False, description="The distortion of the rate.")
    ] = 0.05
    rate_weight: Annotated[Weight, Field(description="The weight of the coding rate.")] = 1.0
    patch_weight: Annotated[
        Weight, Field(description="The weight of the patches; 0: no patches.")
    ] = 1.0
    rate: Annotated[
        Literal["student", "mean"],
        Field(description="Rate of the student, or of its mean with the teacher (`authors`)."),
    ] = "student"
    normalize: Annotated[
        Normalize, Field(description="Average over rows or edges (`authors`).")
    ] = "rows"
    with_self: WithSelf = False
    form: Annotated[
        Literal["authors", "paper"],
        Field(description="The code of the authors, or equations 16 to 20."),
    ] = "authors"

    def inputs(self) -> Mapping[str, Output]:
        """See `Loss.inputs`."""
        inputs: dict[str, Output] = {"z": "projection", "keys": "teacher_projection"}
        if self.patch_weight:
            inputs |= {"patches": "patches", "teacher_patches": "teacher_patches", "mask": "mask"}
        return inputs

    def value(self, relation: Relation, z: Tensor, keys: Tensor, **patches: Tensor) -> Tensor:
        """See `Loss.value`.

        Raises:
            RRLError: RRL406 if a column is not a row with `form=paper`, or a row is not a column
                with `rate=mean`.
        """
        if self.form == "paper":
            return self._of_the_paper(relation, z, keys.detach(), **patches)
        return self._of_the_authors(relation, z, keys.detach(), **patches)

    def _of_the_authors(
        self, relation: Relation, z: Tensor, keys: Tensor, **patches: Tensor
    ) -> Tensor:
        student, teacher = unit(z), unit(keys)
        own = relation.own_column()
        views = taught_views(relation.rows.view, own)
        pairs = {"with_self": self.with_self}
        similarity, degree = relation.dot(student, teacher, **pairs), relation.degree(**pairs)
        aligned = mean_over_edges(similarity, degree, self.normalize)
        value = -aligned - self.rate_weight * self._mean_rate(student, teacher, own, views)
        if patches:
            value = value - self.patch_weight * patch_similarity(**patches).mean()
        return value

    def _mean_rate(
        self, student: Tensor, teacher: Tensor, own: Tensor, views: list[Tensor]
    ) -> Tensor:
        if self.rate == "mean":
            counted = torch.cat(views)
            if bool((own[counted] < 0).any()):
                message = (
                    "`rate=mean` of the loss `simdino` needs the teacher's embedding of every row"
                )
                raise error("RRL406", message, hint="use `rate=student`, or columns with all rows")
            student = (student + teacher[own]) / 2  # rows that do not count may be any
        width = student.shape[1]
        rates = [
            (1 / width + 1 / len(rows))
            * coding_rate(student[rows], width / (len(rows) * self.epsilon))
            for rows in views
        ]
        return torch.stack(rates).mean()

    def _of_the_paper(
        self, relation: Relation, z: Tensor, keys: Tensor, **patches: Tensor
    ) -> Tensor:
        n, width = z.shape
        row_of = _rows_of_columns(relation)
        if bool((row_of < 0).any()):
            message = (
                "`form=paper` of the loss `simdino` needs the student's embedding of every column"
            )
            raise error("RRL406", message, hint="use `form=authors`, or columns that are rows")
        related = relation.matmul(z[row_of], with_self=True)
        centered = related - related.mean(dim=0)
        rate = coding_rate(centered, width / (n * self.epsilon**2))
        distance = relation.sqdist(z, keys, with_self=self.with_self)
        value = distance.mean() - self.rate_weight * rate
        if patches:
            value = value + self.patch_weight * patch_distance(**patches).mean()
        return value


def coding_rate(z: Tensor, scale: float) -> Tensor:
    """(1/2) logdet(I + scale Z^T Z) of Z (m, d), a scalar; computed in float64."""
    exact = z.double()
    identity = torch.eye(z.shape[1], dtype=torch.float64, device=z.device)
    factor: Tensor = torch.linalg.cholesky_ex(identity + scale * (exact.T @ exact)).L
    return factor.diagonal().log().sum().to(z.dtype)


def _rows_of_columns(relation: Relation) -> Tensor:
    """Returns the row of each column, int64 (m,); -1 if the column is not a row."""
    own = relation.own_column()
    rows = (own >= 0).nonzero().squeeze(1)
    return own.new_full((len(relation.cols),), -1).index_copy(0, own[rows], rows)


def taught_views(view: Tensor, own: Tensor) -> list[Tensor]:
    """Returns the rows of each view that the teacher sees; of all views if it sees none.

    Args:
        view: int64 (n,), the view of each row.
        own: int64 (n,), the position of each row among the columns, or -1.

    Returns:
        Row indices, int64, one tensor per view.
    """
    views = [(view == index).nonzero().squeeze(1) for index in torch.unique(view)]
    return [rows for rows in views if bool((own[rows] >= 0).any())] or views


def patch_similarity(patches: Tensor, teacher_patches: Tensor, mask: Tensor) -> Tensor:
    """The mean cosine similarity of each row's hidden patches (r, P, d), (r,); 0 for none.

    Raises:
        RRLError: RRL406 if the shapes do not fit together.
    """
    _check_patches(patches, teacher_patches, mask)
    similarity = (unit(patches) * unit(teacher_patches.detach())).sum(dim=2)
    total = similarity.masked_fill(~mask, 0.0).sum(dim=1)
    return total / mask.sum(dim=1).clamp(min=1)


def patch_distance(patches: Tensor, teacher_patches: Tensor, mask: Tensor) -> Tensor:
    """The sum of squared distances of each row's hidden patches (r, P, d), (r,).

    Raises:
        RRLError: RRL406 if the shapes do not fit together.
    """
    _check_patches(patches, teacher_patches, mask)
    distance = (patches - teacher_patches.detach()).square().sum(dim=2)
    return distance.masked_fill(~mask, 0.0).sum(dim=1)


def _check_patches(patches: Tensor, teacher_patches: Tensor, mask: Tensor) -> None:
    if patches.ndim != 3 or teacher_patches.shape != patches.shape:
        shapes = f"{tuple(patches.shape)}, {tuple(teacher_patches.shape)}"
        raise error(
            "RRL406", f"patches must have shape (n, P, d), also those of the teacher, not {shapes}"
        )
    if mask.dtype != torch.bool or mask.shape != patches.shape[:2]:
        message = (
            f"`mask` must be bool {tuple(patches.shape[:2])}, not {mask.dtype} {tuple(mask.shape)}"
        )
        raise error("RRL406", message.replace("torch.", ""))
