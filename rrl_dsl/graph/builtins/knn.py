"""Nearest neighbors in the batch or in the dataset."""

from typing import Literal

from rrl_dsl.graph.builtin import Count, Index, SpaceOrField, source
from rrl_dsl.graph.plan import Lists, Nearest, Neighbours
from rrl_dsl.graph.recording import Mask, Pair
from rrl_dsl.graph.registry import Arguments
from rrl_dsl.graph.types import MODEL_SPACES, Refusal


def _directed_or_mutual(arguments: Arguments) -> Refusal | None:
    if not (arguments["directed"] and arguments["mutual"]):
        return None
    message = "a relation is `directed` or `mutual`, not both"
    return Refusal("RRL303", message, "remove `mutual`", "directed", instead="mutual")


@source(example="knn(2, space=caption)", given={"k": "5"}, check=_directed_or_mutual)
def knn(
    pair: Pair,
    k: Count,
    space: SpaceOrField = "projection",
    metric: Literal["cosine", "euclidean"] = "cosine",
    mutual: bool = False,
    bank: Index = 0,
    query: Literal["self", "other"] = "self",
    directed: bool = False,
) -> Mask:
    """Relates rows to their nearest neighbors.

    Two rows have an edge if one is among the k nearest neighbors of the other. With `mutual`, both
    must be neighbors of each other. With `directed`, the edge goes from row i to its k nearest
    columns j and not back, so the graph is not symmetric, even if the rows are the columns. A row
    is never its own neighbor. Ties go to the smaller (sample, view).

    In the spaces `projection`, `backbone` and `teacher`, neighbors are searched in the batch. In a
    field, they are searched in the whole dataset, once, when the recipe is bound to it. With
    `query=other`, row i takes the neighbors of the next view of its sample, and this view is not
    one of them. In a field, all views of a sample are equal. With `bank=m`, the last m rows are
    additional columns.

    Args:
        k: The number of neighbors.
        space: The embeddings or the field in which distances are measured.
        metric: The distance.
        mutual: Whether both rows must be neighbors of each other.
        bank: The number of earlier rows that are additional columns.
        query: Whether to use the neighbors of the row, or of another view of its sample.
        directed: Whether an edge only goes from a row to its neighbors.
    """
    pair.ask_bank(bank)
    lists: Lists = "directed" if directed else "mutual" if mutual else "either"
    if space in MODEL_SPACES:
        nearest = Nearest(space, k, metric, query == "other", columns_alone=directed)
        return pair.listed(nearest, lists) & ~pair.same_row
    return pair.linked(Neighbours(space, k, metric, lists))
