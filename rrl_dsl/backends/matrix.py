"""A user's own matrix as a relation."""

from __future__ import annotations

import torch
from torch import Tensor

from rrl_dsl.backends.dense_relation import DenseRelation
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.relation import Relation
from rrl_dsl.language.diagnostics import error


def of_matrix(weights: Tensor, *, view: Tensor | None = None, columns: bool = False) -> Relation:
    """A user's own matrix as a relation.

    If the columns are the rows, column i is row i and the diagonal is self. Otherwise no pair is
    self, and the matrix alone says which columns are related.

    Args:
        weights: (n, m), bool or a real dtype, not negative.
        view: int64 (n,), the view of each row; the k-th rows of all views are one sample.
        columns: Whether the columns are not the rows (`keys=` was given).

    Raises:
        RRLError: RRL406 if the matrix has an impossible shape or dtype, is sparse, or, on the
            CPU, has a weight that is negative or not finite.
    """
    if weights.layout != torch.strided:
        message = f"the graph must be a dense matrix, not {weights.layout}".replace("torch.", "")
        raise error("RRL406", message, hint="pass its `.to_dense()`")
    if weights.ndim != 2:
        raise error("RRL406", f"the graph must have shape (n, m), not {tuple(weights.shape)}")
    if weights.is_complex():
        raise error("RRL406", f"the graph must have real weights, not {weights.dtype}")
    n, m = weights.shape
    if not columns and n != m:
        message = f"a graph of shape ({n}, {m}) has columns that are not its rows"
        raise error("RRL406", message, hint=f"pass the embeddings of the {m} columns as `keys=`")
    device = weights.device
    if device.type == "cpu":  # on another device, the check would synchronize
        _check_weights(weights)
    view = torch.zeros(n, dtype=torch.int64, device=device) if view is None else view.to(device)
    if tuple(view.shape) != (n,):
        raise error("RRL406", f"`view` has shape {tuple(view.shape)} for {n} rows")
    earlier = (view[:, None] == view).tril(diagonal=-1)  # rows of the same view
    rows = Nodes(earlier.sum(dim=1), view, check=False)
    if not columns:
        return DenseRelation(weights, rows)
    others = torch.arange(m, device=device) + n  # ids of no row
    return DenseRelation(weights, rows, Nodes(others, check=False))


def _check_weights(weights: Tensor) -> None:
    wrong = ~((weights >= 0) & (weights < torch.inf))
    if bool(wrong.any()):
        row, column = wrong.nonzero()[0].tolist()
        message = f"the weight of row {row} and column {column} is {weights[row, column].item():g}"
        raise error("RRL406", message, hint="weights must be finite and nonnegative")
