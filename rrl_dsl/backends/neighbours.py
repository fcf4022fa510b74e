"""Graphs over the vectors of a whole data set, on the host, exact and cached on disk.

scikit-learn proposes neighbours, SciPy finds shortest paths. What decides is computed here again
from the differences of the vectors, so that ties are ties and go to the smaller sample.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from rrl_dsl.graph.plan import Lists, Metric
from rrl_dsl.language.cache import Cache
from rrl_dsl.language.diagnostics import error

Vectors = NDArray[np.float64]
"""(n, d), NaN where missing; in the order of the sample ids."""
Places = NDArray[np.int64]

_SPARE: Final = 16  # candidates beyond k, among which rounding may have misplaced some
_CELLS: Final = 2**22  # of a tile: values for some rows and all columns
_SPLIT: Final = 2.0**13 + 1  # Veltkamp's constant: keeps 40 of the 53 bits of a float64
_FORMAT: Final = 4  # of what is kept: raise it with any change to what is found
_WORTH_KEEPING: Final = 2000  # samples; fewer are found sooner than they are read from disk
_STEPS: Final = 100
TIE: Final = 1e-9
"""Squared distances that differ by this share are one distance to `sne`."""
_NO_LENGTH: Final = 2.0**-20  # of a step between equal vectors, in a sparse graph


def neighbour_graph(vectors: Vectors, k: int, metric: Metric, lists: Lists) -> sp.csr_array:
    """Which samples are linked by their lists of the k nearest.

    Returns:
        (n, n), of ones, symmetric but for `directed`; no sample is its own neighbour.
    """
    nearest, _ = _kept(k_nearest, vectors, k, metric)
    directed = _graph_of(nearest, np.ones(nearest.shape))
    match lists:
        case "directed":
            return directed
        case "mutual":
            return sp.csr_array(directed.multiply(directed.T))
        case "either":
            return sp.csr_array(directed.maximum(directed.T))


def geodesic_graph(vectors: Vectors, k: int, within: float) -> sp.csr_array:
    """Which samples a path over the k-nearest graph joins that is at most `within` long.

    Returns:
        (n, n), symmetric, of ones, its diagonal too where the vector is known.
    """
    starts, entries = _kept(_geodesic, vectors, k, within)
    count = len(vectors)
    return sp.csr_array((np.ones(len(entries)), entries, starts), shape=(count, count))


def affinities(vectors: Vectors, perplexity: float) -> Vectors:
    """The Gaussians of symmetric SNE (Hinton and Roweis 2002; van der Maaten and Hinton 2008).

    Returns:
        (n, 3): b_i, l_i and r_i. The weight (p_j|i + p_i|j) / 2n is g_i + g_j, where g_i is
        exp(-b_i d^2 - l_i) for a squared distance d^2 of at most r_i, else 0. NaN where the
        vector is missing.

    Raises:
        RRLError: RRL420 where there are too few samples for the perplexity.
    """
    there = np.isfinite(vectors).all(axis=1)
    check_perplexity(perplexity, int(there.sum()))
    result = np.full((len(vectors), 3), np.nan)
    (result[there],) = _kept(_gaussians, vectors[there], perplexity)
    return result


def check_perplexity(perplexity: float, known: int) -> None:
    """Refuses a perplexity that so many samples with a vector cannot have.

    Raises:
        RRLError: RRL420.
    """
    if not perplexity < known - 1:
        message = f"a perplexity of {perplexity:g} wants more than {known} samples with a vector"
        hint = f"lower it, to less than {known - 1}" if known > 2 else "it has too few samples"
        raise error("RRL420", message, hint=hint)


def k_nearest(
    vectors: Vectors, k: int, metric: Metric, of: Places | None = None
) -> tuple[Places, Vectors]:
    """The k nearest samples of each, or of those at some places, and their distances.

    Returns:
        Two (n, k) arrays; k is lowered to the number of other samples with a vector, and -1 stands
        where a sample has none.
    """
    from sklearn.neighbors import NearestNeighbors

    there = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    of = np.arange(len(vectors)) if of is None else of
    k = min(k, max(len(there) - 1, 0))
    lists = np.full((len(of), k), -1, dtype=np.int64)
    distances = np.full((len(of), k), np.inf)
    if not k:
        return lists, distances
    known = _directions(vectors[there]) if metric == "cosine" else vectors[there]
    centred = known - known.mean(axis=0)  # less for the search's sums to cancel
    wanted = min(len(known), k + 1 + _SPARE)
    search = NearestNeighbors(n_neighbors=wanted, algorithm="brute").fit(centred)
    asked = np.flatnonzero(np.isin(of, there))
    for tile in _tiles(len(asked), len(known)):
        rows = np.searchsorted(there, of[asked[tile]])
        candidates = search.kneighbors(centred[rows], return_distance=False)
        found, near = _ranked(known, rows, candidates, k, metric)
        # the last candidate must be farther than what was chosen by more than rounding
        _, last = _ranked(known, rows, candidates, wanted - 1, metric)
        unsure = last[:, -1] <= near[:, -1] * (1 + 1e-6)
        if wanted < len(known) and unsure.any():
            everyone = np.broadcast_to(np.arange(len(known)), (int(unsure.sum()), len(known)))
            found[unsure], near[unsure] = _ranked(known, rows[unsure], everyone, k, metric)
        lists[asked[tile]] = there[found]
        distances[asked[tile]] = near
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


def _geodesic(vectors: Vectors, k: int, within: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where the entries of each row of `geodesic_graph` start, and the entries."""
    lists, distances = k_nearest(vectors, k, "euclidean")
    lengths, longest = path_lengths(distances, within)
    directed = _graph_of(lists, np.maximum(lengths, _NO_LENGTH))  # 0 would be no step
    steps = sp.csr_array(directed.maximum(directed.T))
    there = np.asarray(np.isfinite(vectors).all(axis=1))
    bands = [sp.csr_array((0, len(vectors)))]
    for rows in _tiles(len(vectors), len(vectors)):
        paths = dijkstra(steps, directed=False, indices=rows, limit=longest + 0.5)
        joined = (np.floor(paths) <= longest) & there[rows][:, None] & there
        bands.append(sp.csr_array(joined.astype(np.float64)))
    graph = sp.csr_array(sp.vstack(bands))
    return graph.indptr, graph.indices


