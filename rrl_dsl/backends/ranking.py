"""Which rows are nearest, which edges heaviest, which rows connected: deterministic, no waiting.

Nothing here looks at a value on the host: loops have a fixed length on a device, so a training
step never waits. Lists are (u, min(k, u)) places in the universe, -1 where there are fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.backends.universe import Universe
from rrl_dsl.graph.plan import Metric, Nearest

_TILE: Final = 1024
_SPLIT: Final = 2.0**13 + 1  # Veltkamp's constant: keeps 40 of the 53 bits of a float64


def nearest(stage: Nearest, universe: Universe) -> Tensor:
    """The k nearest rows or columns of each row, int64; ties go to the smaller (sample, view).

    A row may ask for those of the next view instead. Neither it nor that view is among them.
    """
    vectors = universe.spaces[stage.space].double()
    if stage.metric == "cosine":
        vectors = F.normalize(vectors, dim=1)
    there = universe.first & vectors.isfinite().all(dim=1)
    offered = there
    if stage.columns_alone:
        offered = there & torch.zeros_like(there).index_fill(0, universe.of_cols, True)
    lists = []
    for tile in _tiles(len(universe), vectors.device):
        query = universe.next_view[tile] if stage.of_other_view else tile
        asked = query.clamp(min=0)
        distance = rank_distance(vectors[asked], vectors, stage.metric)
        unknown = ~there[asked] | (query < 0)
        distance = distance.masked_fill(~offered | unknown[:, None], torch.inf)
        distance.scatter_(1, torch.stack([tile, asked], dim=1), torch.inf)
        lists.append(smallest(distance, stage.k))
    return torch.cat(lists)


def rank_distance(q: Tensor, k: Tensor, metric: Metric) -> Tensor:
    """What neighbours are ranked by, float64 (n, m); float64 vectors, of length 1 for `cosine`.

    The last bits, in which equal vectors may differ by the order of a sum, are rounded away, so
    that ties are ties on every device. Of `cosine`, a product of matrices, that is all but certain:
    a tie is lost where its distances lie on both sides of a rounding, one in thousands of those
    that differ in their last bits, and a batch of other sizes may order it otherwise.
    """
    if metric == "cosine":
        distance = 2.0 - q @ k.T
    else:
        distance = torch.cdist(q, k, compute_mode="donot_use_mm_for_euclid_dist")
    scaled = distance * _SPLIT
    return scaled - (scaled - distance)


def heaviest(weights: Callable[[Tensor], Tensor], k: int, universe: Universe) -> Tensor:
    """The k heaviest edges of each row, int64.

    Args:
        weights: For some places (t,), their weights to the whole universe (t, u), bool or float.
        k: How many.
        universe: The rows.
    """
    lists = []
    for tile in _tiles(len(universe), universe.first.device):
        weight = weights(tile).float()
        absent = (weight <= 0) | ~universe.first
        lists.append(smallest((-weight).masked_fill(absent, torch.inf), k))
    return torch.cat(lists)


def smallest(values: Tensor, k: int) -> Tensor:
    """The columns of the k smallest finite values of each row, -1 where there are fewer.

    int64 (n, k), but no wider than there are columns: a list is gone through once for each pair.
    Of equal values the smaller column comes first; `torch.topk` alone leaves that open.
    """
    size = values.shape[1]
    count = min(k, size)
    last = values.topk(count, dim=1, largest=False).values[:, -1:]
    chosen = values < last
    tied = (values == last) & (values < torch.inf)
    room = count - chosen.sum(dim=1, keepdim=True)
    chosen |= tied & (tied.cumsum(dim=1) <= room)
    score = torch.where(chosen, size - torch.arange(size, device=values.device), 0)
    best = score.topk(count, dim=1).values
    return F.pad(torch.where(best > 0, size - best, -1), (0, 0 if count else 1), value=-1)


def components(related: Callable[[Tensor], Tensor], universe: Universe) -> Tensor:
    """The smallest place in the connected component of each row, int64 (u,).

    Each round every tree hooks onto the smallest neighbouring root and is flattened. A tree with a
    neighbour hooks or is hooked onto within two rounds, so 2 log2(u) rounds are enough (Liu and
    Tarjan. Simple concurrent labeling algorithms for connected components. 2019).

    Args:
        related: For some places (t,), whether they are related to each of the universe, (t, u).
        universe: The rows.
    """
    size, device = len(universe), universe.first.device
    edges = torch.cat([related(tile) for tile in _tiles(size, device)])
    edges = (edges | edges.T) & universe.first  # a path may go an edge either way
    root = torch.arange(size, device=device)
    levels = max(size - 1, 0).bit_length()
    for _ in range(2 * levels):
        smallest_near = torch.where(edges, root, size).amin(dim=1).minimum(root)
        parent = root.scatter_reduce(0, root, smallest_near, "amin")
        for _ in range(levels):
            parent = parent[parent]
        previous, root = root, parent[root]
        if device.type == "cpu" and torch.equal(previous, root):
            break
    return root


def _tiles(size: int, device: torch.device) -> Iterator[Tensor]:
    return iter(torch.split(torch.arange(size, device=device), _TILE))
