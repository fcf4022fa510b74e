"""The loss that spreads embeddings out by the distance to the nearest unrelated row."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.backends.relation import Relation
from rrl_dsl.losses.base import OPTIONS, Loss, mean_over_rows, unit
from rrl_dsl.losses.outputs import Output
from rrl_dsl.losses.registry import register

_EPSILON = 1e-8  # as in the authors' code: the logarithm of a distance of 0 is finite


@register("koleo")
@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class KoLeo(Loss):
    """Kozachenko-Leonenko: pushes each row away from the nearest row that it is not related to.

    - mean_i log( min_{j unrelated} |z_i - z_j| + 1e-8 ), z the l2-normalized backbone features

    Equations 9 and 14 of Maes et al. (Sablayrolles et al. 2019). Their equation 13 sums over j,
    which equation 14 has already minimized over; here every row has one term. The mean is over the
    rows that have an unrelated row, so there is no normalization by edges.

    On `self()` it is the loss of lightly and of DINOv2 (Oquab et al. 2024). DINOv2 computes it for
    each global crop separately and adds the two. On `ssl(views=2)`, only the other view of a row's
    own sample is excluded, as in equation 14.
    """

    def inputs(self) -> Mapping[str, Output]:
        """See `Loss.inputs`."""
        return {"z": "backbone"}

    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """See `Loss.value`."""
        q, k = unit(z), unit(keys)
        index, _ = relation.nearest_unrelated(q.detach(), k.detach())
        some = index >= 0
        # with its gradient, which is finite at a distance of 0 as the differences get an epsilon
        distance = F.pairwise_distance(q, k[index.clamp(min=0)], eps=_EPSILON)
        return -mean_over_rows((distance + _EPSILON).log(), some)

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """The share of the rows with no unrelated row."""
        return {"without_unrelated": (relation.unrelated_count() == 0).float().mean()}
