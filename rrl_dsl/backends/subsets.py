"""Subsets that need the whole data set: the k samples of each class with the smallest draws."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rrl_dsl.backends import hashing
from rrl_dsl.graph.plan import Subset
from rrl_dsl.language.diagnostics import did_you_mean, error


def choose(subset: Subset, sample: Tensor, labels: Mapping[str, Tensor], seed: int) -> Tensor:
    """The ids of the chosen samples, int64 and ascending; classes smaller than k keep all.

    Args:
        subset: Which label field, and how many of each class.
        sample: int64 (n,), the ids of all samples; repeats count once.
        labels: Label field -> int64 (n,), -1 where unknown.
        seed: The recipe's seed.

    Raises:
        RRLError: RRL401 where the data set lacks the label field.
    """
    if subset.field not in labels:
        hint = did_you_mean(subset.field, list(labels)) or f"it has {', '.join(labels) or 'none'}"
        raise error("RRL401", f"the data set has no label field `{subset.field}`", hint=hint)
    key = torch.tensor(subset.key.at(seed, 0, 0), device=sample.device)
    draw = hashing.row_hash(sample, None, key) >> 1
    order = torch.argsort(sample, stable=True)
    for column in (draw, labels[subset.field]):  # by class, then by draw, then by id
        order = order[torch.argsort(column[order], stable=True)]
    ids, classes = sample[order], labels[subset.field][order]
    first_seen = torch.ones_like(ids, dtype=torch.bool)
    first_seen[1:] = ids[1:] != ids[:-1]
    ids, classes = ids[first_seen & (classes >= 0)], classes[first_seen & (classes >= 0)]
    rank = torch.arange(len(ids), device=ids.device)
    start = torch.searchsorted(classes.contiguous(), classes.contiguous())
    return ids[rank - start < subset.per_class].sort().values
