"""What calls find over a whole data set, for a few of its samples: for pictures and figures.

The same edges as the reference's and a bound program's, found for the asked samples alone, in time
and memory that grow with their number. Paths go through any sample, so of a large data set only
`PATHS_OVER` samples are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends import neighbours, reference
from rrl_dsl.backends.neighbours import Places, Vectors
from rrl_dsl.backends.reference.rows import Setting
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.traverse import calls_of

PATHS_OVER: Final = 4000

Find = Callable[[Call, Vectors, Places], npt.NDArray[Any]]
"""(call, vectors of the data set, places (p,), ascending) -> weights (p, p)."""


def paths_over(graph: Graph, samples: int) -> int | None:
    """Over how many of a data set's samples paths are found; None for all of them."""
    names = {call.signature.name for call in calls_of(graph)}
    return PATHS_OVER if "geodesic" in names and samples > PATHS_OVER else None


def _knn(call: Call, vectors: Vectors, places: Places) -> npt.NDArray[Any]:
    arguments = call.arguments
    lists, _ = neighbours.k_nearest(vectors, arguments["k"], arguments["metric"], places)
    near = np.array([np.isin(places, each) for each in lists]).reshape(len(places), -1)
    return reference.linked(near, arguments)


def _geodesic(call: Call, vectors: Vectors, places: Places) -> npt.NDArray[Any]:
    arguments = call.arguments
    if len(vectors) > PATHS_OVER:
        order = np.random.default_rng(0).permutation(len(vectors))
        others = order[~np.isin(order, places)][: max(PATHS_OVER - len(places), 0)]
        looked_at = np.sort(np.concatenate([places, others]))
        vectors, places = vectors[looked_at], np.searchsorted(looked_at, places)
    graph = neighbours.geodesic_graph(vectors, arguments["k"], arguments["within"])
    return np.asarray(graph[places][:, places].toarray() > 0)


def _sne(call: Call, vectors: Vectors, places: Places) -> npt.NDArray[Any]:
    there = np.asarray(np.isfinite(vectors).all(axis=1))
    known, at = np.flatnonzero(there), np.flatnonzero(there[places])
    perplexity = call.arguments["perplexity"]
    neighbours.check_perplexity(perplexity, len(known))
    found = neighbours.gaussians(vectors[known], perplexity, np.searchsorted(known, places[at]))
    x = vectors[places[at]]
    distance = np.array([np.square(each - x).sum(axis=1) for each in x]).reshape(len(x), -1)
    precision, normaliser, reach = (column[:, None] for column in found.T)
    given = np.where(distance <= reach, np.exp(-distance * precision - normaliser), 0.0)
    weights = np.zeros((len(places), len(places)))
    weights[np.ix_(at, at)] = given + given.T
    np.fill_diagonal(weights, 0.0)
    return weights


def _among(find: Find, field: str) -> Callable[[Call, Setting], npt.NDArray[Any]]:
    """A rule of the reference backend that asks for the samples of the rows alone."""

    def rule(call: Call, setting: Setting) -> npt.NDArray[Any]:
        name = call.signature.name
        if call.scope != "data set":
            return reference.SOURCES[name](call, setting)
        vectors = setting.known_dataset().vector(call.arguments[field])
        places, of_rows = np.unique(setting.places(), return_inverse=True)
        return find(call, vectors, places)[np.ix_(of_rows, of_rows)]

    return rule


SOURCES: Final[Mapping[str, Callable[[Call, Setting], npt.NDArray[Any]]]] = {
    **reference.SOURCES,
    "knn": _among(_knn, "space"),
    "geodesic": _among(_geodesic, "field"),
    "similarity": _among(_sne, "field"),
}
"""The sources of the reference backend, those that look at the whole data set in short."""
