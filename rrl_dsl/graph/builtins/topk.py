"""The heaviest edges of each row of a batch."""

from rrl_dsl.graph.builtin import Count, transform
from rrl_dsl.graph.plan import Heaviest
from rrl_dsl.graph.recording import Pair, Weight


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
    return weight.where(pair.listed(Heaviest(weight.at, k), "mutual" if mutual else "either"))
