"""A relation: a graph bound to rows x columns, and the reductions that losses are made of.

All sums run over the pairs of different rows, j != i, unless `with_self` is set. Rows and columns
are the same row where (sample, view) agree; positions do not matter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor

from rrl_dsl.backends.cross_entropy import DenseCrossEntropy
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.language.diagnostics import error

Pointwise = Callable[..., Tensor]
"""f(weights, similarities, *parameters) -> values, one for each pair; all but the last alike."""


class Relation(ABC):
    """What every strategy offers. `q` are the rows' vectors (n, d), `k` the columns' (m, d).

    Attributes:
        rows: The rows.
        cols: The columns.
        seed: The recipe's seed, for losses that draw.
        epoch: The epoch, for losses with a schedule.
        step: The optimizer step, for losses that draw anew.
    """

    def __init__(
        self, rows: Nodes, cols: Nodes, *, seed: int = 0, epoch: int = 0, step: int = 0
    ) -> None:
        self.rows = rows
        self.cols = cols
        self.seed = seed
        self.epoch = epoch
        self.step = step

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return len(self.rows), len(self.cols)

    def own_column(self) -> Tensor:
        """The column that is the row itself, int64 (n,); the first of several, -1 for none."""
        if self.cols is self.rows:
            return torch.arange(len(self.rows), device=self.rows.device)
        of_rows, _ = self.row_ids
        return of_rows.masked_fill(of_rows >= self.shape[1], -1)

    @cached_property
    def row_ids(self) -> tuple[Tensor, Tensor]:
        """Numbers of rows (n,) and columns (m,), int64, equal where they are the same row.

        The number is the first column that is the row, or m and more where none is.
        """
        rows, cols = self.rows, self.cols
        m = len(cols)
        sample = cols.sample if cols is rows else torch.cat([cols.sample, rows.sample])
        view = cols.view if cols is rows else torch.cat([cols.view, rows.view])
        order = view.argsort(stable=True)
        order = order[sample[order].argsort(stable=True)]  # by row; of one row, columns come first
        sample, view = sample[order], view[order]
        starts = torch.ones_like(sample, dtype=torch.bool)
        starts[1:] = (sample[1:] != sample[:-1]) | (view[1:] != view[:-1])
        places = torch.arange(len(order), device=sample.device)
        first = order[places.masked_fill(~starts, 0).cummax(dim=0).values]
        ids = torch.empty_like(order).scatter(0, order, first)
        return (ids, ids) if cols is rows else (ids[m:], ids[:m])

    @cached_property
    def self_pairs(self) -> Literal["diagonal", "none", "anywhere"]:
        """Where the pairs of a row with itself are; `anywhere` where looking would wait."""
        if self.cols is not self.rows or self.rows.device.type != "cpu":
            return "anywhere"
        ids, _ = self.row_ids
        return "diagonal" if ids.equal(torch.arange(len(ids))) else "anywhere"

    @abstractmethod
    def restricted(self, rows: Tensor, cols: Tensor) -> Relation:
        """The relation of some of its rows and columns, int64 (r,) and (c,): of a pair of views."""

    @abstractmethod
    def degree(self, *, with_self: bool = False) -> Tensor:
        """sum_j w_ij, (n,)."""

    @abstractmethod
    def lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        """log sum_j exp(scale q_i . k_j) over related or contrasted j, (n,); -inf for none."""

    @abstractmethod
    def dot(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        """sum_j w_ij (scale q_i . k_j), (n,)."""

    @abstractmethod
    def masked_lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        """log sum_{j: w_ij > 0} w_ij exp(scale q_i . k_j), (n,); -inf for no edge."""

    @abstractmethod
    def cross_entropy(
        self,
        q: Tensor,
        k: Tensor,
        scale: float | Tensor = 1.0,
        *,
        with_self: bool = False,
        self_in_denominator: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """- sum_j w_ij log softmax_j(scale q_i . k_j), and sum_j w_ij, both (n,).

        The softmax is over related or contrasted j. The first is 0 for rows without an edge.

        Args:
            q: The rows' vectors, (n, d).
            k: The columns', (m, d).
            scale: The inverse of the temperature.
            with_self: Whether self is an edge like any other.
            self_in_denominator: Whether the softmax is over self too, though it is no edge.
        """

    @abstractmethod
    def sqdist(self, q: Tensor, k: Tensor, *, with_self: bool = False) -> Tensor:
        """sum_j w_ij |q_i - k_j|^2, (n,), from differences and not by cancellation."""

    @abstractmethod
    def matmul(self, v: Tensor, *, with_self: bool = False) -> Tensor:
        """sum_j w_ij v_j for v (m, d): (n, d)."""

    @abstractmethod
    def sum(
        self,
        f: Pointwise,
        q: Tensor,
        k: Tensor,
        *parameters: Tensor,
        with_self: bool = False,
    ) -> Tensor:
        """sum_j f(w_ij, q_i . k_j) over related or contrasted j, (n,).

        The gradient reaches `q`, `k`, `parameters` and every tensor that `f` closes over. Where the
        relation is blocked, `f` is called tile by tile, and again in the backward pass: memory
        grows with n + m.

        Args:
            f: From weights and similarities of some rows and columns, both of shape (r, c) and of
                one dtype, float32 or float64, to values of shape (r, c). It computes each value
                from its own pair alone, without random numbers. Its result for weight 0 and
                similarity 0 must be finite: it is computed, and dropped, for pairs that do not
                count.
            q: The rows' vectors, (n, d).
            k: The columns', (m, d).
            parameters: Further arguments of `f`, such as a learned temperature of shape ().
            with_self: Whether self counts, with its weight in the graph.

        Raises:
            RRLError: RRL406 where `f` returns anything but a tensor of that shape.
        """

    @abstractmethod
    def compared_count(self) -> Tensor:
        """How many related or contrasted j there are, int64 (n,)."""

    @abstractmethod
    def unrelated_sum_sq(self, q: Tensor, k: Tensor) -> Tensor:
        """Sum over unrelated j in the contrast of (q_i . k_j)^2, (n,)."""

    @abstractmethod
    def unrelated_count(self) -> Tensor:
        """How many unrelated j the contrast holds, (n,)."""

    @abstractmethod
    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest unrelated j and the distance, both (n,); -1 and +inf where there is none."""


