"""Nearest neighbors in the batch or in the dataset."""

from dataclasses import dataclass
from typing import Any, Literal

from rrl_dsl.graph.builtin import Count, Index, SpaceOrField, VectorField, source
from rrl_dsl.graph.pair import Lists, Pair
from rrl_dsl.graph.recording import Mask
from rrl_dsl.graph.registry import Arguments
from rrl_dsl.graph.stage import BatchRows, Lookup, LookupTable, SampleColumns, Stage
from rrl_dsl.graph.types import MODEL_SPACES, Refusal

Metric = Literal["cosine", "euclidean"]


@dataclass(frozen=True)
class Nearest(Stage):
    """The nearest rows, or columns, of each row in a space, ties to the smaller (sample, view).

    A row may ask for those of the next view instead. Neither it nor that view is among them.
    """

    space: SpaceOrField
    metric: Metric
    of_other_view: bool
    columns_alone: bool
    longest: int
    levels = 1

    def find(self, arrays: Any, batch: BatchRows) -> Any:
        """The lists, band by band."""
        vectors = arrays.float64(batch.spaces[self.space])
        if self.metric == "cosine":
            vectors = arrays.unit_vectors(vectors)
        known = batch.first & arrays.isfinite(vectors).all(1)
        offered = known & batch.is_column if self.columns_alone else known
        position = arrays.positions(vectors)
        queries = _next_view(arrays, batch) if self.of_other_view else position

        def nearest(tile: Any) -> Any:
            query = queries[tile]
            asked = query.clip(min=0)
            distance = arrays.ranked_distance(vectors[asked], vectors, self.metric)
            unknown = ~known[asked] | (query < 0)
            own = (position == tile[:, None]) | (position == asked[:, None])
            barred = own | ~offered | unknown[:, None]
            distance = arrays.where(barred, float("inf"), distance)
            return arrays.smallest(distance, self.longest)

        return batch.by_rows(nearest)


def _next_view(arrays: Any, batch: BatchRows) -> Any:
    """int64 (u,): the next view of the same sample, the first after the last; -1 for none."""
    sample, row = batch.rows.sample, batch.first.cumsum(0)
    first_view, own = arrays.searchsorted(sample, sample), arrays.searchsorted(row, row)
    following = arrays.searchsorted(row, row + 1)
    inside = following.clip(max=len(row) - 1)
    later = (following < len(row)) & (sample[inside] == sample)
    chosen = arrays.where(later, following, first_view)
    return arrays.where(chosen == own, -1, chosen)


@dataclass(frozen=True)
class Neighbors(Lookup):
    """The samples that are linked with a sample by their lists of the k nearest."""

    field: VectorField
    k: int
    metric: Metric
    lists: Lists
    directed: bool

    def find(self, samples: SampleColumns, seed: int, wanted: Any = None) -> LookupTable:
        """The lists of all samples, kept on disk, or of those that are wanted."""
        from rrl_dsl.graph.builtins.neighbor_search import lists_of

        vectors = samples.vector(self.field)
        ids, lists = lists_of(samples.ids, vectors, self.k, self.metric, wanted)
        match self.lists:
            case "mutual":
                lists = lists.multiply(lists.T)
            case "either":
                lists = lists.maximum(lists.T)
        return LookupTable.of_links(ids, lists.tocsr())


def _directed_or_mutual(arguments: Arguments) -> Refusal | None:
    if not (arguments["directed"] and arguments["mutual"]):
        return None
    message = "`directed` and `mutual` cannot be used together"
    return Refusal("RRL303", message, "remove `mutual`", "directed", remove=("mutual",))


@source(example="knn(2, space=caption)", given={"k": "5"}, check=_directed_or_mutual)
def knn(
    pair: Pair,
    k: Count,
    space: SpaceOrField = "projection",
    metric: Metric = "cosine",
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
        nearest = Nearest(space, metric, query == "other", columns_alone=directed, longest=k)
        return pair.listed(nearest, lists) & ~pair.same_row
    return pair.linked(Neighbors(space, k, metric, lists, directed))
