"""Pairs of samples from a file or a matrix."""

from dataclasses import dataclass
from typing import Any, Literal

from rrl_dsl.graph.builtin import NonNegative, PairsFile, RowIds, source
from rrl_dsl.graph.links import Links, SampleIds, Symmetric
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Weight
from rrl_dsl.graph.registry import Arguments
from rrl_dsl.graph.stage import Lookup, LookupTable, SampleColumns
from rrl_dsl.graph.types import Refusal
from rrl_dsl.language.diagnostics import Diagnostic, RRLError


@dataclass(frozen=True)
class Linked(Lookup):
    """The pairs of a file, or the entries of a matrix."""

    links: Links
    symmetric: Symmetric | None
    covers_dataset: bool
    limit: float
    bound = False

    def find(self, samples: SampleColumns, seed: int, wanted: Any = None) -> LookupTable:
        """The samples and their links.

        Raises:
            RRLError: RRL430 for a sample without a row in the matrix, where each should have one.
        """
        table = LookupTable.of_entries(*self.links.linked(self.symmetric))
        if self.covers_dataset and len(samples.ids) and samples.ids[-1] >= len(table.ids):
            raise RRLError(self.uncovered(int(samples.ids[-1])))
        return table

    def lacking(self, ids: Any) -> Diagnostic | None:
        """RRL416 or RRL430 at the first pair or row with a sample that does not exist."""
        return self.links.unknown(ids)

    def uncovered(self, sample: int) -> Diagnostic:
        """RRL430 for a sample without a row in the matrix."""
        return self.links.without_row(sample)


def _fitting(arguments: Arguments) -> Refusal | None:
    file: Links = arguments["file"]
    symmetric: Symmetric | None = arguments["symmetric"]
    for name in ("symmetric", "ids"):
        if arguments[name] is not None and not file.is_matrix:
            message = f"`{name}` is only for a matrix, and `{file}` lists pairs"
            return Refusal("RRL303", message, f"remove `{name}`", name, remove=(name,))
    if file.emptiness is not None:
        code = "RRL430" if file.is_matrix else "RRL415"
        hint = "add the pairs that are related, or remove this call of `pairs`"
        return Refusal(code, file.emptiness, hint, "file")
    if symmetric is None and file.unequal is not None:
        hint = (
            'add `symmetric="max"` for the larger of both weights, or `symmetric="mean"` for their '
            "mean"
        )
        return Refusal("RRL430", file.unequal, hint, "file", missing='symmetric="max"')
    if arguments["weight"] is not None and _is_weighted(file, symmetric):
        message = f"`weight` is only for files without weights, and `{file}` has weights"
        return Refusal("RRL303", message, "remove `weight`", "weight", remove=("weight",))
    return None


def _settled(arguments: Arguments) -> Arguments:
    """The same matrix with its ids, and without what a symmetric matrix ignores."""
    file: Links = arguments["file"]
    ids: SampleIds | None = arguments["ids"]
    named = file if ids is None else file.with_ids(ids)
    symmetric = None if file.unequal is None else arguments["symmetric"]
    return {**arguments, "file": named, "ids": None, "symmetric": symmetric}


def _is_weighted(links: Links, symmetric: Symmetric | None) -> bool:
    return links.weighted or (symmetric == "mean" and links.unequal is not None)


@source(example='pairs("links.csv")', check=_fitting, settle=_settled)
def pairs(
    pair: Pair,
    file: PairsFile,
    weight: NonNegative | None = None,
    symmetric: Literal["max", "mean"] | None = None,
    ids: RowIds | None = None,
) -> Weight:
    """Relates the pairs of samples in a file or a matrix.

    Two samples have an edge if the file lists them, in either order. Use it for must-link pairs
    from annotators. The file is CSV, TSV or Parquet with one pair per row. Its columns are `a`, `b`
    and optionally `weight`, and no others; without a header they have this order. The path is
    relative to the folder of the recipe. An id is a value of the column `sample` of the dataset;
    without one, it is the index of a sample, or the path of an image below its image folder. Texts
    that are not paths need a header. If a pair occurs twice, the larger weight counts. The diagonal
    is 1. A file or matrix without any pair of a weight above 0 is an error.

    The file may also contain a square matrix of weights: a sparse matrix in `.npz`, as
    `scipy.sparse.save_npz` writes it, or an array in `.npy`. Row r belongs to the sample with the
    id r, unless the `.npz` file has an array `ids` with the id of each row. A matrix of zeros and
    ones is binary. In Python, pass the matrix itself: of SciPy, NumPy or torch, or a graph of
    networkx whose nodes are ids.

    Args:
        file: The path of the file, in quotes.
        weight: The weight of all pairs, for a file without weights. Defaults to 1.
        symmetric: The weight of a pair in a matrix that differs in both directions: the larger of
            the two, or their mean.
        ids: The ids of the rows of a matrix, from Python.
    """
    linked = Linked(file, symmetric, covers_dataset=file.by_position, limit=file.heaviest)
    if _is_weighted(file, symmetric):
        return pair.linked_weight(linked).where(~pair.same_row) + pair.same_row
    if weight in (None, 1.0):
        return pair.linked(linked) | pair.same_row
    return (weight or 0.0) * (pair.linked(linked) & ~pair.same_row) + pair.same_row
