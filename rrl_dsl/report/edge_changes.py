"""The edges in which the graphs of two recipes differ on a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rrl_dsl.data.columns import Columns
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.report.sample import sample_of


@dataclass(frozen=True)
class EdgeChanges:
    """Numbers of edges over a batch, as unordered pairs of different rows.

    Attributes:
        rows: The number of rows of the batch.
        both: Edges of both recipes.
        removed: Edges of the first recipe only.
        added: Edges of the second recipe only.
        reweighted: Edges of both recipes whose weights differ by more than 1e-6.
    """

    rows: int
    both: int
    removed: int
    added: int
    reweighted: int


def edge_changes(
    one: Graph, other: Graph, columns: Columns, *, samples: int, seed: int = 0, epoch: int = 0
) -> EdgeChanges:
    """Compares the graphs of two recipes over a batch.

    Args:
        one: The first recipe.
        other: The second recipe.
        columns: The dataset, with all columns that the recipes read.
        samples: The number of samples per batch. The number of views is the larger one of the two
            recipes.
        seed: The seed of both recipes.
        epoch: The epoch, for schedules.

    Raises:
        RRLError: See `rrl_dsl.report.sample.sample_of`.
    """
    views = max(requires_of(graph).views for graph in (one, other))
    before, after = (
        sample_of(graph, columns, samples=samples, views=views, seed=seed, epoch=epoch)
        for graph in (one, other)
    )
    apart = np.abs(before.weights - after.weights) > 1e-6

    def pairs(edges: npt.NDArray[np.bool_]) -> int:
        return int(np.count_nonzero(np.triu(edges | edges.T)))

    return EdgeChanges(
        rows=len(before.rows),
        both=pairs(before.related & after.related),
        removed=pairs(before.related & ~after.related),
        added=pairs(after.related & ~before.related),
        reweighted=pairs(before.related & after.related & apart),
    )
