"""Losses that compare a student with its teacher over prototypes, and DINOv2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.backends.relation import Relation
from rrl_dsl.language.diagnostics import error
from rrl_dsl.losses.base import OPTIONS, Learnable, Loss, Normalize, mean_over_edges, mean_over_rows
from rrl_dsl.losses.koleo import KoLeo
from rrl_dsl.losses.outputs import Output
from rrl_dsl.losses.registry import register
from rrl_dsl.losses.sinkhorn import sinkhorn
from rrl_dsl.losses.sums import Composite

_Temperature = Field(gt=0, allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Distillation(Loss):
    """What losses over a teacher's scores share: how these become probabilities.

    p_t = softmax((t - center) / T_t), or Sinkhorn-Knopp's assignment of t / T_t.

    The teacher's temperature goes up linearly with the epoch of the relation, over
    `warmup_epochs`; a matrix in its place is in epoch 0. Published settings: .04 to .07 over 30
    epochs (DINO and DINOv2 on ImageNet) or 50 (solo-learn, its numbers on CIFAR too).
    """

    temperature: Annotated[Learnable, Field(description="The student's temperature.")] = 0.1
    teacher_temperature: Annotated[
        float, _Temperature, Field(description="The teacher's, after the warm-up.")
    ] = 0.04
    warmup_teacher_temperature: Annotated[
        float, _Temperature, Field(description="The teacher's in the first epoch of the warm-up.")
    ] = 0.04
    warmup_epochs: Annotated[int, Field(ge=0, description="Epochs of warm-up; 0 for none.")] = 0
    centering: Annotated[
        Literal["mean", "sinkhorn", "none"],
        Field(description="Less the running center, balanced over the batch, or as they are."),
    ] = "mean"
    iterations: Annotated[
        int, Field(ge=1, le=1000, description="Iterations of Sinkhorn-Knopp.")
    ] = 3

    def teacher_temperature_at(self, epoch: int) -> float:
        """The teacher's temperature in an epoch, counted from 0."""
        if epoch >= self.warmup_epochs:
            return self.teacher_temperature
        done = epoch / max(self.warmup_epochs - 1, 1)
        first = self.warmup_teacher_temperature
        return first + done * (self.teacher_temperature - first)

    def targets(
        self, scores: Tensor, center: Tensor | None, epoch: int, among: Tensor | None = None
    ) -> Tensor:
        """The teacher's probabilities, without a gradient.

        Args:
            scores: The teacher's scores (r, K).
            center: Their running mean (K,); 0 where left out.
            epoch: The epoch.
            among: bool (r,), the rows that Sinkhorn-Knopp balances; all where left out.

        Raises:
            RRLError: RRL406 where the center has another shape.
        """
        scores, temperature = scores.detach(), self.teacher_temperature_at(epoch)
        if self.centering == "sinkhorn":
            return sinkhorn(scores, temperature, self.iterations, among)
        if center is not None:
            if center.shape != scores.shape[1:]:
                wanted, found = tuple(scores.shape[1:]), tuple(center.shape)
                raise error("RRL406", f"`center` must have shape {wanted}, not {found}")
            scores = scores - center.detach()
        return F.softmax(scores / temperature, dim=1)

    def _with_center(self, inputs: dict[str, Output], center: Output) -> dict[str, Output]:
        return inputs | {"center": center} if self.centering == "mean" else inputs


@register("dino")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class DINO(Distillation):
    """Cross-entropy of a student's prototypes with those of the related rows at its teacher.

    - mean over edges of p_t,j . log p_s,i, p_s = softmax(s / T), p_t = softmax((t - center) / T_t)

    Equations 7 and 11 of Maes et al. (Caron et al. 2021). Rows are the student's, columns the
    teacher's; the index of 11 is the other way round, which is the same where weights are
    symmetric, and it divides by N alone. `normalize=rows` is the mean over rows with an edge of
    each row's weighted mean, `edges` is - sum w p_t,j . log p_s,i / sum w. They agree where each
    row has the same degree, as on `ssl(views=2)`. Where the student sees more views than its
    teacher (local crops), it is `edges` that is the loss of DINO, lightly and solo-learn.

    Without options it is lightly's `DINOLoss()` at its first call, T_t = .04 and a center of 0.
    The running center is kept by who trains, and passed as `center` (K,). `centering=sinkhorn`
    (DINOv2) balances all columns with each other, those of a bank and of every view included.
    """

    normalize: Annotated[Normalize, Field(description="Mean over rows or over edges.")] = "rows"

    def inputs(self) -> Mapping[str, Output]:
        """See `Loss.inputs`."""
        return self._with_center({"z": "prototypes", "keys": "teacher_prototypes"}, "center")

    def value(
        self, relation: Relation, z: Tensor, keys: Tensor, *, center: Tensor | None = None
    ) -> Tensor:
        """See `Loss.value`.

        Raises:
            RRLError: RRL406 where the center has another shape than (K,).
        """
        targets = self.targets(keys, center, relation.epoch)
        total = relation.dot(F.log_softmax(z / self.temperature, dim=1), targets)
        return mean_over_edges(-total, relation.degree(), self.normalize)


