"""Which plans say where their edges are, so that sums over edges need not go through all pairs.

In the graph of one column, as that of samples or of labels, two rows have an edge where they have
the same value: these are its classes. What `|`, `&`, `-` and `~` make of such graphs is a sum of
them by inclusion and exclusion: a | b = a + b - ab, where ab is the graph of both columns together.

Other graphs have their edges in lists, as those of neighbors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from rrl_dsl.graph.operations import OPERATIONS
from rrl_dsl.graph.plan import Plan
from rrl_dsl.graph.stage import LookupTable

Terms = Mapping[frozenset[int], int]
"""Columns whose values are all equal -> how often the pairs count; no column means all pairs."""

MOST_TERMS: Final = 16
"""Terms up to which they are summed, one after the other."""
MOST_LISTED: Final = 32
"""Pairs per row and column up to which they are listed: memory stays linear."""

_WIDE: Final = frozenset({"label", "drawn_label", "chosen_label", "zero", "list"})
"""Kinds of columns with several integers for each row."""


class Classes:
    """What operations make of terms (`Operation.classes`)."""

    @staticmethod
    def equal(column: int) -> Terms:
        """Pairs with equal values of a column, not below 0."""
        return {frozenset({column}): 1}

    @staticmethod
    def constant(truth: bool) -> Terms:
        """All pairs, or none."""
        return {frozenset(): 1} if truth else {}

    @staticmethod
    def total(one: Terms, other: Terms, times: int = 1) -> Terms:
        """The first, and so many times the other."""
        found = Counter(one)
        for columns, count in other.items():
            found[columns] += times * count
        return {columns: count for columns, count in found.items() if count}

    @staticmethod
    def both(one: Terms, other: Terms) -> Terms:
        """The product: the pairs of both."""
        found: Counter[frozenset[int]] = Counter()
        for columns, count in one.items():
            for others, times in other.items():
                found[columns | others] += count * times
        return {columns: count for columns, count in found.items() if count}

    @staticmethod
    def either(one: Terms, other: Terms) -> Terms:
        """The pairs of one or the other."""
        return Classes.total(Classes.total(one, other), Classes.both(one, other), -1)

    @staticmethod
    def negated(terms: Terms) -> Terms:
        """All other pairs."""
        return Classes.total(Classes.constant(True), terms, -1)


def terms_of(plan: Plan, *, seed: int, epoch: int, step: int) -> Terms | None:
    """The classes that a graph is made of; None where it is not made of few.

    They are those of samples with one label at most, if it reads labels.
    """
    found: dict[int, Terms | None] = {}
    for at in plan.needed(plan.result):
        instruction = plan.instructions[at]
        operands = [found[value] for value in instruction.values]
        terms: Terms | None = None
        if None not in operands:
            scalars = [plan.scalars[each].at(seed, epoch, step) for each in instruction.scalars]
            operation = OPERATIONS[instruction.op]
            terms = operation.classes(Classes, *operands, *instruction.columns, *scalars)
        found[at] = terms if terms is not None and len(terms) <= MOST_TERMS else None
    return found[plan.result]


def has_lists(plan: Plan, *, seed: int, epoch: int, step: int) -> bool:
    """Whether the pairs that may have an edge are listed: those of any rows, here of none."""
    import numpy as np

    from rrl_dsl.backends.candidates import candidates_of

    nothing = np.empty(0, np.int64)
    columns = [nothing.reshape(0, 1) if each.kind in _WIDE else nothing for each in plan.columns]
    scalars = [scalar.at(seed, epoch, step) for scalar in plan.scalars]
    tables = [LookupTable.of_samples(nothing)] * len(plan.lookups)
    return candidates_of(plan, columns, columns, scalars, tables) is not None
