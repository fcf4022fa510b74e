"""The blocked strategy: a relation in memory that grows with rows plus columns, not with pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rrl_dsl.backends.class_sums import ClassSums, has_classes
from rrl_dsl.backends.cross_entropy import BlockedCrossEntropy, Options, is_bounded
from rrl_dsl.backends.dense import Prepared
from rrl_dsl.backends.dense_relation import DenseRelation, joined_lse
from rrl_dsl.backends.edge_sums import EdgeSums
from rrl_dsl.backends.known_edges import terms_of
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.precision import at_least_float32, without_autocast
from rrl_dsl.backends.relation import Pointwise, Relation
from rrl_dsl.backends.repeats import Repeats
from rrl_dsl.backends.strategy import KEPT_BYTES, Limit, tile_pairs
from rrl_dsl.language.machine import is_out_of_memory

if TYPE_CHECKING:
    from rrl_dsl.backends.listed_sums import ListedSums

_Parts = list[Tensor]
T = TypeVar("T")


class BlockedRelation(Relation):
    """A relation that evaluates its weights tile by tile from the columns of rows and columns.

    Each reduction evaluates a tile of pairs, reduces it and drops it. The backward pass evaluates
    it again. A reduction for which memory runs out starts again with smaller tiles.
    """

    def __init__(
        self,
        prepared: Prepared,
        rows: Nodes,
        cols: Nodes,
        *,
        symmetric: bool = False,
        pairs: int | None = None,
        limit: Limit | None = None,
        shortcuts: bool = False,
        seed: int = 0,
        epoch: int = 0,
        step: int = 0,
    ) -> None:
        """Binds what a recipe prepared to rows and columns.

        Args:
            prepared: What the recipe prepared for them.
            rows: The n rows.
            cols: The m columns, perhaps the rows themselves.
            symmetric: Whether the recipe's weights are symmetric.
            pairs: The most pairs of a tile; defaults to what suits the device.
            limit: The program's limit, which falls when memory runs out.
            shortcuts: Whether to sum over edges alone where the plan says which pairs they are.
            seed: The recipe's seed.
            epoch: The epoch.
            step: The optimizer step.
        """
        super().__init__(rows, cols, seed=seed, epoch=epoch, step=step)
        self._prepared = prepared
        self._symmetric = symmetric
        self._pairs = pairs or tile_pairs(rows.device.type)
        self._limit = Limit() if limit is None else limit
        self._shortcuts = shortcuts
        self._found_sums: dict[bool, EdgeSums | None] = {}
        self._degrees: dict[bool, Tensor] = {}
        self._kept: dict[tuple[int, int, int, int], Tensor] = {}
        self._kept_bytes = 0
        self._row_parts: dict[tuple[int, int], Nodes] = {}
        self._col_parts = self._row_parts if cols is rows else dict[tuple[int, int], Nodes]()

    def restricted(self, rows: Tensor, cols: Tensor) -> BlockedRelation:
        return BlockedRelation(
            self._prepared.restricted(rows, cols),
            self.rows[rows],
            self.cols[cols],
            pairs=self._pairs,
            limit=self._limit,
            shortcuts=self._shortcuts,
            seed=self.seed,
            epoch=self.epoch,
            step=self.step,
        )

    def degree(self, *, with_self: bool = False) -> Tensor:
        if with_self not in self._degrees:
            sums = self._sums(with_self)
            if sums is not None:
                self._degrees[with_self] = sums.degree(torch.float32)
            else:
                self._degrees[with_self] = self._by_tile(
                    lambda tile: tile.degree(with_self=with_self), _total
                )
        return self._degrees[with_self]

    def lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        return self._by_tile(
            lambda tile, q, k: tile.lse(q, k, scale, with_self=with_self),
            joined_lse,
            q,
            k,
            evaluate=self._is_contrasted,
        )

    def dot(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        sums = self._sums(with_self)
        if sums is not None:
            with without_autocast(q.device):
                return sums.dot(at_least_float32(q), at_least_float32(k)) * scale
        return self._by_tile(
            lambda tile, q, k: tile.dot(q, k, scale, with_self=with_self), _total, q, k
        )

    def masked_lse(
        self, q: Tensor, k: Tensor, scale: float | Tensor = 1.0, *, with_self: bool = False
    ) -> Tensor:
        edges = self._listed(with_self)
        if edges is not None:
            with without_autocast(q.device):
                return edges.log_sum_exp(at_least_float32(q), at_least_float32(k), scale)
        return self._by_tile(
            lambda tile, q, k: tile.masked_lse(q, k, scale, with_self=with_self), joined_lse, q, k
        )

    def cross_entropy(
        self,
        q: Tensor,
        k: Tensor,
        scale: float | Tensor = 1.0,
        *,
        with_self: bool = False,
        self_in_denominator: bool = False,
    ) -> tuple[Tensor, Tensor]:
        with without_autocast(q.device):
            rows = at_least_float32(q)
            cols = rows if k is q else at_least_float32(k)
            factor = torch.as_tensor(scale, dtype=rows.dtype, device=rows.device)
            self_compared = with_self or self_in_denominator
            mirrored = self._symmetric and self.cols is self.rows and q is k
            bounded = is_bounded(rows, cols, factor)
            options = Options(with_self, self_compared, mirrored, bounded)
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
        return self._by_tile(
            lambda tile, q, k: tile.sqdist(q, k, with_self=with_self), _total, q, k
        )

    def matmul(self, v: Tensor, *, with_self: bool = False) -> Tensor:
        sums = self._sums(with_self)
        if sums is not None:
            with without_autocast(v.device):
                return sums.matmul(at_least_float32(v))
        return self._by_tile(
            lambda tile, _, v: tile.matmul(v, with_self=with_self), _total, None, v
        )

    def sum(
        self,
        f: Pointwise,
        q: Tensor,
        k: Tensor,
        *parameters: Tensor,
        with_self: bool = False,
    ) -> Tensor:
        return self._by_tile(
            lambda tile, q, k: tile.sum(f, q, k, *parameters, with_self=with_self), _total, q, k
        )

    def compared_count(self) -> Tensor:
        return self._by_tile(
            lambda tile: tile.compared_count(), _total, evaluate=self._is_contrasted
        )

    def unrelated_sum_sq(self, q: Tensor, k: Tensor) -> Tensor:
        return self._by_tile(lambda tile, q, k: tile.unrelated_sum_sq(q, k), _total, q, k)

    def unrelated_count(self) -> Tensor:
        return self._by_tile(lambda tile: tile.unrelated_count(), _total)

    def nearest_unrelated(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        # distances are found again for the nearest alone, which have a gradient
        with torch.no_grad():

            def nearest(parts: _Parts) -> Tensor:
                starts = torch.arange(0, len(k), self._side, device=k.device)
                index, distance = torch.stack(parts, dim=-1).unbind(0)
                least, part = distance.min(dim=1)
                local = index.gather(1, part[:, None]).squeeze(1)
                return torch.where(least < torch.inf, local + starts[part], -1)

            index = self._by_tile(
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
        """Whether the weights say which pairs are compared."""
        return self._prepared.plan.contrast is not None

    def _sums(self, with_self: bool) -> EdgeSums | None:
        """Sums over the edges without tiles, if classes or lists say which pairs they are."""
        if self._shortcuts and with_self not in self._found_sums:
            self._found_sums[with_self] = self._sums_found(with_self)
        return self._found_sums.get(with_self)

    def _sums_found(self, with_self: bool) -> EdgeSums | None:
        prepared = self._prepared
        terms = terms_of(prepared.plan, seed=self.seed, epoch=self.epoch, step=self.step)
        if terms is None or not has_classes(terms, prepared.rows, prepared.cols):
            return self._listed(with_self)
        row_ids = None if with_self else self.row_ids
        return ClassSums(terms, prepared.rows, prepared.cols, row_ids)

    def _listed(self, with_self: bool) -> ListedSums | None:
        """The edges, if they are few and lists say which they are."""
        if not self._shortcuts or self.rows.device.type != "cpu":  # finding them would wait
            return None
        from rrl_dsl.backends.listed_sums import listed  # which imports SciPy

        edges, (of_rows, of_cols) = listed(self._prepared, self.shape), self.row_ids
        if edges is None or with_self:
            return edges
        return edges.where(of_rows[edges.rows] != of_cols[edges.cols])

    def tile(self, rows: slice, cols: slice, *, evaluate: bool = True) -> DenseRelation:
        """The relation of some rows and columns, with its weights; without any if not evaluated."""
        plan = self._prepared.plan
        contrast = None
        if plan.contrast is not None:
            contrast = self._prepared.weights(plan.contrast, rows, cols)
        if evaluate:
            weights = self._weights(*self._in_first_view(rows, cols))
        else:
            shape = rows.stop - rows.start, cols.stop - cols.start
            weights = torch.zeros((), dtype=torch.bool, device=self.rows.device).expand(shape)
        tile = DenseRelation(
            weights,
            _part(self.rows, rows, self._row_parts),
            _part(self.cols, cols, self._col_parts),
            contrast=contrast,
        )
        of_rows, of_cols = self.row_ids
        tile.row_ids = of_rows[rows], of_cols[cols]
        tile.self_pairs = "anywhere"
        if self.self_pairs == "diagonal":  # rows and columns are cut in the same places
            tile.self_pairs = "diagonal" if rows == cols else "none"
        return tile

    def tiles(self, *, mirrored: bool = False) -> Iterator[tuple[slice, slice]]:
        """The tiles, by rows and columns; where mirrored, without those below the diagonal."""
        row_slices, col_slices = self._slices(self.shape[0]), self._slices(self.shape[1])
        views = self._views
        if views is not None and views.samples >= self._side:  # cut alike, so that tiles repeat
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
        """How the rows repeat, if the weights of one view are those of others."""
        return self._prepared.repeats(self._prepared.plan.result) if self._shortcuts else None

    def _in_first_view(self, rows: slice, cols: slice) -> tuple[slice, slice]:
        """Rows and columns of the first view that have the weights of these; these otherwise."""
        views = self._views
        if views is None:
            return rows, cols
        i, j = (_moved(part, part.start // views.samples * views.samples) for part in (rows, cols))
        within = max(i.stop, j.stop) <= views.samples
        apart = i.stop <= j.start or j.stop <= i.start
        return (i, j) if within and (apart or not views.by_view) else (rows, cols)

    def _weights(self, rows: slice, cols: slice) -> Tensor:
        """The weights of a tile; the last ones are kept, for other views and the backward pass."""
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
        """The result of a reduction over the tiles; with smaller tiles if memory runs out.

        Raises:
            RRLError: RRL515 if memory runs out for the smallest tile too.
        """
        while True:
            try:
                return reduction()
            except (MemoryError, RuntimeError) as problem:
                if not is_out_of_memory(problem):
                    raise
            # not above: while the exception is handled, it holds what the reduction computed
            self._kept.clear()
            self._kept_bytes = 0
            self._pairs = self._limit.lower(self._side**2, self.rows.device.type)

    @property
    def _side(self) -> int:
        return max(1, math.isqrt(self._pairs))

    def _slices(self, size: int) -> list[slice]:
        """At least one, so that reductions of nothing have a shape."""
        starts = range(0, max(size, 1), self._side)
        return [slice(start, min(start + self._side, size)) for start in starts]

    def _by_tile(
        self,
        reduction: Callable[..., Tensor],
        join: Callable[[_Parts], Tensor],
        of_rows: Tensor | None = None,
        of_cols: Tensor | None = None,
        evaluate: bool = True,
    ) -> Tensor:
        """A reduction of every tile, joined over the tiles of the same rows.

        Args:
            reduction: From a tile, and its parts of `of_rows` and `of_cols` where columns are
                given, to a tensor whose last dimensions are its rows.
            join: From the results of all tiles of the same rows to that of the rows.
            of_rows: (n, d), or None where the reduction needs none.
            of_cols: (m, d), or None.
            evaluate: Whether the reduction reads the weights.
        """
        parts = partial(self._of_rows, reduction, join, of_rows, of_cols, evaluate)
        return self.in_memory(lambda: torch.cat(parts()))

    def _of_rows(
        self,
        reduction: Callable[..., Tensor],
        join: Callable[[_Parts], Tensor],
        of_rows: Tensor | None,
        of_cols: Tensor | None,
        evaluate: bool,
    ) -> _Parts:
        """The same, for each slice of the rows."""
        row_slices, col_slices = self._slices(self.shape[0]), self._slices(self.shape[1])
        # split once: a slice has a gradient of the size of the whole
        row_parts = (
            [None] * len(row_slices) if of_rows is None else torch.split(of_rows, self._side)
        )
        col_parts = (
            [None] * len(col_slices) if of_cols is None else torch.split(of_cols, self._side)
        )

        def reduced(rows: slice, cols: slice, *vectors: Tensor | None) -> Tensor:
            tile = self.tile(rows, cols, evaluate=evaluate)
            return reduction(tile, *(() if of_cols is None else vectors))

        tiles = []
        for rows, q in zip(row_slices, row_parts, strict=True):
            parts = [
                checkpoint(reduced, rows, cols, q, k, use_reentrant=False, preserve_rng_state=False)
                for cols, k in zip(col_slices, col_parts, strict=True)
            ]
            tiles.append(join(parts))
        return tiles


def _moved(part: slice, by: int) -> slice:
    return slice(part.start - by, part.stop - by)


def _part(nodes: Nodes, part: slice, known: dict[tuple[int, int], Nodes]) -> Nodes:
    """A slice of the rows or columns, which all tiles of it share."""
    place = part.start, part.stop
    if place not in known:
        known[place] = nodes[part]
    return known[place]


def _total(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(dim=0)
