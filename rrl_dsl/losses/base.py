"""What a loss is: a formula over the reductions of a relation.

A loss declares its options as fields, says what it needs, and implements `value`. It never builds
an (n, n) matrix itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.backends.relation import Relation, at_least_float32, of_matrix
from rrl_dsl.language.diagnostics import error

Normalize = Literal["rows", "edges"]
"""`rows`: the mean over rows with an edge of each row's mean; `edges`: the mean over all edges."""

OPTIONS = ConfigDict(extra="forbid", arbitrary_types_allowed=False)

_EPSILON = 1e-6  # half precision can hold it


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Loss(ABC):
    """A loss with its options. Call it with a relation, or with a matrix in its place."""

    def __call__(
        self,
        relation: Relation | Tensor,
        z: Tensor,
        *,
        keys: Tensor | None = None,
        view: Tensor | None = None,
    ) -> Tensor:
        """The value of the loss.

        Args:
            relation: A relation, or weights (n, m), bool or a real dtype and not negative.
            z: The rows' embeddings (n, d).
            keys: The columns' embeddings (m, d), where the columns are not the rows.
            view: int64 (n,), the view of each row, where a matrix stands for the relation.

        Returns:
            A scalar in at least float32. Rows without an edge contribute nothing and are not
            counted; without any edge the loss is 0.

        Raises:
            RRLError: RRL406 where the shapes do not fit together; RRL405, RRL409 as the loss says.
        """
        _check_tensors(z, keys)
        if not isinstance(relation, Relation):
            matrix = _as_tensor("the graph", relation)
            views = None if view is None else _as_tensor("`view`", view)
            relation = of_matrix(matrix, view=views, columns=keys is not None)
            if matrix.dtype == torch.float64:  # its small weights are none in float32
                z, keys = z.double(), None if keys is None else keys.double()
        _check_shapes(relation, z, z if keys is None else keys)
        with torch.autocast(z.device.type, enabled=False):
            rows = at_least_float32(z)
            return self.value(relation, rows, rows if keys is None else at_least_float32(keys))

    @abstractmethod
    def value(self, relation: Relation, z: Tensor, keys: Tensor) -> Tensor:
        """The loss of rows' embeddings z (n, d) and columns' embeddings (m, d), a scalar.

        Both are float32 or float64, and the same tensor where the columns are the rows.
        """

    def least_rows(self, width: int) -> int:
        """How many rows of each view a batch must have for embeddings of this width."""
        return 1


def unit(z: Tensor) -> Tensor:
    """Rows scaled to length 1, (n, d)."""
    return F.normalize(z, dim=1, eps=_EPSILON)


def mean_over_edges(total: Tensor, degree: Tensor, normalize: Normalize) -> Tensor:
    """The mean of a weighted sum over edges.

    Args:
        total: sum_j w_ij x_ij of each row, (n,), finite.
        degree: sum_j w_ij of each row, (n,).
        normalize: Over which the mean is taken.
    """
    degree = degree.to(total.dtype)
    related = degree > 0
    total = total.masked_fill(~related, 0.0)
    if normalize == "edges":
        return total.sum() / degree.sum().masked_fill(~related.any(), 1.0)
    return mean_over_rows(total / degree.masked_fill(~related, 1.0), related)


def mean_over_rows(values: Tensor, related: Tensor) -> Tensor:
    """The mean of `values` (n,) over the rows that are related, 0 where none is."""
    return values.masked_fill(~related, 0.0).sum() / related.sum().clamp(min=1)


def _as_tensor(name: str, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        message = f"{name} is a relation, a tensor or an array, not a {type(value).__name__}"
        raise error("RRL406", message, hint="`program(nodes)` or `program.relate(nodes)`") from None


def _check_tensors(z: Any, keys: Any) -> None:
    for each in (z, z if keys is None else keys):
        if not isinstance(each, Tensor):
            raise error("RRL406", f"embeddings are tensors, not a {type(each).__name__}")


def _check_shapes(relation: Relation, z: Tensor, keys: Tensor) -> None:
    n, m = relation.shape
    if z.ndim != 2 or keys.ndim != 2 or z.shape[1] != keys.shape[1]:
        message = f"embeddings have shape (rows, width), not {tuple(z.shape)}, {tuple(keys.shape)}"
        raise error("RRL406", message, hint="rows and columns share one width")
    if len(z) != n or len(keys) != m:
        message = f"a relation of shape ({n}, {m}) met {len(z)} rows and {len(keys)} columns"
        hint = "pass the columns' embeddings as `keys=`" if len(z) == n else None
        raise error("RRL406", message, hint=hint)
    if not z.is_floating_point() or not keys.is_floating_point():
        raise error("RRL406", f"embeddings are floating-point, not {z.dtype}, {keys.dtype}")