def path_lengths(distances: Vectors, within: float) -> tuple[Vectors, float]:
    """Steps of paths as whole numbers, and the longest path that is at most `within`.

    Sums of whole numbers are exact, so a path is as long there as back. The unit is 2^-40 of
    `within`, and a path may be longer by 2^-30, which is what rounding does to it.
    """
    unit = 2.0 ** (math.frexp(within)[1] - 40)
    lengths = np.ceil(np.minimum(distances, 4.0 * within + unit) / unit)
    return lengths, math.floor(within / unit * (1 + 2.0**-30))


def _gaussians(vectors: Vectors, perplexity: float) -> tuple[Vectors]:
    return (gaussians(vectors, perplexity),)


def gaussians(vectors: Vectors, perplexity: float, of: Places | None = None) -> Vectors:
    """As `affinities`, for the samples at some places alone; every vector is known."""
    from scipy.spatial.distance import cdist

    count = len(vectors)
    of = np.arange(count) if of is None else of
    result = np.empty((len(of), 3))
    for tile in _tiles(len(of), count):
        distance = cdist(vectors[of[tile]], vectors, "sqeuclidean")
        distance[np.arange(len(tile)), of[tile]] = np.inf  # nobody is a neighbour of themselves
        result[tile] = _fitted(distance, perplexity)
    result[:, 1] += np.log(2 * count)
    return result


def _fitted(distance: Vectors, perplexity: float) -> Vectors:
    """Precision, log-normaliser and reach of each row's squared distances.

    As the precision grows, the weights tend to uniform ones over the nearest, and the perplexity to
    their number. Where that is not below the perplexity, no precision reaches it, and the limit is
    taken.
    """
    nearest = distance.min(axis=1)
    reach = nearest * (1 + TIE)
    ties = (distance <= reach[:, None]).sum(axis=1)
    tied = ties >= perplexity
    fitted = np.stack([np.zeros(len(ties)), np.log(ties), reach], axis=1)
    shifted = distance[~tied] - nearest[~tied, None]
    precision, total = _precision(shifted, reach[~tied] - nearest[~tied], perplexity)
    normaliser = np.log(total) - precision * nearest[~tied]
    fitted[~tied] = np.stack([precision, normaliser, np.full_like(total, np.inf)], axis=1)
    return fitted


def _precision(distance: Vectors, tie: Vectors, perplexity: float) -> tuple[Vectors, Vectors]:
    """The precision at which each row's entropy is log(perplexity), and the sum of its weights.

    By Newton's method on the logarithm, and by bisection where that leaves what is known.

    Args:
        distance: Squared distances (n, m), less the smallest of the row.
        tie: (n,), up to where they count as 0; fewer than the perplexity do.
        perplexity: The perplexity.
    """
    finite = np.where(np.isfinite(distance), distance, 0.0)
    gap = np.where(distance > tie[:, None], distance, np.inf).min(axis=1, initial=np.inf)
    # there the weights beyond the ties sum to less than the last bit of 1
    high = np.minimum((np.log(distance.shape[1]) + 40.0) / np.maximum(gap, 1e-300), 1e300)
    low = np.zeros(len(distance))
    precision = np.minimum(1.0 / np.maximum(finite.mean(axis=1), 1e-300), high)
    for _ in range(_STEPS):
        weights = np.exp(-precision[:, None] * distance)
        total = weights.sum(axis=1)
        mean = np.einsum("ij,ij->i", weights, finite) / total
        excess = np.log(total) + precision * mean - np.log(perplexity)
        done = (np.abs(excess) < 1e-12) | (high - low <= 1e-15 * high)
        if done.all():
            break
        low, high = np.where(excess > 0, precision, low), np.where(excess > 0, high, precision)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            spread = np.einsum("ij,ij,ij->i", weights, finite, finite) / total - mean**2
            guess = precision * np.exp(np.clip(excess / (precision**2 * spread), -2.0, 2.0))
        guess = np.where((guess > low) & (guess < high), guess, (low + high) / 2)
        precision = np.where(done, precision, guess)
    return precision, np.exp(-precision[:, None] * distance).sum(axis=1)


def _tiles(rows: int, columns: int) -> Iterator[Places]:
    """Bands of rows, each as high as its values for all columns leave room for."""
    height = max(_CELLS // max(columns, 1), 1)
    return (np.arange(top, min(top + height, rows)) for top in range(0, rows, height))


def _graph_of(lists: NDArray[np.int64], values: Vectors) -> sp.csr_array:
    rows, place = np.nonzero(lists >= 0)
    entries = (values[rows, place], (rows, lists[rows, place]))
    return sp.csr_array(entries, shape=(len(lists), len(lists)))


def _kept(find: Callable[..., tuple[Any, ...]], vectors: Vectors, *arguments: Any) -> list[Any]:
    """The arrays that a function finds, read from disk where it did so for the same vectors."""
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
    found = find(vectors, *arguments)
    content = BytesIO()
    np.savez(content, *found)
    cache.write(key, content.getvalue())
    return list(found)
