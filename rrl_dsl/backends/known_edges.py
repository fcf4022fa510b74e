"""Plans that say where the edges are, so that sums over edges skip the other pairs.

In the graph of one column, such as the sample or a label, two rows have an edge if their values are
equal. These are its classes. `|`, `&`, `-` and `~` of such graphs are sums of them by inclusion and
exclusion: a | b = a + b - ab, where ab is the graph of both columns together.

The edges of other graphs are in lists, such as those of neighbors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from rrl_dsl.graph.operations import OPERATIONS
from rrl_dsl.graph.plan import Plan
from rrl_dsl.graph.stage import LookupTable

Terms = Mapping[frozenset[int], int]
"""Columns with equal values -> how often these pairs count. No column means all pairs."""

MOST_TERMS: Final = 16
"""The most terms that are summed one after the other."""
MOST_LISTED: Final = 32
"""The most listed pairs per row and column, so that memory is linear in rows and columns."""

_WIDE: Final = frozenset({"label", "drawn_label", "chosen_label", "zero", "list"})
"""Kinds of columns with several integers per row."""


class Classes:
    """The results of operations on terms (`Operation.classes`)."""

    @staticmethod
    def equal(column: int) -> Terms:
        """Pairs with equal values of a column that are at least 0."""
        return {frozenset({column}): 1}

    @staticmethod
    def constant(truth: bool) -> Terms:
        """All pairs, or none."""
        return {frozenset(): 1} if truth else {}

    @staticmethod
    def total(one: Terms, other: Terms, times: int = 1) -> Terms:
        """one + times * other."""
        terms = Counter(one)
        for columns, count in other.items():
            terms[columns] += times * count
        return {columns: count for columns, count in terms.items() if count}

    @staticmethod
    def both(one: Terms, other: Terms) -> Terms:
        """The product: pairs in both."""
        terms: Counter[frozenset[int]] = Counter()
        for columns, count in one.items():
            for others, times in other.items():
                terms[columns | others] += count * times
        return {columns: count for columns, count in terms.items() if count}

    @staticmethod
    def either(one: Terms, other: Terms) -> Terms:
        """Pairs in at least one."""
        return Classes.total(Classes.total(one, other), Classes.both(one, other), -1)

    @staticmethod
    def negated(terms: Terms) -> Terms:
        """All other pairs."""
        return Classes.total(Classes.constant(True), terms, -1)


def terms_of(plan: Plan, *, seed: int, epoch: int, step: int) -> Terms | None:
    """The terms of a graph; None if it is not a sum of few classes.

    If the graph reads labels, the terms are those of samples with at most one label.
    """
    terms_at: dict[int, Terms | None] = {}
    for at in plan.needed(plan.result):
        instruction = plan.instructions[at]
        operands = [terms_at[value] for value in instruction.values]
        terms: Terms | None = None
        if None not in operands:
            scalars = [plan.scalars[scalar].at(seed, epoch, step) for scalar in instruction.scalars]
            operation = OPERATIONS[instruction.op]
            terms = operation.classes(Classes, *operands, *instruction.columns, *scalars)
        terms_at[at] = terms if terms is not None and len(terms) <= MOST_TERMS else None
    return terms_at[plan.result]


def has_lists(plan: Plan, *, seed: int, epoch: int, step: int) -> bool:
    """Whether the plan lists the pairs that may have an edge; evaluates no rows."""
    import numpy as np

    from rrl_dsl.backends.candidates import candidates_of

    nothing = np.empty(0, np.int64)
    columns = [
        nothing.reshape(0, 1) if column.kind in _WIDE else nothing for column in plan.columns
    ]
    scalars = [scalar.at(seed, epoch, step) for scalar in plan.scalars]
    tables = [LookupTable.of_samples(nothing)] * len(plan.lookups)
    return candidates_of(plan, columns, columns, scalars, tables) is not None
