"""The graph over many rows as a sparse matrix, in memory that grows with rows plus edges.

Weights are evaluated only for candidates (`rrl_dsl.backends.candidates`), or for all pairs if the
recipe does not propose any, such as one with random edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy.sparse as sp
import torch

from rrl_dsl.backends.arrays import Array, Ids, Weights
from rrl_dsl.backends.candidates import Candidates, candidates_of
from rrl_dsl.backends.dense import Prepared
from rrl_dsl.backends.edge import edge_function
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.graph.composition import bands_of
from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.machine import available_memory, needing_memory, too_little_memory

if TYPE_CHECKING:
    import networkx as nx

Progress = Callable[[Sequence[slice]], Iterable[slice]]
"""Iterates over bands of rows, which take about the same time, and shows the progress."""

BAND_PAIRS: Final = 2**20
_CHUNK_BYTES: Final = 2**26  # of the plan's columns, for pairs that are evaluated at once
_EDGE_BYTES: Final = 16  # 8 in the matrix, and 8 while its parts are joined or written
_COUNTED_ROWS: Final = 64  # rows whose edges are counted to estimate the total
_HINT: Final = "take fewer rows, or a recipe with fewer edges"


def graph_of(
    prepared: Prepared, rows: int, progress: Progress, *, most: int | None = None
) -> sp.csr_array:
    """The edges of a recipe over rows, float32 (n, n).

    Args:
        prepared: The prepared recipe; its columns are its rows.
        rows: The number of rows.
        progress: Iterates over the bands of rows.
        most: The most pairs to evaluate.

    Raises:
        RRLError: RRL431 for more pairs than `most`; RRL515 if the graph does not fit into memory,
            with the expected number of edges.
    """
    what = f"the graph over {rows:,} rows"
    with needing_memory(what, _HINT):
        pairs = _Pairs(prepared, candidates(prepared), rows)
        looked_at = int(pairs.counts.sum())
        if most is not None and looked_at > most:
            pairs_of = f"{what} would be evaluated for {looked_at:,} pairs"
            message = f"{pairs_of}, and the limit is {most:,}"
            hint = "compose graphs with fewer edges, such as labels with more classes"
            raise error("RRL431", message, hint=hint)
        pairs.check_memory(what)
        return _joined(_in_parallel(pairs, progress), rows)


def _in_parallel(pairs: _Pairs, progress: Progress) -> list[_Edges]:
    """The edges of all bands, in order; threads share the bands on a CPU."""
    bands, threads = list(bands_of(pairs.counts, BAND_PAIRS)), torch.get_num_threads()
    on_cpu, fused = pairs.prepared.rows[0].device.type == "cpu", pairs.prepared.inputs.fused
    if threads == 1 or len(bands) == 1 or fused or not on_cpu:
        return [pairs.edges(band) for band in progress(bands)]
    # one torch thread per worker: otherwise torch divides each band among all threads again
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        futures = [pool.submit(pairs.edges, band) for band in bands]
        return [future.result() for future, _ in zip(futures, progress(bands), strict=True)]
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def networkx_graph(weights: sp.csr_array, nodes: Nodes, *, directed: bool) -> nx.Graph[int]:
    """The graph of sparse weights (n, n) over n rows, without self-loops."""
    import networkx as nx

    graph: nx.Graph[int] = nx.DiGraph() if directed else nx.Graph()
    samples, views = nodes.sample.tolist(), nodes.view.tolist()
    for row, (sample, view) in enumerate(zip(samples, views, strict=True)):
        graph.add_node(row, sample=sample, view=view)
    matrix = weights.tocoo()
    entries = zip(matrix.row.tolist(), matrix.col.tolist(), matrix.data.tolist(), strict=True)
    graph.add_weighted_edges_from(
        (i, j, weight) for i, j, weight in entries if i < j or (directed and i != j)
    )
    return graph


_Edges = tuple[Ids, Ids, Weights]
"""The edges of a band of rows: how many each row has, their columns and their weights."""


@dataclass(frozen=True)
class _Pairs:
    """The pairs of rows whose weights are evaluated."""

    prepared: Prepared
    candidates: Candidates | None
    rows: int

    @cached_property
    def counts(self) -> Ids:
        """The number of pairs of each row, int64 (n,)."""
        if self.candidates is None:
            return np.full(self.rows, self.rows)
        return self.candidates.counts(self.rows)

    def edges(self, band: slice) -> _Edges:
        """The edges of a band of rows."""
        if self.candidates is None:
            tile = self.prepared.weights(self.prepared.plan.result, band)
            rows, cols = (index.cpu().numpy() for index in tile.nonzero(as_tuple=True))
            weights = tile[tile > 0].float().cpu().numpy()
        else:
            rows, cols = self.candidates.pairs(band)
            weights = weights_at(self.prepared, rows, cols)
            there = np.flatnonzero(weights)
            rows, cols, weights = rows[there] - band.start, cols[there], weights[there]
        counts = np.bincount(rows, minlength=band.stop - band.start)
        return counts, cols.astype(np.int32), weights

    def check_memory(self, what: str) -> None:
        """Refuses a graph that does not fit into memory.

        Raises:
            RRLError: RRL515.
        """
        free = available_memory()
        if free is None or self.counts.sum() * _EDGE_BYTES <= free:
            return
        some = np.random.default_rng(0).permutation(self.rows)[:_COUNTED_ROWS].tolist()
        counted = sum(len(self.edges(slice(row, row + 1))[1]) for row in some)
        expected = round(counted / len(some) * self.rows)
        if expected * _EDGE_BYTES > free:
            raise too_little_memory(f"{what}, which has about {expected:,} edges", _HINT)


def _joined(bands: list[_Edges], rows: int) -> sp.csr_array:
    """The edges of all bands, (n, n). Empties the list, because a graph may fill the memory."""
    counts, cols, weights = ([band[part] for band in bands] for part in range(3))
    bands.clear()
    starts = np.append(0, np.cumsum(_concatenated(counts, np.int64)))
    if starts[-1] < 2**31:  # SciPy converts the columns to int64 if these are int64
        starts = starts.astype(np.int32)
    joined = _concatenated(weights, np.float32), _concatenated(cols, np.int32), starts
    return sp.csr_array(joined, shape=(rows, rows))


def _concatenated(parts: list[Array], dtype: type[np.generic]) -> Array:
    joined = np.concatenate([np.empty(0, dtype), *parts])
    parts.clear()
    return joined


def candidates(prepared: Prepared) -> Candidates | None:
    """The pairs that may have an edge; None for every pair."""
    rows, cols = (
        [column.cpu().numpy() for column in columns] for columns in (prepared.rows, prepared.cols)
    )
    scalars = [scalar.item() for scalar in prepared.inputs.scalars]
    lookups = [table.numpy() for table in prepared.inputs.lookups]
    return candidates_of(prepared.plan, rows, cols, scalars, lookups)


@torch.no_grad()
def weights_at(prepared: Prepared, rows: Ids, cols: Ids) -> Weights:
    """The weights of pairs, float32 (p,). Each pair is evaluated as a grid of 1 x 1."""
    plan, (scalars, lookups, _) = prepared.plan, prepared.inputs
    edge = edge_function(plan, plan.result)
    needed = {column for at in plan.needed(plan.result) for column in plan.instructions[at].columns}
    width = sum(prepared.rows[column][:1].nbytes for column in needed)
    chunk = max(1, _CHUNK_BYTES // max(2 * width, 1))

    def columns(of: Sequence[torch.Tensor], places: Ids) -> dict[int, torch.Tensor]:
        chosen = torch.from_numpy(places).to(of[0].device)
        return {column: of[column].index_select(0, chosen)[:, None, None] for column in needed}

    values = np.empty(len(rows), np.float32)
    for at in (slice(start, start + chunk) for start in range(0, len(rows), chunk)):
        i, j = columns(prepared.rows, rows[at]), columns(prepared.cols, cols[at])
        weights = edge(i, j, scalars, lookups)
        values[at] = weights.flatten().cpu().numpy()  # a constant is broadcast
    return values
