"""Which samples a program relates beyond their views, as far as that is known before a batch is.

Two kinds of comparison of a plan say it of whole data sets: `same` of a column of labels, and
`linked` in lists that were found over the data set. What a model's embeddings, distances of
numbers or draws of a pair relate is not known before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from rrl_dsl.backends import tensors
from rrl_dsl.backends.dense import Inputs, prepare, scalars_of
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program, Samples
from rrl_dsl.graph.plan import Instruction, Plan
from rrl_dsl.graph.stage import LookupTable, SampleColumns

Places = NDArray[np.int64]

_HOST: Final = torch.device("cpu")
_CLASSES: Final = frozenset({"label", "drawn_label", "chosen_label"})


class Partners(Protocol):
    """The samples that one comparison relates with each; samples go by their place in a split."""

    known: NDArray[np.bool_]
    """Whether a sample may have partners, (n,)."""

    def of(self, sample: int, free: bytearray) -> Iterator[int]:
        """The free partners of a sample, at random, each once.

        Args:
            sample: The sample.
            free: 1 for each sample that is free, as it is when the next partner is asked for. A
                partner that was handed out is not free afterwards.
        """


class Classmates:
    """The samples of the same class."""

    def __init__(self, label: Places, order: Places) -> None:
        """Sorts the samples by class.

        Args:
            label: The class of each sample, (n,); -1 where unknown.
            order: All samples, in the random order in which those of a class are handed out.
        """
        self.known = label >= 0
        ordered = order[self.known[order]]
        _, which = np.unique(label[ordered], return_inverse=True)
        of_sample = np.full(len(label), -1, dtype=np.int64)
        of_sample[ordered] = which
        ends = np.cumsum(np.bincount(which, minlength=1))
        self._class: list[int] = of_sample.tolist()
        self._members: list[int] = ordered[np.argsort(which, kind="stable")].tolist()
        self._next: list[int] = [0, *ends[:-1].tolist()]
        self._ends: list[int] = ends.tolist()

    def of(self, sample: int, free: bytearray) -> Iterator[int]:
        """See `Partners`. Whoever is not free never is again, so each member is looked at once."""
        own = self._class[sample]
        if own < 0:
            return
        while (at := self._next[own]) < self._ends[own]:
            self._next[own] = at + 1
            if free[self._members[at]]:
                yield self._members[at]


class Linked:
    """The samples in a list found over the data set: pairs of a file, neighbors."""

    def __init__(self, table: LookupTable, sample: torch.Tensor, order: Places) -> None:
        """Translates the ids of the lists to places.

        Args:
            table: The lists.
            sample: int64 (n,), the ids of the split; the lists may name others.
            order: All samples, in the random order in which those of a list are handed out.
        """
        self._place: Places = table.position(tensors, sample).numpy()
        self.known = self._place >= 0
        self._sample = np.full(len(table.ids), -1, dtype=np.int64)
        self._sample[self._place[self.known]] = np.flatnonzero(self.known)
        self._starts, self._entries = table.starts.numpy(), table.entries.numpy()
        self._rank = np.empty_like(order)
        self._rank[order] = np.arange(len(order))

    def of(self, sample: int, free: bytearray) -> Iterator[int]:
        """See `Partners`."""
        place = self._place[sample]
        if place < 0:
            return
        listed = self._sample[self._entries[self._starts[place] : self._starts[place + 1]]]
        listed = listed[listed >= 0]
        for other in listed[np.argsort(self._rank[listed])].tolist():
            if free[other]:
                yield other


class SplitRelations:
    """What a program compares the samples of a split by, epoch by epoch."""

    def __init__(self, program: Program, split: Samples) -> None:
        """Finds what is found over the whole split.

        Args:
            program: The program.
            split: n samples, as a program is bound to.

        Raises:
            RRLError: As `Program.bind`.
        """
        fields: Mapping[str, torch.Tensor] = getattr(split, "fields", {})
        self._plan, self._seed = program.plan, program.seed
        self._rows = Nodes(split.sample, None, split.labels, fields, check=False)
        columns, lookups = SampleColumns(self._rows), self._plan.lookups
        self._found = tuple(each.find(columns, self._seed).to(_HOST) for each in lookups)

    def partners(self, epoch: int, order: Places) -> list[Partners]:
        """The partners that each comparison gives in an epoch.

        Args:
            epoch: The epoch, for schedules.
            order: All samples, in the random order in which partners are handed out.
        """
        comparisons = [self._plan.instructions[at] for at in relating(self._plan, epoch)]
        labels = dict.fromkeys(each.columns[0] for each in comparisons if each.op == "same")
        lookups = dict.fromkeys(each.lookup for each in comparisons if each.lookup is not None)
        values = self._columns(list(labels), epoch)
        return [
            *(Classmates(value, order) for value in values),
            *(Linked(self._found[each], self._rows.sample, order) for each in lookups),
        ]

    def _columns(self, wanted: Sequence[int], epoch: int) -> list[Places]:
        """Some columns of the plan over the whole split, computed with no more than they need."""
        needed = set(wanted)
        for position in range(len(self._plan.columns) - 1, -1, -1):
            if position in needed:
                needed.update(self._plan.columns[position].inputs)
        kept = sorted(needed)
        columns = tuple(
            replace(column, inputs=tuple(kept.index(each) for each in column.inputs))
            for column in (self._plan.columns[position] for position in kept)
        )
        scalars = scalars_of(self._plan, seed=self._seed, epoch=epoch, step=0, device=_HOST)
        inputs = Inputs(scalars, self._found, fused=False)
        rows = self._rows
        values = prepare(replace(self._plan, columns=columns), rows, rows, {}, inputs).rows
        return [values[kept.index(each)].numpy() for each in wanted]


@dataclass(frozen=True)
class _Effect:
    """How the result of an instruction for two samples follows from comparisons of them.

    Attributes:
        possible: Whether it can be anything but false or 0.
        raised: The comparisons that raise it where they hold.
        lowered: Those that lower it.
    """

    possible: bool = True
    raised: frozenset[int] = frozenset()
    lowered: frozenset[int] = frozenset()


def relating(plan: Plan, epoch: int) -> list[int]:
    """The comparisons of labels or lists that make two samples related where they hold.

    One that keeps samples apart, as on the right of a difference, is none of them, and one that an
    epoch does without neither.

    Args:
        plan: The plan.
        epoch: The epoch, for schedules.

    Returns:
        The instructions `same`, `linked` and `linked_weight`, by position.
    """
    effects: list[_Effect] = []
    for at, instruction in enumerate(plan.instructions):
        effects.append(_effect(plan, at, instruction, effects, epoch))
    return sorted(effects[plan.result].raised)


def _effect(
    plan: Plan, at: int, instruction: Instruction, before: Sequence[_Effect], epoch: int
) -> _Effect:
    values = [before[value] for value in instruction.values]
    # seed and step set keys alone
    scalars = [plan.scalars[each].at(0, epoch, 0) for each in instruction.scalars]
    possible = [value.possible for value in values]
    match instruction.op:
        case "same" | "listed" | "listed_mutually" | "listed_by_row":
            column = plan.columns[instruction.columns[-1]]
            if column.stage is not None and column.kind == "component":
                raised = (before[weight].raised for weight in column.stage.weighs)
                lowered = (before[weight].lowered for weight in column.stage.weighs)
                return _Effect(True, frozenset().union(*raised), frozenset().union(*lowered))
            if column.kind in _CLASSES:
                return _Effect(raised=frozenset({at}))
            return _Effect(possible=column.kind != "sample")  # two samples are never the same
        case "linked" | "linked_weight":
            return _Effect(raised=frozenset({at}))
        case "constant":
            return _Effect(possible=bool(scalars[0]))
        case "negated":
            return _Effect(True, values[0].lowered, values[0].raised)
        case "choose":
            where, elsewhere = scalars
            if where == elsewhere:
                return _Effect()
            chosen = replace(values[0], possible=True)
            return chosen if where > elsewhere else _Effect(True, chosen.lowered, chosen.raised)
        case "times" if scalars[0] == 0:
            return _Effect(possible=False)
        case "both" | "smallest" | "masked" if not all(possible):
            return _Effect(possible=False)
    return _Effect(
        any(possible) or not values,
        frozenset().union(*(value.raised for value in values)),
        frozenset().union(*(value.lowered for value in values)),
    )
