"""Graphs over the vectors of a whole data set, on the host, exact and cached on disk.

scikit-learn proposes neighbours, SciPy finds shortest paths. What decides is computed here again
from the differences of the vectors, so that ties are ties and go to the smaller sample.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from rrl_dsl.graph.plan import Metric
from rrl_dsl.language.diagnostics import error

Vectors = NDArray[np.float64]
"""(n, d), NaN where missing; in the order of the sample ids."""

_SPARE: Final = 16  # candidates beyond k, among which rounding may have misplaced some
_TILE: Final = 512
_SPLIT: Final = 2.0**13 + 1  # Veltkamp's constant: keeps 40 of the 53 bits of a float64
_WORTH_KEEPING: Final = 2000  # samples; fewer are found sooner than they are read from disk
_BISECTIONS: Final = 100


def neighbour_graph(vectors: Vectors, k: int, metric: Metric, mutual: bool) -> sp.csr_array:
    """Which samples are among the k nearest of the other, or with `mutual` of each other.

    Returns:
        (n, n), symmetric, of ones; no sample is its own neighbour.
    """
    lists, _ = _kept(_k_nearest, vectors, k, metric)
    directed = _graph_of(lists, np.ones(lists.shape))
    both = directed.multiply(directed.T) if mutual else directed.maximum(directed.T)
    return sp.csr_array(both)


def geodesic_graph(vectors: Vectors, k: int, within: float) -> sp.csr_array:
    """Which samples a path over the k-nearest graph joins that is at most `within` long.

    Returns:
        (n, n), symmetric, of ones, its diagonal too where the vector is known.
    """
    return sp.csr_array(_kept(_geodesic, vectors, k, within))


def affinities(vectors: Vectors, perplexity: float) -> Vectors:
    """The Gaussians of symmetric SNE (Hinton and Roweis 2002; van der Maaten and Hinton 2008).

    Returns:
        (n, 2): b_i and l_i with p_ij = exp(-b_i d^2 - l_i) + exp(-b_j d^2 - l_j), which is
        (p_j|i + p_i|j) / 2n; NaN where the vector is missing.

    Raises:
        RRLError: RRL420 where there are too few samples for the perplexity.
    """
    there = np.isfinite(vectors).all(axis=1)
    known = int(there.sum())
    if not perplexity < known - 1:
        message = f"a perplexity of {perplexity:g} wants more than {known} samples with a vector"
        raise error("RRL420", message, hint=f"lower it, to less than {max(known - 1, 1)}")
    result = np.full((len(vectors), 2), np.nan)
    result[there] = _kept(_affinities, vectors[there], perplexity)
    return result


def _k_nearest(vectors: Vectors, k: int, metric: Metric) -> tuple[NDArray[np.int64], Vectors]:
    """The k nearest samples of each, (n, k), -1 where there are fewer, and their distances."""
    from sklearn.neighbors import NearestNeighbors

    there = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    known = _directions(vectors[there]) if metric == "cosine" else vectors[there]
    lists = np.full((len(vectors), k), -1, dtype=np.int64)
    distances = np.full((len(vectors), k), np.inf)
    wanted = min(len(known), k + 1 + _SPARE)
    if wanted < 2:
        return lists, distances
    centred = known - known.mean(axis=0)  # less for the search's sums to cancel
    search = NearestNeighbors(n_neighbors=wanted, algorithm="brute").fit(centred)
    for start in range(0, len(known), _TILE):
        rows = np.arange(start, min(start + _TILE, len(known)))
        candidates = search.kneighbors(centred[rows], return_distance=False)
        found, near = _ranked(known, rows, candidates, k, metric)
        # the last candidate must be farther than what was chosen by more than rounding
        _, last = _ranked(known, rows, candidates, wanted - 1, metric)
        unsure = last[:, -1] <= near[:, min(k, wanted - 1) - 1] * (1 + 1e-6)
        if wanted < len(known) and unsure.any():
            everyone = np.broadcast_to(np.arange(len(known)), (int(unsure.sum()), len(known)))
            found[unsure], near[unsure] = _ranked(known, rows[unsure], everyone, k, metric)
        lists[there[rows]] = np.where(found >= 0, there[found], -1)
        distances[there[rows]] = near
    return lists, distances


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


def _rounded(distance: Vectors) -> Vectors:
    """The distance without its last bits, in which equal vectors may differ."""
    scaled = distance * _SPLIT
    return np.asarray(scaled - (scaled - distance))


def _directions(vectors: Vectors) -> Vectors:
    length = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(length, 1e-12))


def _geodesic(vectors: Vectors, k: int, within: float) -> sp.csr_array:
    lists, distances = _k_nearest(vectors, k, "euclidean")
    directed = _graph_of(lists, np.maximum(distances, np.finfo(float).tiny))  # 0 would be no step
    steps = sp.csr_array(directed.maximum(directed.T))
    longest = within + 1e-300  # what the steps of length 0 were given
    there = np.asarray(np.isfinite(vectors).all(axis=1))
    bands = [sp.csr_array((0, len(vectors)))]
    for start in range(0, len(vectors), _TILE):
        rows = np.arange(start, min(start + _TILE, len(vectors)))
        paths = dijkstra(steps, directed=False, indices=rows, limit=longest)
        joined = np.asarray(paths <= longest) & there[rows][:, None] & there
        bands.append(sp.csr_array(joined.astype(np.float64)))
    return sp.csr_array(sp.vstack(bands))


def _affinities(vectors: Vectors, perplexity: float) -> Vectors:
    """(n, 2) of known vectors."""
    from scipy.spatial.distance import cdist

    count = len(vectors)
    result = np.empty((count, 2))
    for start in range(0, count, _TILE):
        rows = np.arange(start, min(start + _TILE, count))
        distance = cdist(vectors[rows], vectors, "sqeuclidean")
        distance[np.arange(len(rows)), rows] = np.inf  # nobody is a neighbour of themselves
        nearest = distance.min(axis=1)
        precision = _precision(distance - nearest[:, None], perplexity)
        weights = np.exp(-precision[:, None] * (distance - nearest[:, None]))
        normaliser = np.log(weights.sum(axis=1)) - precision * nearest
        result[rows] = np.stack([precision, normaliser + np.log(2 * count)], axis=1)
    return result


def _precision(distance: Vectors, perplexity: float) -> Vectors:
    """By bisection, the precision at which each row's entropy is log(perplexity)."""
    wanted = np.log(perplexity)
    finite = np.where(np.isfinite(distance), distance, 0.0)
    low, high = np.zeros(len(distance)), np.full(len(distance), np.inf)
    precision = 1.0 / np.maximum(finite.mean(axis=1), np.finfo(float).tiny)
    for _ in range(_BISECTIONS):
        weights = np.exp(-precision[:, None] * distance)
        total = weights.sum(axis=1)
        entropy = np.log(total) + precision * (weights * finite).sum(axis=1) / total
        broad = entropy > wanted
        low, high = np.where(broad, precision, low), np.where(broad, high, precision)
        middle = np.where(np.isinf(high), 2 * precision, (low + high) / 2)
        if np.array_equal(middle, precision):
            break
        precision = np.minimum(middle, 1e300)
    return np.asarray(precision)


def _graph_of(lists: NDArray[np.int64], values: Vectors) -> sp.csr_array:
    rows, place = np.nonzero(lists >= 0)
    entries = (values[rows, place], (rows, lists[rows, place]))
    return sp.csr_array(entries, shape=(len(lists), len(lists)))


def _kept(function: Any, vectors: Vectors, *arguments: Any) -> Any:
    """The result of a function, read from disk where it was found for the same vectors before."""
    if len(vectors) < _WORTH_KEEPING:
        return function(vectors, *arguments)
    return _memory().cache(function)(vectors, *arguments)


@cache
def _memory() -> Any:
    from joblib import Memory

    default = Path.home() / ".cache" / "rrl-dsl"
    return Memory(Path(os.environ.get("RRL_DSL_CACHE", default)) / "lookups", verbose=0)
