"""The samples that a program relates, as far as this is known before a batch is drawn.

Two kinds of instructions apply to the whole dataset: `share` and `jaccard`, of labels, and
`linked`, of lists over the dataset. Relations by embeddings of the model, by distances of numbers
or by draws per pair are not known in advance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from rrl_dsl.backends import tensors
from rrl_dsl.backends.dense import Inputs, prepare, scalars_of
from rrl_dsl.backends.nodes import Nodes, Samples
from rrl_dsl.backends.program import Program
from rrl_dsl.backends.sample_graph import sample_columns
from rrl_dsl.graph.plan import Instruction, Plan
from rrl_dsl.graph.stage import LookupTable

Indices = NDArray[np.int64]

_HOST: Final = torch.device("cpu")
_SHARING: Final = frozenset({"share", "jaccard"})
"""The comparisons of labels."""
_CLASSES: Final = frozenset({"label", "drawn_label", "chosen_label"})


class RelatedSamples(Protocol):
    """The samples related to each sample by one comparison; samples are indices into a split."""

    known: NDArray[np.bool_]
    """Whether each sample can be related to others, bool (n,)."""

    def of(self, sample: int, free: bytearray) -> Iterator[int]:
        """Yields the free samples related to a sample in random order, each once.

        Args:
            sample: The sample.
            free: 1 for each free sample; read when the next sample is requested. The caller marks
                a sample that it received as not free.
        """


class SameClass:
    """Related samples: those with a class in common."""

    def __init__(self, label: Indices, order: Indices) -> None:
        """Sorts the samples by class.

        Args:
            label: The classes of each sample, (n, k); -1 for none.
            order: All samples, in the random order in which related samples are returned.
        """
        self.known: NDArray[np.bool_] = np.any(label >= 0, axis=1)
        places, column = np.nonzero(label[order] >= 0)
        ordered = order[places]
        _, which = np.unique(label[ordered, column], return_inverse=True)
        ends = np.cumsum(np.bincount(which, minlength=1))
        of_sample: Any = np.full(label.shape, -1, dtype=np.int64)
        of_sample[ordered, column] = which
        self._classes: list[list[int]] = of_sample.tolist()
        self._members: list[int] = ordered[np.argsort(which, kind="stable")].tolist()
        self._next: list[int] = [0, *ends[:-1].tolist()]
        self._ends: list[int] = ends.tolist()

    def of(self, sample: int, free: bytearray) -> Iterator[int]:
        """See `RelatedSamples`. A sample never becomes free again, so each one is visited once."""
        for own in self._classes[sample]:
            while own >= 0 and (at := self._next[own]) < self._ends[own]:
                self._next[own] = at + 1
                if free[self._members[at]]:
                    yield self._members[at]


class Linked:
    """Related samples in a list over the dataset: pairs of a file, or neighbors."""

    def __init__(self, table: LookupTable, sample: torch.Tensor, order: Indices) -> None:
        """Translates the ids of the lists to indices.

        Args:
            table: The lists.
            sample: int64 (n,), the ids of the split; other ids in the lists are ignored.
            order: All samples, in the random order in which related samples are returned.
        """
        self._place: Indices = table.position(tensors, sample).numpy()
        self.known = self._place >= 0
        self._sample = np.full(len(table.ids), -1, dtype=np.int64)
        self._sample[self._place[self.known]] = np.flatnonzero(self.known)
        self._starts, self._entries = table.starts.numpy(), table.entries.numpy()
        self._rank = np.empty_like(order)
        self._rank[order] = np.arange(len(order))

    def of(self, sample: int, free: bytearray) -> Iterator[int]:
        """See `RelatedSamples`."""
        place = self._place[sample]
        if place < 0:
            return
        listed = self._sample[self._entries[self._starts[place] : self._starts[place + 1]]]
        listed = listed[listed >= 0]
        for other in listed[np.argsort(self._rank[listed])].tolist():
            if free[other]:
                yield other


class SplitRelations:
    """The comparisons of a program that are known for a whole split, by epoch."""

    def __init__(self, program: Program, split: Samples) -> None:
        """Binds the program to the whole split.

        Args:
            program: The program.
            split: The n samples.

        Raises:
            RRLError: As `Program.bind`.
        """
        fields: Mapping[str, torch.Tensor] = getattr(split, "fields", {})
        self._plan, self._seed = program.plan, program.seed
        self._rows = Nodes(split.sample, None, split.labels, fields, check=False)
        columns, lookups = sample_columns(self._rows), self._plan.lookups
        self._found = tuple(lookup.table(columns, self._seed).to(_HOST) for lookup in lookups)

    def by_comparison(self, epoch: int, order: Indices) -> list[RelatedSamples]:
        """Returns the related samples by each comparison in an epoch.

        Args:
            epoch: The epoch, for schedules.
            order: All samples, in the random order in which related samples are returned.
        """
        comparisons = [self._plan.instructions[at] for at in relating(self._plan, epoch)]
        labels = dict.fromkeys(
            comparison.columns[0] for comparison in comparisons if comparison.op in _SHARING
        )
        lookups = dict.fromkeys(
            comparison.lookup for comparison in comparisons if comparison.lookup is not None
        )
        values = self._columns(list(labels), epoch)
        return [
            *(SameClass(value, order) for value in values),
            *(Linked(self._found[lookup], self._rows.sample, order) for lookup in lookups),
        ]

    def _columns(self, wanted: Sequence[int], epoch: int) -> list[Indices]:
        """Returns some columns of the plan over the whole split, and computes only these."""
        needed = set(wanted)
        for position in range(len(self._plan.columns) - 1, -1, -1):
            if position in needed:
                needed.update(self._plan.columns[position].inputs)
        kept = sorted(needed)
        columns = tuple(
            column._replace(inputs=tuple(kept.index(position) for position in column.inputs))
            for column in (self._plan.columns[position] for position in kept)
        )
        scalars = scalars_of(self._plan, seed=self._seed, epoch=epoch, step=0, device=_HOST)
        inputs = Inputs(scalars, self._found, fused=False)
        rows = self._rows
        values = prepare(replace(self._plan, columns=columns), rows, rows, {}, inputs).rows
        return [values[kept.index(column)].numpy() for column in wanted]


@dataclass(frozen=True)
class _Effect:
    """How the result of an instruction for two samples depends on comparisons.

    Attributes:
        possible: Whether the result can be other than false or 0.
        raised: The comparisons that increase the result if they hold.
        lowered: The comparisons that decrease it.
    """

    possible: bool = True
    raised: frozenset[int] = frozenset()
    lowered: frozenset[int] = frozenset()


def relating(plan: Plan, epoch: int) -> list[int]:
    """Returns the comparisons of labels or lists that relate two samples if they hold.

    Comparisons that only exclude pairs, as on the right of a difference, are not returned, and
    neither are those that have no effect in this epoch.

    Args:
        plan: The plan.
        epoch: The epoch, for schedules.

    Returns:
        The instructions `share`, `jaccard`, `linked` and `linked_weight`, by position.
    """
    effects: list[_Effect] = []
    for at, instruction in enumerate(plan.instructions):
        effects.append(_effect(plan, at, instruction, effects, epoch))
    return sorted(effects[plan.result].raised)


def _effect(
    plan: Plan, at: int, instruction: Instruction, before: Sequence[_Effect], epoch: int
) -> _Effect:
    values = [before[value] for value in instruction.values]
    # seed and step affect only keys
    scalars = [plan.scalars[scalar].at(0, epoch, 0) for scalar in instruction.scalars]
    possible = [value.possible for value in values]
    match instruction.op:
        case "jaccard":
            return _Effect(raised=frozenset({at}))
        case "same" | "share" | "listed" | "listed_mutually" | "listed_by_row":
            column = plan.columns[instruction.columns[-1]]
            if column.stage is not None and column.kind == "component":
                raised = (before[weight].raised for weight in column.stage.weighs)
                lowered = (before[weight].lowered for weight in column.stage.weighs)
                return _Effect(True, frozenset().union(*raised), frozenset().union(*lowered))
            if column.kind in _CLASSES:
                return _Effect(raised=frozenset({at}))
            return _Effect(possible=column.kind != "sample")  # two samples are never identical
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
