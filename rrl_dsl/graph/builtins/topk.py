"""The heaviest edges of each row of a batch."""

from dataclasses import dataclass
from typing import Any

from rrl_dsl.graph.builtin import Count, transform
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Weight
from rrl_dsl.graph.stage import BatchRows, Stage


@dataclass(frozen=True)
class Heaviest(Stage):
    """The heaviest edges of each row, ties to the smaller (sample, view)."""

    weighs: tuple[int]
    longest: int
    levels = 1

    def find(self, arrays: Any, batch: BatchRows) -> Any:
        """The lists, band by band."""

        def heaviest(tile: Any) -> Any:
            weights = arrays.float32(batch.weights(*self.weighs, tile))
            absent = (weights <= 0) | ~batch.first
            return arrays.smallest(arrays.where(absent, float("inf"), -weights), self.longest)

        return batch.by_rows(heaviest)


@transform(example="similarity(caption) | drop_self() | topk(2)", given={"k": "5"})
def topk(weight: Weight, pair: Pair, k: Count, mutual: bool = False) -> Weight:
    """Keeps the heaviest edges of each row.

    An edge stays if it is among the k heaviest edges of row i or of row j. With `mutual`, it must
    be among the heaviest of both. Ties go to the smaller (sample, view). The diagonal counts as an
    edge: apply `drop_self()` first to keep k edges to other rows.

    Args:
        k: The number of edges per row.
        mutual: Whether an edge must be among the heaviest of both rows.
    """
    return weight.where(pair.listed(Heaviest((weight.at,), k), "mutual" if mutual else "either"))
