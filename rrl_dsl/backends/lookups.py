"""What is found once over the whole data set: chosen labels, pairs, neighbours, affinities.

Everything is kept by place among the sorted sample ids, so that an edge is a search in a short
sorted list, and the result does not depend on the order of the data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from rrl_dsl.backends import hashing, neighbours
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.pair_ids import lacking_pairs
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.plan import Affinities, Chosen, Geodesic, Listed, Lookup, Neighbours
from rrl_dsl.graph.weights import LARGEST, LEAST
from rrl_dsl.language.diagnostics import RRLError, did_you_mean, error


class Found(NamedTuple):
    """What a lookup found. What a kind of lookup has no use for is empty.

    Attributes:
        ids: int64 (u,), sample ids, ascending.
        starts: int64 (u + 1,), where the entries of each sample start.
        entries: int64 (e,), the places of the samples linked with each, ascending.
        weights: float32 (e,), their weights.
        precision: float64 (u, 3), precision, log-normaliser and reach of each sample.
        steps: How many halvings the longest list of entries takes.
    """

    ids: Tensor
    starts: Tensor
    entries: Tensor
    weights: Tensor
    precision: Tensor
    steps: int

    def to(self, device: torch.device) -> Found:
        """The same on a device."""
        ids, starts, entries, weights, precision = (each.to(device) for each in self[:5])
        return Found(ids, starts, entries, weights, precision, self.steps)


def find(lookup: Lookup, dataset: Nodes, seed: int) -> Found:
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
            return _ids_alone(_choose(lookup, dataset.sample, dataset.labels, seed))
        case Listed(links=links):
            return listed(links)
    ids, first = np.unique(dataset.sample.numpy(), return_index=True)
    vectors = dataset.vector(lookup.field).numpy()[first]
    match lookup:
        case Neighbours():
            graph = neighbours.neighbour_graph(vectors, lookup.k, lookup.metric, lookup.lists)
            return _of_graph(ids, graph)
        case Geodesic():
            return _of_graph(ids, neighbours.geodesic_graph(vectors, lookup.k, lookup.within))
        case Affinities():
            precision = torch.from_numpy(neighbours.affinities(vectors, lookup.perplexity))
            return _ids_alone(torch.from_numpy(ids))._replace(precision=precision)


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
    return _of_graph(ids, sp.csr_array((values[kept], (rows[kept], cols[kept])), shape=size))


def place_of(found: Found, sample: Tensor) -> Tensor:
    """Where samples stand among the ids, int64 (n,), -1 for nowhere."""
    if not len(found.ids):
        return torch.full_like(sample, -1)
    place = torch.searchsorted(found.ids, sample).clamp_(max=len(found.ids) - 1)
    return torch.where(found.ids[place] == sample, place, -1)


def _ids_alone(ids: Tensor) -> Found:
    whole, real = torch.empty(0, dtype=torch.int64), torch.empty(0)
    return Found(ids, whole, whole, real, real.double().reshape(0, 3), 0)


def _of_graph(ids: np.ndarray[tuple[int], np.dtype[np.int64]], graph: sp.csr_array) -> Found:
    graph.sort_indices()
    longest = int(np.diff(graph.indptr).max(initial=0))
    # at least one sample and one entry, so that a search has something to look at
    starts = np.append(graph.indptr, graph.nnz) if len(ids) == 0 else graph.indptr
    entries = graph.indices if graph.nnz else np.array([-1])
    weights = graph.data if graph.nnz else np.zeros(1)
    return _ids_alone(torch.from_numpy(ids))._replace(
        starts=torch.from_numpy(starts.astype(np.int64)),
        entries=torch.from_numpy(entries.astype(np.int64)),
        weights=torch.from_numpy(weights.astype(np.float32)),
        steps=longest.bit_length(),
    )


def check_ids(links: Links, sample: Tensor) -> None:
    """Refuses pairs with samples that a data set lacks: the first of the file.

    Args:
        links: The pairs.
        sample: int64 (n,), the ids there are.

    Raises:
        RRLError: RRL416.
    """
    fault = lacking_pairs(links, sample.numpy())
    if fault is not None:
        raise RRLError(fault)


def _choose(chosen: Chosen, sample: Tensor, labels: Mapping[str, Tensor], seed: int) -> Tensor:
    """The ids of the chosen samples, int64 and ascending; classes smaller than k keep all."""
    if chosen.field not in labels:
        hint = did_you_mean(chosen.field, list(labels)) or f"it has {', '.join(labels) or 'none'}"
        raise error("RRL401", f"the data set has no label field `{chosen.field}`", hint=hint)
    key = torch.tensor(chosen.key.at(seed, 0, 0), device=sample.device)
    draw = hashing.row_hash(sample, None, key) >> 1
    order = torch.argsort(sample, stable=True)
    for column in (draw, labels[chosen.field]):  # by class, then by draw, then by id
        order = order[torch.argsort(column[order], stable=True)]
    ids, classes = sample[order], labels[chosen.field][order]
    first_seen = torch.ones_like(ids, dtype=torch.bool)
    first_seen[1:] = ids[1:] != ids[:-1]
    ids, classes = ids[first_seen & (classes >= 0)], classes[first_seen & (classes >= 0)]
    rank = torch.arange(len(ids), device=ids.device)
    start = torch.searchsorted(classes.contiguous(), classes.contiguous())
    return ids[rank - start < chosen.per_class].sort().values
