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
from rrl_dsl.losses.sums import Composite

_Temperature = Field(gt=0, allow_inf_nan=False)


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Distillation(Loss):
    """The base class of losses over scores of a teacher, which it turns into probabilities.

    p_t = softmax((t - center) / T_t), or Sinkhorn-Knopp's assignment of t / T_t.

    The teacher's temperature goes up linearly with the epoch of the relation, over
    `warmup_epochs`; a matrix counts as in epoch 0. Published settings: .04 to .07 over 30
    epochs (DINO and DINOv2 on ImageNet) or 50 epochs (solo-learn, also on CIFAR).
    """

    temperature: Annotated[Learnable, Field(description="The temperature of the student.")] = 0.1
    teacher_temperature: Annotated[
        float, _Temperature, Field(description="The temperature of the teacher.")
    ] = 0.04
    warmup_teacher_temperature: Annotated[
        float, _Temperature, Field(description="The same in the first epoch of the warm-up.")
    ] = 0.04
    warmup_epochs: Annotated[int, Field(ge=0, description="The epochs of warm-up.")] = 0
    centering: Annotated[
        Literal["mean", "sinkhorn", "none"],
        Field(description="Subtract the center, balance the batch, or neither."),
    ] = "mean"
    iterations: Annotated[
        int, Field(ge=1, le=1000, description="The iterations of Sinkhorn-Knopp.")
    ] = 3

    def teacher_temperature_at(self, epoch: int) -> float:
        """The teacher's temperature in an epoch, counted from 0."""
        if epoch >= self.warmup_epochs:
            return self.teacher_temperature
        done = epoch / max(self.warmup_epochs - 1, 1)
        first = self.warmup_teacher_temperature
        return first + done * (self.teacher_temperature - first)

    def targets(
        self, scores: Tensor, center: Tensor | None, epoch: int, balanced: Tensor | None = None
    ) -> Tensor:
        """The teacher's probabilities, without a gradient.

        Args:
            scores: The teacher's scores (r, K).
            center: Their running mean (K,); defaults to 0.
            epoch: The epoch.
            balanced: bool (r,), the rows that Sinkhorn-Knopp balances; defaults to all.

        Raises:
            RRLError: RRL406 if the center has another shape.
        """
        scores, temperature = scores.detach(), self.teacher_temperature_at(epoch)
        if self.centering == "sinkhorn":
            return sinkhorn(scores, temperature, self.iterations, balanced)
        if center is not None:
            if center.shape != scores.shape[1:]:
                wanted, given = tuple(scores.shape[1:]), tuple(center.shape)
                raise error("RRL406", f"`center` must have shape {wanted}, not {given}")
            scores = scores - center.detach()
        return F.softmax(scores / temperature, dim=1)

    def _with_center(self, inputs: dict[str, Output], center: Output) -> dict[str, Output]:
        return inputs | {"center": center} if self.centering == "mean" else inputs


@register("dino")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class DINO(Distillation):
    """Cross-entropy between the prototype scores of the student and of the related teacher rows.

    - mean over edges of p_t,j . log p_s,i, p_s = softmax(s / T), p_t = softmax((t - center) / T_t)

    Equations 7 and 11 of Maes et al. (Caron et al. 2021). The rows are the student's, and the
    columns the teacher's. Equation 11 has the indices in the other order, which is the same for
    symmetric weights, and divides only by N. `normalize=rows` is the mean over rows with an edge of
    the weighted mean of each row. `normalize=edges` is - sum w p_t,j . log p_s,i / sum w. Both
    agree if all rows have the same degree, as on `ssl(views=2)`. If the student sees more views
    than the teacher (local crops), `edges` is the loss of DINO, lightly and solo-learn.

    The defaults are those of lightly's `DINOLoss()` at its first call: T_t = .04 and a center of 0.
    The caller keeps the running center and passes it as `center` (K,); the trainer does this.
    `centering=sinkhorn` (DINOv2) balances all columns with each other, including those of a bank
    and of every view.
    """

    normalize: Annotated[
        Normalize, Field(description="Whether to average over rows or over edges.")
    ] = "rows"

    def inputs(self) -> Mapping[str, Output]:
        """See `Loss.inputs`."""
        return self._with_center({"z": "prototypes", "keys": "teacher_prototypes"}, "center")

    def value(
        self, relation: Relation, z: Tensor, keys: Tensor, *, center: Tensor | None = None
    ) -> Tensor:
        """See `Loss.value`.

        Raises:
            RRLError: RRL406 if the center has another shape than (K,).
        """
        targets = self.targets(keys, center, relation.epoch)
        total = relation.dot(F.log_softmax(z / self.temperature, dim=1), targets)
        return mean_over_edges(-total, relation.degree(), self.normalize)