@register("ibot")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class IBOT(Distillation):
    """Cross-entropy of a student's hidden patches with the same patches at its teacher.

    - mean_i 1/|M_i| sum_{p in M_i} p_t,i,p . log p_s,i,p, M_i the hidden patches of row i

    Equations 8 and 12 of Maes et al. (Zhou et al. 2022), which sum over the patches where the
    authors average. A row is compared with itself alone, whatever is related: with the column of
    the same sample and view. Rows that are not among the columns are left out. So there are no
    edges to normalize by; `images=all` counts the rows with no hidden patch too, as (8), DINOv2 and
    lightly's `IBOTPatchLoss` do, and DINOv2's weight of 1 is meant so (it hides patches in half
    of its images); `images=masked` does not.

    `centering=sinkhorn` (DINOv2) balances the hidden patches of all rows with each other.
    """

    images: Annotated[
        Literal["all", "masked"], Field(description="Mean over all rows, or those with a mask.")
    ] = "all"

    def inputs(self) -> Mapping[str, Output]:
        """See `Loss.inputs`."""
        inputs: dict[str, Output] = {
            "z": "patch_prototypes",
            "keys": "teacher_patch_prototypes",
            "mask": "mask",
        }
        return self._with_center(inputs, "patch_center")

    def value(
        self,
        relation: Relation,
        z: Tensor,
        keys: Tensor,
        *,
        mask: Tensor,
        center: Tensor | None = None,
    ) -> Tensor:
        """See `Loss.value`.

        Raises:
            RRLError: RRL406 where the mask is not bool (n, P), or the center has another shape
                than (K,).
        """
        if mask.dtype != torch.bool or mask.shape != z.shape[:2]:
            message = (
                f"`mask` must be bool {tuple(z.shape[:2])}, not {mask.dtype} {tuple(mask.shape)}"
            )
            raise error("RRL406", message.replace("torch.", ""))
        own = relation.own_column()
        among = own >= 0
        hidden = mask & among[:, None]
        scores = keys.detach()[own.clamp(min=0)].flatten(0, 1)
        targets = self.targets(scores, center, relation.epoch, hidden.flatten()).view_as(z)
        terms = (targets * F.log_softmax(z / self.temperature, dim=2)).sum(dim=2)
        count = hidden.sum(dim=1)
        mean = terms.masked_fill(~hidden, 0.0).sum(dim=1) / count.clamp(min=1)
        return -mean_over_rows(mean, among if self.images == "all" else count > 0)

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """The share of the rows that are not among the columns; what is hidden it cannot know."""
        return {"without_own_column": (relation.own_column() < 0).float().mean()}


@register("dinov2")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class DINOv2(Composite, Distillation):
    """DINO over the rows, iBOT over their hidden patches, KoLeo against collapse.

    dino + ibot * L_ibot + koleo * L_koleo

    Equations 6 and 10 of Maes et al. (Oquab et al. 2024); each term says how it differs from its
    own equation. The weights are those of DINOv2, which adds KoLeo up over its two global crops,
    so that its .1 is .2 of the mean here. There T_t goes from .04 to .07 over 30 epochs; centering
    is `mean` in its default, and `sinkhorn` for ViT-L and ViT-g.
    """

    ibot: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="Weight of iBOT; 0 drops it.")
    ] = 1.0
    koleo: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="Weight of KoLeo; 0 drops it.")
    ] = 0.1
    normalize: Annotated[Normalize, Field(description="DINO's mean over rows or over edges.")] = (
        "rows"
    )

    def terms(self) -> Sequence[tuple[float, Loss]]:
        """See `Loss.terms`."""
        shared = {field.name: getattr(self, field.name) for field in fields(Distillation)}
        weighed: list[tuple[float, Loss]] = [
            (1.0, DINO(**shared, normalize=self.normalize)),
            (self.ibot, IBOT(**shared)),
            (self.koleo, KoLeo()),
        ]
        return [(weight, loss) for weight, loss in weighed if weight > 0]
