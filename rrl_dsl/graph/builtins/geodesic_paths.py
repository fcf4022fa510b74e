"""Shortest paths over the graph of nearest neighbors of a dataset, equal in both directions."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from rrl_dsl.graph.builtins.neighbor_search import Vectors, graph_of, k_nearest, tiles

_NO_LENGTH: Final = 2.0**-20  # of a step between equal vectors, in a sparse graph


def joined_by_paths(vectors: Vectors, k: int, within: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Finds the samples whose shortest path has at most the length `within`.

    Returns:
        The start of the entries of each sample, and the entries: positions of the samples that a
        path reaches. A sample with a vector reaches itself.
    """
    lists, distances = k_nearest(vectors, k, "euclidean")
    lengths, longest = path_lengths(distances, within)
    directed = graph_of(lists, np.maximum(lengths, _NO_LENGTH), len(vectors))  # 0 would be no step
    steps = sp.csr_array(directed.maximum(directed.T))
    there = np.asarray(np.isfinite(vectors).all(axis=1))
    bands = [sp.csr_array((0, len(vectors)))]
    for rows in tiles(len(vectors), len(vectors)):
        paths = dijkstra(steps, directed=False, indices=rows, limit=longest + 0.5)
        joined = (np.floor(paths) <= longest) & there[rows][:, None] & there
        bands.append(sp.csr_array(joined.astype(np.float64)))
    graph = sp.csr_array(sp.vstack(bands))
    return graph.indptr, graph.indices


def path_lengths(distances: Vectors, within: float) -> tuple[Vectors, float]:
    """The lengths of steps as whole numbers, and the largest length of a path within `within`.

    Sums of whole numbers are exact, so a path has the same length in both directions. The unit is
    about 2^-40 of `within`. The limit is larger than `within` by 2^-30 of it, which allows for
    rounding.
    """
    unit = 2.0 ** (math.frexp(within)[1] - 40)
    lengths = np.ceil(np.minimum(distances, 4.0 * within + unit) / unit)
    return lengths, math.floor(within / unit * (1 + 2.0**-30))
