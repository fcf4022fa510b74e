"""The nearest samples of a dataset, exact and kept on disk.

`neighbor_candidates` proposes neighbors. This module computes their distances again from the
differences of the vectors, so that ties are exact and go to the smaller sample.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from typing import Any, Final, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rrl_dsl.graph.builtins.neighbor_candidates import Propose, proposers
from rrl_dsl.language.cache import Cache

Metric = Literal["cosine", "euclidean"]
Vectors = NDArray[np.float64]
"""(n, d), NaN where missing; ordered by id."""
Positions = NDArray[np.int64]
"""Rows of the vectors."""

_SPARE: Final = 16  # candidates beyond k, because rounding may misplace some
_BAND: Final = 2048  # rows whose candidates are searched at once
_CELLS: Final = 2**22  # the values of a tile, for some rows and all columns
_SPLIT: Final = 2.0**13 + 1  # Veltkamp's constant: keeps 40 of the 53 bits of a float64
_FORMAT: Final = 5  # of the files on disk; increase it if the results change
_WORTH_KEEPING: Final = 2000  # the fewest samples that are kept on disk; fewer are fast to search


def lists_of(
    ids: Positions, vectors: Vectors, k: int, metric: Metric, wanted: Positions | None
) -> tuple[Positions, sp.csr_array]:
    """Returns the lists of the k nearest samples of each sample.

    Args:
        ids: int64 (n,), the ids of the samples, ascending.
        vectors: Their vectors (n, d).
        k: The length of a list.
        metric: The distance.
        wanted: The requested ids; defaults to all.

    Returns:
        The requested ids, and a matrix (t, t) with 1 for each entry of a list. No sample is in its
        own list.
    """
    if wanted is None:
        nearest, _ = kept(k_nearest, vectors, k, metric)
        return ids, graph_of(nearest, np.ones(nearest.shape), len(ids))
    positions = np.flatnonzero(np.isin(ids, wanted))
    nearest, _ = k_nearest(vectors, k, metric, positions)
    graph = graph_of(nearest, np.ones(nearest.shape), len(ids))
    return ids[positions], sp.csr_array(graph[:, positions])


def k_nearest(
    vectors: Vectors, k: int, metric: Metric, of: Positions | None = None
) -> tuple[Positions, Vectors]:
    """Returns the k nearest samples of each sample, or of some positions, and their distances.

    Returns:
        Two (n, k) arrays; k is lowered to the number of other samples with a vector, and
        the entries of a sample without a vector are -1.

    Raises:
        RRLError: As `rrl_dsl.graph.builtins.neighbor_candidates.proposers`.
    """
    there = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    of = np.arange(len(vectors)) if of is None else of
    k = min(k, max(len(there) - 1, 0))
    lists = np.full((len(of), k), -1, dtype=np.int64)
    distances = np.full((len(of), k), np.inf)
    if not k:
        return lists, distances
    known = searched = vectors[there]
    if metric == "cosine":
        known = _directions(known)
        # a zero vector is orthogonal to all others, so its distance to them is sqrt(2)
        searched = np.column_stack([known, ~known.any(axis=1)])
    centered = searched - searched.mean(axis=0)  # the sums of the search cancel less
    wanted = min(len(known), k + 1 + _SPARE)
    search = partial(_exact, known, k=k, metric=metric, searches=proposers(centered, wanted))
    asked = np.flatnonzero(np.isin(of, there))
    for start in range(0, len(asked), _BAND):
        band = asked[start : start + _BAND]
        nearest, near = search(np.searchsorted(there, of[band]))
        lists[band], distances[band] = there[nearest], near
    return lists, distances


def _exact(
    known: Vectors, rows: Positions, k: int, metric: Metric, searches: list[Propose]
) -> tuple[Positions, Vectors]:
    """The k nearest of some rows, ranked among candidates that certainly include them."""
    nearest, near = np.empty((len(rows), k), np.int64), np.empty((len(rows), k))
    unsure = np.arange(len(rows))
    for propose in searches:
        if not len(unsure):
            break
        candidates, slack = propose(rows[unsure])
        width = candidates.shape[1]
        ranked, distance = _ranked(known, rows[unsure], candidates, width - 1, metric)
        nearest[unsure], near[unsure] = ranked[:, :k], distance[:, :k]
        if width == len(known):
            return nearest, near
        # the last candidate must be farther than the chosen ones by more than rounding errors
        chosen, other = near[unsure, -1], distance[:, -1]
        close = other <= chosen * (1 + 1e-6)
        close |= _squared(other, metric) <= _squared(chosen, metric) + slack
        unsure = unsure[close]
    everyone = np.broadcast_to(np.arange(len(known)), (len(unsure), len(known)))
    nearest[unsure], near[unsure] = _ranked(known, rows[unsure], everyone, k, metric)
    return nearest, near


def _ranked(
    known: Vectors, rows: NDArray[np.int64], candidates: NDArray[np.int64], k: int, metric: Metric
) -> tuple[NDArray[np.int64], Vectors]:
    """The k best of each row's candidates by (distance, place), without the row itself."""
    chosen = np.full((len(rows), k), -1, dtype=np.int64)
    distance = np.full((len(rows), k), np.inf)
    for at, (row, others) in enumerate(zip(rows, candidates, strict=True)):
        others = np.sort(others[others != row])
        if metric == "cosine":
            far = 2.0 - known[others] @ known[row]
        else:
            far = np.sqrt(np.square(known[others] - known[row]).sum(axis=1))
        order = np.argsort(_rounded(far), kind="stable")[:k]
        chosen[at, : len(order)] = others[order]
        distance[at, : len(order)] = far[order]
    return chosen, distance


