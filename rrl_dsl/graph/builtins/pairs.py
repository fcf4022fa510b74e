"""Pairs of samples that a file lists."""

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
    """Relates the pairs of samples that a file lists.

    An edge where the file lists the two samples, in either order: must-links from annotators. The
    file is CSV, TSV or Parquet with the columns `a`, `b` and perhaps `weight`, and no others, one
    pair a line; text without a header has them in that order. Its path is relative to the recipe's
    folder. An id is the number of a sample, or the path of an image below its image folder. A pair
    that stands twice has its larger weight. The diagonal is 1.

    Args:
        file: The file, in quotes.
        weight: The weight of every pair, in a file without any.
    """
    listed = Listed(file)
    if file.weight is not None:
        return pair.linked_weight(listed).where(~pair.same_row) + pair.same_row
    if weight in (None, 1.0):
        return pair.linked(listed) | pair.same_row
    return (weight or 0.0) * (pair.linked(listed) & ~pair.same_row) + pair.same_row
