"""The pairs that may have an edge, found without going through all pairs.

An operation proposes pairs from its columns, such as those with equal labels or those of a list, or
from the candidates of earlier operations (`Operation.candidates`). Candidates include every pair
with an edge, and may include others. None means every pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from rrl_dsl.backends.arrays import Array, Ids, Mask
from rrl_dsl.graph.operations import OPERATIONS
from rrl_dsl.graph.plan import Plan
from rrl_dsl.graph.stage import LookupTable


class Windows(NamedTuple):
    """The columns of each row, as a window of one array.

    Attributes:
        starts: int64 (n,), the start of each row's window.
        sizes: int64 (n,), the length of each row's window.
        cols: int64 (e,), columns.
    """

    starts: Ids
    sizes: Ids
    cols: Ids


@dataclass(frozen=True)
class Candidates:
    """Pairs of n rows and m columns, both below 2^31.

    Attributes:
        parts: A pair is a candidate if at least one part contains it.
    """

    parts: tuple[Windows, ...]

    @property
    def total(self) -> int:
        """The number of pairs; a pair in several parts counts several times."""
        return sum(int(part.sizes.sum()) for part in self.parts)

    def counts(self, rows: int) -> Ids:
        """The number of pairs of each of n rows, int64 (n,), counted as in `total`."""
        return sum((part.sizes for part in self.parts), np.zeros(rows, np.int64))

    def pairs(self, rows: slice) -> tuple[Ids, Ids]:
        """Rows and columns of the pairs of some rows, int64 (p,), ordered, each pair once."""
        keys = np.concatenate([np.empty(0, np.int64), *(_keys(part, rows) for part in self.parts)])
        keys.sort(kind="stable")  # in linear time if the parts are in order
        keys = keys[np.append(keys[:1] >= 0, keys[1:] != keys[:-1])]
        return keys >> 32, keys & 0xFFFFFFFF

    # the proposals of operations

    @staticmethod
    def either(one: Candidates | None, other: Candidates | None) -> Candidates | None:
        """The pairs in at least one."""
        return None if one is None or other is None else Candidates(one.parts + other.parts)

    @staticmethod
    def smaller(one: Candidates | None, other: Candidates | None) -> Candidates | None:
        """The one with fewer pairs."""
        if one is None or other is None:
            return other if one is None else one
        return min(one, other, key=lambda candidates: candidates.total)

    @staticmethod
    def equal(i: Ids, j: Ids) -> Candidates:
        """Pairs with equal values of at least 0, int64 (n,) of the rows and (m,) of the columns."""
        order = np.argsort(j, kind="stable")
        return _between(order, j[order], i, i, known=i >= 0)

    @staticmethod
    def sharing(i: Ids, j: Ids) -> Candidates:
        """Pairs with a value in common, int64 (n, k) of the rows and (m, l) of the columns."""
        proposed = [Candidates.equal(of_i, of_j) for of_i in i.T for of_j in j.T]
        return Candidates(tuple(part for equal in proposed for part in equal.parts))

    @staticmethod
    def near(i: Array, j: Array, within: float) -> Candidates:
        """Pairs of numbers that differ by at most `within`; none with NaN."""
        i, j = i.astype(np.float64), j.astype(np.float64)
        order = np.argsort(j, kind="stable")  # NaN comes last
        limit = within + (np.abs(i) + within) * 2.0**-50  # the difference may be rounded up
        return _between(order, j[order], i - limit, i + limit, known=~np.isnan(i))

    @staticmethod
    def linked(i: Ids, j: Ids, table: LookupTable) -> Candidates:
        """Pairs of samples that a lookup links, by their positions in it."""
        size = len(table.ids)
        if not size:
            return Candidates(())
        entries = table.entries[: table.starts[size]]
        return _of_matrix(_at(i, size) @ _matrix(entries, table.starts, size) @ _at(j, size).T)

    @staticmethod
    def listed(i: Ids, j: Ids, of_i: Ids, of_j: Ids, *, by_column: bool) -> Candidates:
        """Pairs of a row and a column in its list, by their positions in the universe.

        Args:
            i: The positions of the rows, int64 (n,).
            j: The positions of the columns, int64 (m,).
            of_i: The lists of the rows, int64 (n, k).
            of_j: The lists of the columns, int64 (m, k).
            by_column: Whether a row in the list of a column is a pair too.
        """
        size = 1 + max(int(index.max(initial=0)) for index in (i, j, of_i, of_j))
        proposed = _lists(of_i, size) @ _at(j, size).T
        if by_column:
            proposed += (_lists(of_j, size) @ _at(i, size).T).T
        return _of_matrix(proposed)


def candidates_of(
    plan: Plan,
    rows: Sequence[Array],
    cols: Sequence[Array],
    scalars: Sequence[Any],
    lookups: Sequence[LookupTable],
) -> Candidates | None:
    """The candidates of the weights of a plan, from its columns in NumPy; None for every pair."""
    candidates: dict[int, Candidates | None] = {}
    for at in plan.needed(plan.result):
        instruction = plan.instructions[at]
        arguments: list[Any] = [candidates[value] for value in instruction.values]
        for column in instruction.columns:
            arguments += [rows[column], cols[column]]
        arguments += [scalars[scalar] for scalar in instruction.scalars]
        if instruction.lookup is not None:
            arguments.append(lookups[instruction.lookup])
        candidates[at] = OPERATIONS[instruction.op].candidates(Candidates, *arguments)
    return candidates[plan.result]


def _keys(part: Windows, rows: slice) -> Ids:
    """2^32 row + column of the pairs of some rows."""
    sizes = part.sizes[rows]
    before = np.cumsum(sizes) - sizes
    at = np.arange(sizes.sum()) + np.repeat(part.starts[rows] - before, sizes)
    keys: Ids = np.repeat(np.arange(rows.start, rows.stop) << 32, sizes) | part.cols[at]
    return keys


def _between(order: Ids, ordered: Array, low: Array, high: Array, known: Mask) -> Candidates:
    """For each known row, the columns with a value from `low` to `high`."""
    starts = np.searchsorted(ordered, low, "left")
    ends = np.searchsorted(ordered, high, "right")
    return Candidates((Windows(starts, np.where(known, ends - starts, 0), order),))


def _of_matrix(matrix: sp.csr_array) -> Candidates:
    """A pair for each entry of a sparse (n, m) matrix."""
    matrix = sp.csr_array(matrix)
    starts = matrix.indptr.astype(np.int64)
    return Candidates((Windows(starts[:-1], np.diff(starts), matrix.indices.astype(np.int64)),))


def _matrix(entries: Ids, starts: Ids, width: int) -> sp.csr_array:
    """A matrix of ones from the columns of its entries and the start of each row."""
    ones = np.ones(len(entries), np.int8)
    return sp.csr_array((ones, entries, starts), shape=(len(starts) - 1, width))


def _lists(lists: Ids, width: int) -> sp.csr_array:
    """Lists of positions (n, k), -1 for none, as a matrix (n, width)."""
    there = lists >= 0
    return _matrix(lists[there], np.append(0, np.cumsum(there.sum(axis=1))), width)


def _at(places: Ids, width: int) -> sp.csr_array:
    """One position per row, -1 for none, as a matrix (n, width)."""
    return _lists(places[:, None], width)