class DenseRelation(Relation):
    """A relation that holds its (n, m) weights."""

    def __init__(
        self,
        weights: Tensor,
        rows: Nodes,
        cols: Nodes | None = None,
        *,
        contrast: Tensor | None = None,
        seed: int = 0,
        epoch: int = 0,
        step: int = 0,
    ) -> None:
        """Binds weights to rows and columns.

        Args:
            weights: (n, m), bool or float, not negative.
            rows: The n rows.
            cols: The m columns; the rows themselves where left out.
            contrast: bool (n, m), which pairs may count as unrelated; all where left out.
            seed: The recipe's seed.
            epoch: The epoch.
            step: The optimizer step.
        """
        cols = rows if cols is None else cols
        super().__init__(rows, cols, seed=seed, epoch=epoch, step=step)
        self.weights = weights
        self.contrast = contrast

    @cached_property
    def same(self) -> Tensor:
        """Whether row and column are the same row, bool (n, m)."""
        of_rows, of_cols = self.row_ids
        return of_rows[:, None] == of_cols

    @property
    def has_edges(self) -> bool:
        """Whether any weight is above 0, self included; True where looking would wait."""
        weights = self.weights
        if weights.device.type != "cpu":
            return True
        if weights.dtype == torch.bool:
            weights = weights.view(torch.uint8)  # the greatest of bools is found 10 times slower
        return weights.numel() > 0 and bool(weights.max() > 0)

    @cached_property
    def _related(self) -> Tensor:
        return (self.weights > 0) & ~self.same

    @cached_property
    def _unrelated(self) -> Tensor:
        unrelated = ~((self.weights > 0) | self.same)
        return unrelated if self.contrast is None else unrelated & self.contrast

    @cached_property
    def _compared(self) -> Tensor:
        if self.contrast is None:
            return ~self.same
        return ((self.weights > 0) | self.contrast) & ~self.same

    def restricted(self, rows: Tensor, cols: Tensor) -> DenseRelation:
        contrast = self.contrast
        return DenseRelation(
            self.weights[rows][:, cols],
            self.rows[rows],
            self.cols[cols],
            contrast=None if contrast is None else contrast[rows][:, cols],
            seed=self.seed,
            epoch=self.epoch,
            step=self.step,
        )

    def degree(self, *, with_self: bool = False) -> Tensor:
        exact = torch.float64 if self.weights.dtype == torch.float64 else torch.float32
        return self.edge_weights(exact, with_self).sum(dim=1)

    def lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        return self._log_sum_exp(_similarity(q, k) * scale, with_self)

    def dot(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        similarity = _similarity(q, k)
        return (self.edge_weights(similarity.dtype, with_self) * similarity).sum(dim=1) * scale

    def masked_lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        logits = _similarity(q, k) * scale
        related = self._related | (self.same & (self.weights > 0)) if with_self else self._related
        weights = self.weights.to(logits.dtype).masked_fill(~related, 1.0)
        return logsumexp(logits + weights.log(), related)

    def sqdist(self, q: Tensor, k: Tensor, *, with_self: bool = False) -> Tensor:
        with _full_precision(q):
            q, k = at_least_float32(q), at_least_float32(k)
            distance = torch.cdist(q, k, compute_mode="donot_use_mm_for_euclid_dist")
            return (self.edge_weights(q.dtype, with_self) * distance.square()).sum(dim=1)

    def matmul(self, v: Tensor, *, with_self: bool = False) -> Tensor:
        with _full_precision(v):
            v = at_least_float32(v)
            return self.edge_weights(v.dtype, with_self) @ v

    def sum(
        self,
        f: Pointwise,
        q: Tensor,
        k: Tensor,
        *parameters: Tensor,
        with_self: bool = False,
    ) -> Tensor:
        dropped = ~self.compared(with_self)
        similarity = _similarity(q, k).masked_fill(dropped, 0.0)
        with _full_precision(q):
            values = f(self.edge_weights(similarity.dtype, with_self), similarity, *parameters)
            _check_pointwise(values, similarity)
            return values.masked_fill(dropped, 0.0).sum(dim=1)

    def compared_count(self) -> Tensor:
        return self._compared.sum(dim=1)

    def unrelated_sum_sq(self, q: Tensor, k: Tensor) -> Tensor:
        return _similarity(q, k).square().masked_fill(~self._unrelated, 0.0).sum(dim=1)

    def unrelated_count(self) -> Tensor:
        return self._unrelated.sum(dim=1)

    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        with _full_precision(q):
            q, k = at_least_float32(q), at_least_float32(k)
            distance = torch.cdist(q, k, compute_mode="donot_use_mm_for_euclid_dist")
        nearest, index = distance.masked_fill(~self._unrelated, torch.inf).min(dim=1)
        return index.masked_fill(~self._unrelated.any(dim=1), -1), nearest

    def cross_entropy(
        self,
        q: Tensor,
        k: Tensor,
        scale: float | Tensor = 1.0,
        *,
        with_self: bool = False,
        self_in_denominator: bool = False,
    ) -> tuple[Tensor, Tensor]:
        with _full_precision(q):
            rows = at_least_float32(q)
            cols = rows if k is q else at_least_float32(k)
            weights = self.edge_weights(rows.dtype, with_self)
            compare_self = with_self or self_in_denominator
            if weights.requires_grad:
                return self._cross_entropy_of_learned(weights, rows @ cols.T * scale, compare_self)
            factor = torch.as_tensor(scale, dtype=rows.dtype, device=rows.device)
            drop = partial(self.drop, with_self=compare_self)
            found: tuple[Tensor, Tensor] = DenseCrossEntropy.apply(
                rows, cols, factor, weights, drop, k is q
            )
        return found

    def _cross_entropy_of_learned(
        self, weights: Tensor, logits: Tensor, compare_self: bool
    ) -> tuple[Tensor, Tensor]:
        """The same for weights that have a gradient."""
        degree = weights.sum(dim=1)
        log_sum = self._log_sum_exp(logits, compare_self).masked_fill(degree == 0, 0.0)
        return degree * log_sum - (weights * logits).sum(dim=1), degree

    def drop(self, values: Tensor, number: float, with_self: bool = False) -> Tensor:
        """Writes a number to the values (n, m) of pairs that are not compared, in place."""
        if self.contrast is not None:
            return values.masked_fill_(~self.compared(with_self), number)
        return values if with_self else self.fill_self(values, number)

    def fill_self(self, values: Tensor, number: float) -> Tensor:
        """Writes a number to the values (n, m) of pairs of a row with itself, in place."""
        match self.self_pairs:
            case "none":
                return values
            case "diagonal":
                return values.fill_diagonal_(number)
        return values.masked_fill_(self.same, number)

    def compared(self, with_self: bool = False) -> Tensor:
        """Which columns the softmax of a row is over, bool (n, m)."""
        return self._compared | self.same if with_self else self._compared

    def _log_sum_exp(self, logits: Tensor, with_self: bool = False) -> Tensor:
        """log sum_j exp(logits_ij) over the compared j, (n,); -inf for none."""
        return logsumexp(logits, self.compared(with_self))

    def edge_weights(self, dtype: torch.dtype, with_self: bool = False) -> Tensor:
        """The weights (n, m) in a dtype, those of self 0 unless `with_self` is set."""
        if with_self:
            return self.weights.to(dtype)
        return self.fill_self(self.weights.to(dtype, copy=True), 0.0)


def of_matrix(weights: Tensor, *, view: Tensor | None = None, columns: bool = False) -> Relation:
    """A user's own matrix as a relation.

    Without columns of their own, position i is row i and the diagonal is self. With them, nothing
    is self: which columns are related is then for the matrix alone to say.

    Args:
        weights: (n, m), bool or a real dtype, not negative.
        view: int64 (n,), the view of each row; the k-th rows of all views are one sample.
        columns: Whether the columns are other rows than the rows (`keys=` was given).

    Raises:
        RRLError: RRL406 where the matrix has an impossible shape or dtype, is sparse, or, on the
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
    if device.type == "cpu":  # to look at them would wait for any other device
        _check_weights(weights)
    view = torch.zeros(n, dtype=torch.int64, device=device) if view is None else view.to(device)
    if tuple(view.shape) != (n,):
        raise error("RRL406", f"`view` has shape {tuple(view.shape)} for {n} rows")
    rows = Nodes(_occurrence(view), view, check=False)
    if not columns:
        return DenseRelation(weights, rows)
    others = torch.arange(m, device=device) + n  # ids that no row has
    return DenseRelation(weights, rows, Nodes(others, check=False))


def _check_weights(weights: Tensor) -> None:
    wrong = ~((weights >= 0) & (weights < torch.inf))
    if bool(wrong.any()):
        row, column = wrong.nonzero()[0].tolist()
        message = f"the weight of row {row} and column {column} is {weights[row, column].item():g}"
        raise error("RRL406", message, hint="weights must be finite and nonnegative")


def _check_pointwise(values: object, similarity: Tensor) -> None:
    if isinstance(values, Tensor) and values.shape == similarity.shape:
        return
    found = (
        f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"{type(values).__name__}"
    )
    message = f"`f` returned {found} for {tuple(similarity.shape)} pairs"
    hint = "return one value per pair, as `lambda weight, similarity: weight * similarity`"
    raise error("RRL406", message, hint=hint)


def _occurrence(view: Tensor) -> Tensor:
    """For each row, how many rows of its view stand before it."""
    earlier = (view[:, None] == view).tril(diagonal=-1)
    return earlier.sum(dim=1)


def _similarity(q: Tensor, k: Tensor) -> Tensor:
    """q k^T in at least float32, whatever autocast says."""
    with _full_precision(q):
        return at_least_float32(q) @ at_least_float32(k).T


def _full_precision(like: Tensor) -> torch.autocast:
    return torch.autocast(like.device.type, enabled=False)


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def logsumexp(logits: Tensor, mask: Tensor) -> Tensor:
    """log sum exp over the masked entries of each row; -inf, without a gradient, for none."""
    some = mask.any(dim=1)
    # an all -inf row has a NaN gradient, so such rows are computed unmasked and then replaced
    kept = mask | ~some[:, None]
    result = logits.masked_fill(~kept, -torch.inf).logsumexp(dim=1)
    return result.masked_fill(~some, -torch.inf)
