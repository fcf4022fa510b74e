"""Nearest neighbours, of the batch or of the data set."""

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
    """Relates rows to their nearest neighbours.

    An edge where j is among the k nearest of i or i among those of j; with `mutual`, where both
    are. With `directed` it leads from row i to each of its k nearest columns j and not back,
    whether the rows are the columns or not: such a graph is not symmetric. A row never is its own
    neighbour, and ties go to the smaller (sample, view). In the spaces `projection`, `backbone` and
    `teacher` the neighbours are those of the batch. In a field of the data set they are those of
    the whole data set, found once when the recipe is bound to it. `query=other` takes the
    neighbours of the next view of the same sample, which is none of them either; in a field of the
    data set views are alike. With `bank=m` the last m rows are further columns.

    Args:
        k: How many neighbours.
        space: Where distances are measured.
        metric: The distance.
        mutual: Whether each must be a neighbour.
        bank: How many earlier rows are columns too.
        query: Whose neighbours: the row's own, or those of the sample's other view.
        directed: Whether only the row's own neighbours count, which are columns.
    """
    pair.ask_bank(bank)
    lists: Lists = "directed" if directed else "mutual" if mutual else "either"
    if space in MODEL_SPACES:
        nearest = Nearest(space, k, metric, query == "other", columns_alone=directed)
        return pair.listed(nearest, lists) & ~pair.same_row
    return pair.linked(Neighbours(space, k, metric, lists))
