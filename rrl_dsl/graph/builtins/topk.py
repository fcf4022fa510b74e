"""The heaviest edges of each row of a batch."""

from rrl_dsl.graph.builtin import Count, transform
from rrl_dsl.graph.plan import Heaviest
from rrl_dsl.graph.recording import Pair, Weight


@transform(example="similarity(caption) | drop_self() | topk(2)", given={"k": "5"})
def topk(weight: Weight, pair: Pair, k: Count, mutual: bool = False) -> Weight:
    """Keeps the heaviest edges of each row.

    An edge stays where it is among the k heaviest of its row i or of its row j; with `mutual`,
    where it is among both. Ties go to the smaller (sample, view). The diagonal is an edge like any
    other: `drop_self()` before it keeps k edges to other rows.

    Args:
        k: How many edges of each row.
        mutual: Whether an edge must be among both rows' heaviest.
    """
    return weight.where(pair.listed(Heaviest(weight.at, k), "mutual" if mutual else "either"))
