"""What is found once over the whole data set: chosen labels, pairs, neighbours, affinities.

Everything is kept by place among the sorted sample ids, so that an edge is a search in a short
sorted list, and the result does not depend on the order of the data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import scipy.sparse as sp

from rrl_dsl.backends import neighbours
from rrl_dsl.backends.arrays import Ids
from rrl_dsl.backends.pair_ids import lacking_pairs
from rrl_dsl.graph import draws
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.plan import (
    Affinities,
    Chosen,
    Geodesic,
    Listed,
    Lookup,
    Neighbours,
    OfVectors,
)
from rrl_dsl.graph.weights import LARGEST, LEAST
from rrl_dsl.language.diagnostics import RRLError, did_you_mean, error

if TYPE_CHECKING:
    import torch


class Samples(Protocol):
    """One row for each sample of a data set, on the host: `rrl.Nodes`, or `Rows` of arrays."""

    @property
    def sample(self) -> Any:
        """int64 (n,), the ids."""

    @property
    def labels(self) -> Mapping[str, Any]:
        """Label field -> int64 (n,), -1 where unknown."""

    def vector(self, name: str) -> Any:
        """A vector field, float64 (n, d), NaN where missing."""


class Found(NamedTuple):
    """What a lookup found, as NumPy arrays or tensors. What one has no use for is empty.

    Attributes:
        ids: int64 (u,), sample ids, ascending.
        starts: int64 (u + 1,), where the entries of each sample start.
        entries: int64 (e,), the places of the samples linked with each, ascending.
        weights: float32 (e,), their weights.
        precision: float64 (u, 3), precision, log-normaliser and reach of each sample.
        steps: How many halvings the longest list of entries takes.
    """

    ids: Any
    starts: Any
    entries: Any
    weights: Any
    precision: Any
    steps: int

    def to(self, device: torch.device) -> Found:
        """The same as tensors on a device."""
        import torch

        ids, starts, entries, weights, precision = (
            torch.from_numpy(each).to(device) for each in self[:5]
        )
        return Found(ids, starts, entries, weights, precision, self.steps)


def find(lookup: Lookup, dataset: Samples, seed: int) -> Found:
    """What a lookup finds over a data set.

    Args:
        lookup: What to find.
        dataset: One row for each sample, on the host; a sample that stands twice counts once.
        seed: The recipe's seed.

    Raises:
        RRLError: RRL401 or RRL417 where the data set lacks the column, RRL420 where it is too
            small.
    """
    match lookup:
        case Chosen():
            return ids_alone(_choose(lookup, dataset, seed))
        case Listed(links=links):
            return listed(links)
    ids, first = np.unique(np.asarray(dataset.sample), return_index=True)
    assert isinstance(lookup, OfVectors), lookup
    vectors = np.asarray(dataset.vector(lookup.field))[first]
    match lookup:
        case Neighbours():
            graph = neighbours.neighbour_graph(vectors, lookup.k, lookup.metric, lookup.lists)
            return of_graph(ids, graph)
        case Geodesic():
            return of_graph(ids, neighbours.geodesic_graph(vectors, lookup.k, lookup.within))
        case Affinities():
            precision = neighbours.affinities(vectors, lookup.perplexity)
            return ids_alone(ids)._replace(precision=precision)
    raise AssertionError(lookup)


def listed(links: Links) -> Found:
    """The pairs of a file; needs no data set."""
    ends = np.array([links.a, links.b], dtype=np.int64).reshape(2, -1)
    ids, places = np.unique(ends, return_inverse=True)
    a, b = places.reshape(2, -1)
    weights = np.ones(len(a)) if links.weight is None else np.array(links.weight)
    # A pair that stands twice, or both ways round, has its larger weight; 0 is no edge.
    rows, cols = np.concatenate([a, b]), np.concatenate([b, a])
    values = np.concatenate([weights, weights])
    order = np.lexsort((-values, cols, rows))
    rows, cols, values = rows[order], cols[order], values[order]
    kept = np.ones(len(rows), dtype=bool)
    kept[1:] = (rows[1:] != rows[:-1]) | (cols[1:] != cols[:-1])
    kept &= values > 0
    values = np.clip(values, LEAST, LARGEST)  # what is above 0 stays above 0
    size = (len(ids), len(ids))
    return of_graph(ids, sp.csr_array((values[kept], (rows[kept], cols[kept])), shape=size))


def ids_alone(ids: Ids) -> Found:
    """Samples, ascending, without pairs."""
    whole, real = np.empty(0, np.int64), np.empty(0, np.float32)
    return Found(ids, whole, whole, real, np.empty((0, 3)), 0)


def of_graph(ids: Ids, graph: sp.csr_array) -> Found:
    """Samples, ascending, and the pairs of their places with weights."""
    graph.sort_indices()
    longest = int(np.diff(graph.indptr).max(initial=0))
    # at least one sample and one entry, so that a search has something to look at
    starts = np.append(graph.indptr, graph.nnz) if len(ids) == 0 else graph.indptr
    entries = graph.indices if graph.nnz else np.array([-1])
    weights = graph.data if graph.nnz else np.zeros(1)
    return ids_alone(ids)._replace(
        starts=starts.astype(np.int64),
        entries=entries.astype(np.int64),
        weights=weights.astype(np.float32),
        steps=longest.bit_length(),
    )


def check_ids(links: Links, sample: Any) -> None:
    """Refuses pairs with samples that a data set lacks: the first of the file.

    Args:
        links: The pairs.
        sample: int64 (n,), the ids there are.

    Raises:
        RRLError: RRL416.
    """
    fault = lacking_pairs(links, np.asarray(sample))
    if fault is not None:
        raise RRLError(fault)


def _choose(chosen: Chosen, dataset: Samples, seed: int) -> Ids:
    """The ids of the chosen samples, ascending; classes smaller than k keep all."""
    labels = dataset.labels
    if chosen.field not in labels:
        hint = did_you_mean(chosen.field, list(labels)) or f"it has {', '.join(labels) or 'none'}"
        raise error("RRL401", f"the data set has no label field `{chosen.field}`", hint=hint)
    ids, first = np.unique(np.asarray(dataset.sample), return_index=True)
    classes = np.asarray(labels[chosen.field])[first]
    draw = draws.row_hash(ids, None, chosen.key.at(seed, 0, 0)) >> 1
    order = np.lexsort((ids, draw, classes))  # by class, then by draw, then by id
    ids, classes = ids[order], classes[order]
    rank = np.arange(len(ids)) - np.searchsorted(classes, classes)
    return np.sort(ids[(rank < chosen.per_class) & (classes >= 0)])
