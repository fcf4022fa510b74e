"""The blocked strategy: the memory of a relation grows with rows plus columns, not with pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, Unpack

import torch
from torch import Tensor

from rrl_dsl.backends.cross_entropy import BlockedCrossEntropy, Options, is_bounded
from rrl_dsl.backends.dense import Prepared
from rrl_dsl.backends.dense_relation import DenseRelation
from rrl_dsl.backends.edge_sums import ClassSums, EdgeSums, has_classes
from rrl_dsl.backends.known_edges import terms_of
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.recomputed import recomputed
from rrl_dsl.backends.relation import (
    Join,
    Moment,
    Reduction,
    Relation,
    at_least_float32,
    without_autocast,
)
from rrl_dsl.backends.repeats import Repeats
from rrl_dsl.backends.strategy import KEPT_BYTES, Limit
from rrl_dsl.language.machine import is_out_of_memory

if TYPE_CHECKING:
    from rrl_dsl.backends.listed_sums import ListedSums

T = TypeVar("T")


class BlockedRelation(Relation):
    """A relation that evaluates its weights tile by tile.

    Each reduction evaluates a tile of pairs, reduces it and frees it. The backward pass evaluates
    it again. If memory runs out, the reduction starts again with smaller tiles.
    """

    def __init__(
        self,
        prepared: Prepared,
        rows: Nodes,
        cols: Nodes,
        *,
        symmetric: bool,
        pairs: int,
        limit: Limit | None = None,
        shortcuts: bool = False,
        **at: Unpack[Moment],
    ) -> None:
        """Binds a prepared recipe to rows and columns. See `Relation` for the other arguments.

        `symmetric` says whether the weights are symmetric. `pairs` are the most pairs of a tile;
        `limit` lowers them if memory runs out. With `shortcuts`, sums go over the edges alone if
        the plan says where they are.
        """
        super().__init__(rows, cols, **at)
        self._prepared = prepared
        self._symmetric = symmetric
        self._pairs = pairs
        self._limit = Limit() if limit is None else limit
        self._shortcuts = shortcuts
        self._edge_sums: dict[bool, EdgeSums | None] = {}
        self._degrees: dict[bool, Tensor] = {}
        self._kept: dict[tuple[int, int, int, int], Tensor] = {}
        self._kept_bytes = 0

    def restricted(self, rows: Tensor, cols: Tensor) -> BlockedRelation:
        return BlockedRelation(
            self._prepared.restricted(rows, cols),
            self.rows[rows],
            self.cols[cols],
            symmetric=False,
            pairs=self._pairs,
            limit=self._limit,
            shortcuts=self._shortcuts,
            **self.at,
        )

    def degree(self, *, with_self: bool = False) -> Tensor:
        if with_self not in self._degrees:
            sums = self._sums(with_self)
            if sums is not None:
                self._degrees[with_self] = sums.degree(torch.float32)
            else:
                self._degrees[with_self] = super().degree(with_self=with_self)
        return self._degrees[with_self]

    def dot(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        sums = self._sums(with_self)
        if sums is not None:
            with without_autocast(q.device):
                return sums.dot(at_least_float32(q), at_least_float32(k)) * scale
        return super().dot(q, k, scale, with_self=with_self)

    def masked_lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        edges = self._listed(with_self)
        if edges is not None:
            with without_autocast(q.device):
                return edges.log_sum_exp(at_least_float32(q), at_least_float32(k), scale)
        return super().masked_lse(q, k, scale, with_self=with_self)

    def _cross_entropy(
        self, q: Tensor, k: Tensor, scale: float | Tensor, with_self: bool, compare_self: bool
    ) -> tuple[Tensor, Tensor]:
        with without_autocast(q.device):
            rows = at_least_float32(q)
            cols = rows if k is q else at_least_float32(k)
            factor = torch.as_tensor(scale, dtype=rows.dtype, device=rows.device)
            mirrored = self._symmetric and self.cols is self.rows and q is k
            bounded = is_bounded(rows, cols, factor)
            options = Options(with_self, compare_self, mirrored, bounded)
            sums = None if self._is_contrasted else self._sums(with_self)
            known = None if sums is None else self.degree(with_self=with_self).to(rows.dtype)
            total, degree = BlockedCrossEntropy.apply(self, rows, cols, factor, options, known)
            if sums is not None:
                total = total - sums.dot(rows, cols) * factor
        self._degrees[with_self] = degree
        return total, degree

    def sqdist(self, q: Tensor, k: Tensor, *, with_self: bool = False) -> Tensor:
        sums = self._sums(with_self)
        if sums is not None:
            with without_autocast(q.device):
                return sums.sqdist(at_least_float32(q), at_least_float32(k))
        return super().sqdist(q, k, with_self=with_self)

    def matmul(self, v: Tensor, *, with_self: bool = False) -> Tensor:
        sums = self._sums(with_self)
        if sums is not None:
            with without_autocast(v.device):
                return sums.matmul(at_least_float32(v))
        return super().matmul(v, with_self=with_self)

    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        # the distances to the nearest are computed again below, with a gradient
        with torch.no_grad():

            def nearest(parts: Sequence[Tensor]) -> Tensor:
                starts = torch.arange(0, len(k), self._side, device=k.device)
                index, distance = torch.stack(list(parts), dim=-1).unbind(0)
                least, part = distance.min(dim=1)
                local = index.gather(1, part[:, None]).squeeze(1)
                return torch.where(least < torch.inf, local + starts[part], -1)

            index = self._reduced(
                lambda tile, q, k: torch.stack(
                    [value.double() for value in tile.nearest_unrelated(q, k)]
                ),
                nearest,
                q,
                k,
            ).long()
        difference = at_least_float32(q) - at_least_float32(k)[index.clamp(min=0)]
        distance = torch.linalg.vector_norm(difference, dim=1)
        return index, distance.masked_fill(index < 0, torch.inf)

    @property
    def _is_contrasted(self) -> bool:
        """Whether the recipe has a contrast, so that the weights decide which pairs count."""
        return self._prepared.plan.contrast is not None

    def _sums(self, with_self: bool) -> EdgeSums | None:
        """Sums over the edges without tiles, if classes or lists say where the edges are."""
        if self._shortcuts and with_self not in self._edge_sums:
            self._edge_sums[with_self] = self._new_sums(with_self)
        return self._edge_sums.get(with_self)

    def _new_sums(self, with_self: bool) -> EdgeSums | None:
        prepared = self._prepared
        terms = terms_of(prepared.plan, seed=self.seed, epoch=self.epoch, step=self.step)
        if terms is None or not has_classes(terms, prepared.rows, prepared.cols):
            return self._listed(with_self)
        row_ids = None if with_self else self.row_ids
        return ClassSums(terms, prepared.rows, prepared.cols, row_ids)

    def _listed(self, with_self: bool) -> ListedSums | None:
        """The edges, if lists name them and they are few."""
        if not self._shortcuts or self.rows.device.type != "cpu":  # else it would synchronize
            return None
        from rrl_dsl.backends.listed_sums import listed  # which imports SciPy

        edges, (of_rows, of_cols) = listed(self._prepared, self.shape), self.row_ids
        if edges is None or with_self:
            return edges
        return edges.where(of_rows[edges.rows] != of_cols[edges.cols])

    def tile(self, rows: slice, cols: slice, *, evaluate: bool = True) -> DenseRelation:
        """The relation of some rows and columns; without edges unless `evaluate` is set."""
        plan = self._prepared.plan
        contrast = None
        if plan.contrast is not None:
            contrast = self._prepared.weights(plan.contrast, rows, cols)
        if evaluate:
            weights = self._weights(rows, cols)
        else:
            shape = rows.stop - rows.start, cols.stop - cols.start
            weights = torch.zeros((), dtype=torch.bool, device=self.rows.device).expand(shape)
        of_rows, of_cols = self.row_ids
        tile = _Tile(weights, contrast, (of_rows[rows], of_cols[cols]))
        if self.self_pairs == "diagonal":  # rows and columns are cut in the same places
            tile.self_pairs = "diagonal" if rows == cols else "none"
        return tile

    def tiles(self, *, mirrored: bool = False) -> Iterator[tuple[slice, slice]]:
        """The rows and columns of each tile; if mirrored, without the tiles below the diagonal."""
        row_slices, col_slices = self._slices(self.shape[0]), self._slices(self.shape[1])
        views = self._views
        if views is not None and views.samples >= self._side:  # the same slices for every view
            starts = range(0, views.samples * views.views, views.samples)
            row_slices = col_slices = [
                slice(start + part.start, start + part.stop)
                for part in self._slices(views.samples)
                for start in starts
            ]
        for at, rows in enumerate(row_slices):
            for cols in col_slices[at:] if mirrored else col_slices:
                yield rows, cols

    @cached_property
    def _views(self) -> Repeats | None:
        """How the rows repeat, if all views have the weights of the first."""
        return self._prepared.repeats(self._prepared.plan.result) if self._shortcuts else None

    def _weights(self, rows: slice, cols: slice) -> Tensor:
        """The weights of a tile, which may be those of a tile of the first view."""
        views = self._views
        if views is None:
            return self._kept_weights(rows, cols)
        i, j = (_moved(part, part.start // views.samples * views.samples) for part in (rows, cols))
        within = max(i.stop, j.stop) <= views.samples
        apart = i.stop <= j.start or j.stop <= i.start
        if within and (apart or not views.by_view):
            return self._kept_weights(i, j)
        if not within or i != j or (i, j) == (rows, cols):
            return self._kept_weights(rows, cols)
        weights = self._kept_weights(i, j).clone()  # other views change the pairs of a sample alone
        weights.diagonal().copy_(self._prepared.weights_of_pairs(rows, cols))
        return weights

    def _kept_weights(self, rows: slice, cols: slice) -> Tensor:
        """The weights of a tile. Recent weights are kept for other views and the backward pass."""
        place = rows.start, rows.stop, cols.start, cols.stop
        if place not in self._kept:
            weights = self._prepared.weights(self._prepared.plan.result, rows, cols)
            self._kept[place] = weights
            self._kept_bytes += weights.nbytes
            while self._kept_bytes > KEPT_BYTES:
                self._kept_bytes -= self._kept.pop(next(iter(self._kept))).nbytes
            return weights
        return self._kept[place]

    def in_memory(self, reduction: Callable[[], T]) -> T:
        """Runs a reduction over the tiles, again with smaller tiles each time memory runs out.

        Raises:
            RRLError: RRL515 if memory runs out for the smallest tile.
        """
        while True:
            try:
                return reduction()
            except (MemoryError, RuntimeError) as problem:
                if not is_out_of_memory(problem):
                    raise
            # outside the handler: there, the exception keeps the reduction's tensors alive
            self._kept.clear()
            self._kept_bytes = 0
            self._pairs = self._limit.lower(self._side**2, self.rows.device.type)

    @property
    def _side(self) -> int:
        return max(1, math.isqrt(self._pairs))

    def _slices(self, size: int) -> list[slice]:
        """At least one slice, so that reductions over no rows have a shape."""
        starts = range(0, max(size, 1), self._side)
        return [slice(start, min(start + self._side, size)) for start in starts]

    def _reduced(
        self,
        reduction: Reduction,
        join: Join,
        q: Tensor | None = None,
        k: Tensor | None = None,
        *parameters: float | Tensor,
        weighted: bool = True,
    ) -> Tensor:
        evaluate = weighted or self._is_contrasted

        def reduced(rows: slice, cols: slice, q: Tensor | None, k: Tensor | None) -> Tensor:
            tile = self.tile(rows, cols, evaluate=evaluate)
            return reduction(tile) if k is None else reduction(tile, q, k, *parameters)

        def joined() -> Tensor:
            row_parts, col_parts = self._split(q, self.shape[0]), self._split(k, self.shape[1])
            return torch.cat(
                [
                    join([recomputed(reduced, rows, cols, q, k) for cols, k in col_parts])
                    for rows, q in row_parts
                ]
            )

        return self.in_memory(joined)

    def _split(self, vectors: Tensor | None, size: int) -> list[tuple[slice, Tensor | None]]:
        """The slices of the rows or columns, each with its vectors."""
        slices = self._slices(size)
        if vectors is None:
            return [(part, None) for part in slices]
        # split once: a slice has a gradient of the size of the whole
        return list(zip(slices, torch.split(vectors, self._side), strict=True))


def _moved(part: slice, by: int) -> slice:
    return slice(part.start - by, part.stop - by)


class _Tile(DenseRelation):
    """The relation of some rows and columns, of which only the reductions may be used."""

    def __init__(
        self, weights: Tensor, contrast: Tensor | None, row_ids: tuple[Tensor, Tensor]
    ) -> None:
        self.weights, self.contrast = weights, contrast
        self.row_ids, self.self_pairs = row_ids, "anywhere"