def _squared(distance: Vectors, metric: Metric) -> Vectors:
    """The squared Euclidean distances for distances of `_ranked`."""
    return 2.0 * (distance - 1.0) if metric == "cosine" else np.square(distance)


def _rounded(distance: Vectors) -> Vectors:
    """The distance without its last bits, which may differ for equal vectors."""
    scaled = distance * _SPLIT
    return np.asarray(scaled - (scaled - distance))


def _directions(vectors: Vectors) -> Vectors:
    length = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(length, 1e-12))


def tiles(rows: int, columns: int) -> Iterator[Positions]:
    """Bands of rows with at most `_CELLS` values for all columns."""
    height = max(_CELLS // max(columns, 1), 1)
    return (np.arange(top, min(top + height, rows)) for top in range(0, rows, height))


def graph_of(lists: Positions, values: Vectors, count: int) -> sp.csr_array:
    """The graph with an edge from each of t samples to those in its list (t, k), (t, count)."""
    rows, place = np.nonzero(lists >= 0)
    entries = (values[rows, place], (rows, lists[rows, place]))
    return sp.csr_array(entries, shape=(len(lists), count))


def kept(find: Callable[..., tuple[Any, ...]], vectors: Vectors, *arguments: Any) -> list[Any]:
    """The arrays that a function returns, read from disk if it ran before for the same vectors."""
    if len(vectors) < _WORTH_KEEPING:
        return list(find(vectors, *arguments))
    cache = Cache(f"lookups-{_FORMAT}")
    digest = hashlib.sha256(np.ascontiguousarray(vectors).data).hexdigest()
    key = json.dumps([find.__name__, arguments, vectors.dtype.str, vectors.shape, digest])
    known = cache.read(key)
    if known is not None:
        archive = np.load(BytesIO(known), allow_pickle=False)
        return [archive[name] for name in archive.files]
    cache.check_writable()
    arrays = find(vectors, *arguments)
    content = BytesIO()
    np.savez(content, *arrays)
    cache.write(key, content.getvalue())
    return list(arrays)
