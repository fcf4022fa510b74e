"""The rows of sample batches, to look at a recipe before training on it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.data.batches import loader, row_columns
from rrl_dsl.data.dataset import DataSet


def sample_batches(
    dataset: DataSet, samples: int, views: int, batches: int, *, seed: int = 0
) -> Iterator[Nodes]:
    """The rows of some shuffled training batches, as many as there are and no more than asked for.

    Args:
        dataset: Where the samples come from.
        samples: Samples a batch; all of them where there are fewer.
        views: Views of each sample.
        batches: How many batches.
        seed: What the order follows from.
    """
    size = min(samples, len(dataset.train))
    shuffled = loader(dataset.train, size, shuffle=True, seed=seed, drop_last=True)
    for batch in islice(shuffled, batches):
        yield Nodes(*row_columns(batch, views))
