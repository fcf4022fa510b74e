"""What lookups find over a whole data set, for a few of its samples: for pictures and figures.

The same edges as a bound program's, found for the asked samples alone, in time and memory that grow
with their number. Paths go through any sample, so of a large data set only `PATHS_OVER` samples are
looked at.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import scipy.sparse as sp

from rrl_dsl.backends import lookups, neighbours
from rrl_dsl.backends.lookups import Found
from rrl_dsl.backends.neighbours import Places, Vectors
from rrl_dsl.backends.reference.rows import Rows
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.lower import lower
from rrl_dsl.graph.plan import Affinities, Geodesic, Lookup, Neighbours
from rrl_dsl.graph.streams import finished

PATHS_OVER: Final = 4000


def paths_over(graph: Graph, samples: int) -> int | None:
    """Over how many of a data set's samples paths are found; None for all of them."""
    found = lower(finished(graph), binary=False).lookups
    paths = any(isinstance(each, Geodesic) for each in found)
    return PATHS_OVER if paths and samples > PATHS_OVER else None


def find(lookup: Lookup, dataset: Rows, seed: int, *, of: Places) -> Found:
    """As `rrl_dsl.backends.lookups.find`, for some samples.

    Args:
        lookup: What to find.
        dataset: One row for each sample.
        seed: The recipe's seed.
        of: The ids of the samples, which the data set has.
    """
    if not isinstance(lookup, Neighbours | Geodesic | Affinities):
        return lookups.find(lookup, dataset, seed)
    ids, first = np.unique(dataset.sample, return_index=True)
    vectors = dataset.vector(lookup.field)[first]
    places = np.flatnonzero(np.isin(ids, of))
    match lookup:
        case Neighbours():
            return lookups.of_graph(ids[places], _neighbours(lookup, vectors, places))
        case Geodesic():
            return lookups.of_graph(ids[places], _paths(lookup, vectors, places))
        case Affinities():
            precision = _gaussians(lookup, vectors, places)
            return lookups.ids_alone(ids[places])._replace(precision=precision)


def _neighbours(lookup: Neighbours, vectors: Vectors, places: Places) -> sp.csr_array:
    lists, _ = neighbours.k_nearest(vectors, lookup.k, lookup.metric, places)
    near = np.array([np.isin(places, each) for each in lists]).reshape(len(places), -1)
    match lookup.lists:
        case "mutual":
            near = near & near.T
        case "either":
            near = near | near.T
    return sp.csr_array(near.astype(np.float64))


def _paths(lookup: Geodesic, vectors: Vectors, places: Places) -> sp.csr_array:
    if len(vectors) > PATHS_OVER:
        order = np.random.default_rng(0).permutation(len(vectors))
        others = order[~np.isin(order, places)][: max(PATHS_OVER - len(places), 0)]
        looked_at = np.sort(np.concatenate([places, others]))
        vectors, places = vectors[looked_at], np.searchsorted(looked_at, places)
    graph = neighbours.geodesic_graph(vectors, lookup.k, lookup.within)
    return sp.csr_array(graph[places][:, places])


def _gaussians(lookup: Affinities, vectors: Vectors, places: Places) -> Vectors:
    there = np.asarray(np.isfinite(vectors).all(axis=1))
    known, at = np.flatnonzero(there), np.flatnonzero(there[places])
    neighbours.check_perplexity(lookup.perplexity, len(known))
    found = np.full((len(places), 3), np.nan)
    of = np.searchsorted(known, places[at])
    found[at] = neighbours.gaussians(vectors[known], lookup.perplexity, of)
    return found