@register("ibot")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class IBOT(Distillation):
    """Cross-entropy between the hidden patches of the student and the same patches of the teacher.

    - mean_i 1/|M_i| sum_{p in M_i} p_t,i,p . log p_s,i,p, M_i the hidden patches of row i

    Equations 8 and 12 of Maes et al. (Zhou et al. 2022), which sum over the patches; the authors
    average, as here. A row is only compared with itself: with the column of the same sample and
    view, whatever the graph is. A row that is not among the columns is ignored. There is no
    normalization by edges. `images=all` also counts the rows without a hidden patch, as do equation
    8, DINOv2 and lightly's `IBOTPatchLoss`. The weight of 1 in DINOv2 is for this mean; DINOv2
    hides patches in half of its images. `images=masked` only counts the rows with a hidden patch.

    `centering=sinkhorn` (DINOv2) balances the hidden patches of all rows with each other.
    """

    images: Annotated[
        Literal["all", "masked"], Field(description="Average over all or masked rows.")
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
            RRLError: RRL406 if the mask is not bool (n, P), or the center has another shape
                than (K,).
        """
        if mask.dtype != torch.bool or mask.shape != z.shape[:2]:
            message = (
                f"`mask` must be bool {tuple(z.shape[:2])}, not {mask.dtype} {tuple(mask.shape)}"
            )
            raise error("RRL406", message.replace("torch.", ""))
        own = relation.own_column()
        known = own >= 0
        hidden = mask & known[:, None]
        scores = keys.detach()[own.clamp(min=0)].flatten(0, 1)
        targets = self.targets(scores, center, relation.epoch, hidden.flatten()).view_as(z)
        terms = (targets * F.log_softmax(z / self.temperature, dim=2)).sum(dim=2)
        count = hidden.sum(dim=1)
        mean = terms.masked_fill(~hidden, 0.0).sum(dim=1) / count.clamp(min=1)
        return -mean_over_rows(mean, known if self.images == "all" else count > 0)

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """Returns the share of rows that are not among the columns; it does not know the masks."""
        return {"without_own_column": (relation.own_column() < 0).float().mean()}


@register("dinov2")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class DINOv2(Composite, Distillation):
    """The sum of DINO on rows, iBOT on hidden patches, and KoLeo against collapse.

    dino + ibot * L_ibot + koleo * L_koleo

    Equations 6 and 10 of Maes et al. (Oquab et al. 2024). The documentation of each term says how
    it differs from its equation. The weights are those of DINOv2. It adds KoLeo over its two global
    crops, so its weight of .1 is a weight of .2 for the mean here. In DINOv2, T_t goes from .04 to
    .07 over 30 epochs. Its default centering is `mean`; for ViT-L and ViT-g it is `sinkhorn`.
    """

    ibot: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="The weight of iBOT; 0: none.")
    ] = 1.0
    koleo: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="The weight of KoLeo; 0: none.")
    ] = 0.1
    normalize: Annotated[Normalize, Field(description="Average DINO over rows or edges.")] = "rows"

    def terms(self) -> Sequence[tuple[float, Loss]]:
        """See `Loss.terms`."""
        shared = {field.name: getattr(self, field.name) for field in fields(Distillation)}
        weighed: list[tuple[float, Loss]] = [
            (1.0, DINO(**shared, normalize=self.normalize)),
            (self.ibot, IBOT(**shared)),
            (self.koleo, KoLeo()),
        ]
        return [(weight, loss) for weight, loss in weighed if weight > 0]


def sinkhorn(
    scores: Tensor, temperature: float, iterations: int = 3, balanced: Tensor | None = None
) -> Tensor:
    """Returns probabilities of prototypes. All prototypes have about the same total.

    Sinkhorn-Knopp as in SwAV (Caron et al. 2020) and DINOv2 (Oquab et al. 2024): exp(scores / T)
    is scaled so that all prototypes have the same total, then so that each row sums to 1, and so
    on. The computation is in logarithms, so that small temperatures do not overflow.

    Args:
        scores: (n, K), float32 or float64.
        temperature: T, above 0.
        iterations: The number of iterations, at least 1.
        balanced: bool (n,), the rows over which the totals are balanced; defaults to all. The
            prototypes of the other rows are scaled in the same way.

    Returns:
        (n, K) without a gradient; rows sum to 1.
    """
    logs = scores.detach() / temperature
    for _ in range(iterations):
        counted = logs if balanced is None else logs.masked_fill(~balanced[:, None], -torch.inf)
        total = counted.logsumexp(dim=0)
        logs = logs - total.masked_fill(total == -torch.inf, 0.0)  # where no row counts
        logs = logs.log_softmax(dim=1)
    return logs.exp()
