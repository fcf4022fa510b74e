"""Pairs of samples from a file."""

from rrl_dsl.graph.builtin import NonNegative, PairsFile, source
from rrl_dsl.graph.plan import Listed
from rrl_dsl.graph.recording import Pair, Weight
from rrl_dsl.graph.registry import Arguments
from rrl_dsl.graph.types import Refusal


def _weights_once(arguments: Arguments) -> Refusal | None:
    if arguments["weight"] is None or arguments["file"].weight is None:
        return None
    message = f"`weight` is for files without weights, and `{arguments['file']}` has them"
    return Refusal("RRL303", message, "remove `weight`", "weight", instead="weight")


@source(example='pairs("links.csv")', check=_weights_once)
def pairs(pair: Pair, file: PairsFile, weight: NonNegative | None = None) -> Weight:
    """Relates the pairs of samples in a file.

    Two samples have an edge if the file lists them, in either order. Use it for must-link pairs
    from annotators. The file is CSV, TSV or Parquet with one pair per row. Its columns are `a`, `b`
    and optionally `weight`, and no others; without a header they have this order. The path is
    relative to the folder of the recipe. An id is a sample id, or the path of an image below its
    image folder. If a pair occurs twice, the larger weight counts. The diagonal is 1.

    Args:
        file: The path of the file, in quotes.
        weight: The weight of all pairs, for a file without weights. Defaults to 1.
    """
    listed = Listed(file)
    if file.weight is not None:
        return pair.linked_weight(listed).where(~pair.same_row) + pair.same_row
    if weight in (None, 1.0):
        return pair.linked(listed) | pair.same_row
    return (weight or 0.0) * (pair.linked(listed) & ~pair.same_row) + pair.same_row
