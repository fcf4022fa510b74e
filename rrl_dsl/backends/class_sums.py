"""Sums over the edges of classes, in time linear in rows plus columns.

A sum over the edges of a row in the graph of one class, as of a label, is the sum of its class. The
graph is a sum of such graphs by inclusion and exclusion: see `rrl_dsl.backends.known_edges`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rrl_dsl.backends.edge_sums import EdgeSums
from rrl_dsl.backends.equal_rows import first_equal
from rrl_dsl.backends.known_edges import Classes, Terms


def has_classes(terms: Terms, rows: Sequence[Tensor], cols: Sequence[Tensor]) -> bool:
    """Whether the columns that terms name have one value for each row: not several labels."""
    sides = [side[at] for side in (rows, cols) for term in terms for at in term]
    return all(column[:1].numel() <= 1 for column in sides)


class ClassSums(EdgeSums):
    """Sums over the edges of terms."""

    def __init__(
        self,
        terms: Terms,
        rows: Sequence[Tensor],
        cols: Sequence[Tensor],
        row_ids: tuple[Tensor, Tensor] | None,
    ) -> None:
        """Finds the classes of rows and columns.

        Args:
            terms: The classes that the graph is made of.
            rows: The plan's columns for the rows, (n,) or (n, 1) where terms name them.
            cols: Those for the columns; the same object where they are the rows.
            row_ids: Numbers of rows and columns that are equal where they are the same row, if
                these pairs do not count.
        """
        if row_ids is not None:
            alone = cols is rows
            rows, own = [*rows, row_ids[0]], Classes.equal(len(rows))
            cols = rows if alone else [*cols, row_ids[1]]
            terms = Classes.total(terms, Classes.both(terms, own), -1)
        self._counts = tuple(terms.values())
        self._classes = [_classes(sorted(columns), rows, cols) for columns in terms]
        self.shape = len(rows[0]), len(cols[0])
        self.device = rows[0].device

    def times(self, v: Tensor, *, transposed: bool) -> Tensor:
        """See `EdgeSums`."""
        n, m = self.shape
        found = v.new_zeros(m if transposed else n, v.shape[1])
        for count, (of_rows, of_cols) in zip(self._counts, self._classes, strict=True):
            here, there = (of_cols, of_rows) if transposed else (of_rows, of_cols)
            sums = v.new_zeros(n + m + 1, v.shape[1]).index_add_(0, there, v)
            sums[-1] = 0.0
            found += sums[here] * count
        return found


def _classes(
    columns: Sequence[int], rows: Sequence[Tensor], cols: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """The class of each row (n,) and column (m,), by number; n + m where a value is unknown."""
    n, m = len(rows[0]), len(cols[0])
    if not columns:
        return rows[0].new_zeros(n), cols[0].new_zeros(m)
    alone = cols is rows
    values = [(rows[at] if alone else torch.cat([rows[at], cols[at]])).flatten() for at in columns]
    unknown = torch.stack([value < 0 for value in values]).any(dim=0)
    found = first_equal(*values).masked_fill(unknown, n + m)
    return (found, found) if alone else (found[:n], found[n:])
