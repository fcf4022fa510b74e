"""What a graph lowers to: columns to prepare, scalars to set, instructions to run for each pair.

A plan is data. `columns` are computed once for each row of a batch, in order, `scalars` once for
each call on the host, and `instructions` are a pure pointwise function of (row i, row j) in static
single assignment: each backend is a way to evaluate that function over a grid.

What an edge needs beyond its two rows is prepared before: `lookups` over the whole dataset, when a
program is bound to it; `stages` over the universe, which is every row and column of a call, each
once. A stage sees the columns before it, so a stage may rank the edges of an inner graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from rrl_dsl.graph import draws
from rrl_dsl.graph.schedule import Schedule, at_epoch
from rrl_dsl.graph.stage import Lookup, Stage
from rrl_dsl.graph.types import Need
from rrl_dsl.language.weights import number

Redraw = Literal["never", "epoch", "step"]


# scalars


@dataclass(frozen=True)
class Key:
    """The key of a stream: an integer below 2^32.

    An explicit seed takes the place of the recipe's.
    """

    stream: int
    redraw: Redraw
    seed: int | None = None

    @property
    def timed(self) -> bool:
        """Whether its value depends on the epoch or step."""
        return self.redraw != "never"

    def at(self, seed: int, epoch: int, step: int) -> int:
        """Its value for one call."""
        time = {"never": 0, "epoch": epoch, "step": step}[self.redraw]
        return draws.key(seed if self.seed is None else self.seed, self.stream, time)


@dataclass(frozen=True)
class Threshold:
    """A probability, as the greatest hash that still counts."""

    probability: float | Schedule

    @property
    def timed(self) -> bool:
        """Whether its value depends on the epoch."""
        return isinstance(self.probability, Schedule)

    def at(self, seed: int, epoch: int, step: int) -> int:
        """Its value for one call."""
        return draws.threshold(at_epoch(self.probability, epoch))


@dataclass(frozen=True)
class Constant:
    """A number that weights are computed with, or if `exact` one that fields are measured by."""

    value: float | Schedule
    exact: bool = False

    @property
    def timed(self) -> bool:
        """Whether its value depends on the epoch."""
        return isinstance(self.value, Schedule)

    def at(self, seed: int, epoch: int, step: int) -> float:
        """Its value for one call."""
        value = at_epoch(self.value, epoch)
        return value if self.exact else number(value)


@dataclass(frozen=True)
class Active:
    """Whether the epoch is within bounds."""

    start: int
    end: int | None

    @property
    def timed(self) -> bool:
        """Whether its value depends on the epoch."""
        return bool(self.start) or self.end not in (None, 0)

    def at(self, seed: int, epoch: int, step: int) -> bool:
        """Its value for one call."""
        return self.start <= epoch and (self.end is None or epoch < self.end)


Scalar = Key | Threshold | Constant | Active


# the plan


@dataclass(frozen=True)
class Column:
    """A value for each row.

    | kind | value |
    |---|---|
    | `sample`, `view` | int64, as given |
    | `label` | int64 (k,), the values of the label `field`, -1 for none |
    | `sample_hash` | int64, the hash of the sample under the key `scalars[0]` |
    | `row_hash` | int64, the hash of sample and view under the key `scalars[0]` |
    | `drawn_label` | int64 (k,), the label in column `inputs[0]` where the hash in column `inputs[1]` is within the threshold `scalars[0]`, else -1 |
    | `chosen_label` | int64 (k,), the label in column `inputs[0]` where the sample is in the lookup `lookup`, else -1 |
    | `number` | the number `field`: int64, or float64 with NaN where missing |
    | `zero` | int64 (1,), 0 |
    | `vector` | float64 (d,), the vector `field`; NaN where missing |
    | `slices` | float64 (3, d), the vector `field` in slices of whole numbers, see `backends/inner.py` |
    | `unit` | float64, the value of 1 in the first slice of the vector `field` |
    | `square` | float64, the squared length of the sliced vector in column `inputs[0]`, in units |
    | `place` | int64, the position of the sample in the table of the lookup `lookup`, -1 for none |
    | `values` | float64 (v,), what the lookup `lookup` finds of the sample; NaN where it is not there |
    | `row` | int64, the position of the row in the universe |
    | `list` | int64, the at most k rows of the universe that the stage `stage` lists, by the columns `inputs`; -1 for none |
    | `component` | int64, the component that the stage `stage` finds |
    """  # noqa: E501

    kind: Literal[
        "sample", "view", "label", "sample_hash", "row_hash", "drawn_label", "chosen_label",
        "number", "zero", "vector", "slices", "unit", "square", "place", "values", "row", "list",
        "component",
    ]  # fmt: skip
    field: str | None = None
    inputs: tuple[int, ...] = ()
    scalars: tuple[int, ...] = ()
    lookup: int | None = None
    stage: Stage | None = None

    @property
    def reads(self) -> tuple[Need, ...]:
        """What it reads of the rows."""
        if self.stage is not None:
            return self.stage.reads
        if self.field is None:
            return ()
        return (Need(_READS.get(self.kind, "vector"), self.field),)


_READS: Final[Mapping[str, Literal["label", "number"]]] = {"label": "label", "number": "number"}


@dataclass(frozen=True)
class Instruction:
    """One step of the edge function; its result is referred to by its position.

    Attributes:
        op: What is done, by its name in `rrl_dsl.graph.operations`.
        values: The instructions whose results it takes, first.
        columns: The columns it takes of both rows, next.
        scalars: The scalars it takes, next.
        lookup: The lookup it takes, last.
    """

    op: str
    values: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()
    scalars: tuple[int, ...] = ()
    lookup: int | None = None


@dataclass(frozen=True)
class Plan:
    """A lowered graph.

    Attributes:
        columns: What to prepare for each row, in order.
        scalars: What to set for each call.
        lookups: What to find over the whole dataset.
        instructions: What to do for each pair.
        result: The instruction that is the weight of a pair.
        contrast: The instruction that says whether a pair may be unrelated; None for all pairs.
        binary: Whether the weight is bool, else float.
    """

    columns: tuple[Column, ...]
    scalars: tuple[Scalar, ...]
    lookups: tuple[Lookup, ...]
    instructions: tuple[Instruction, ...]
    result: int
    contrast: int | None
    binary: bool

    @property
    def staged(self) -> bool:
        """Whether something is found over the whole batch before any edge is."""
        return any(column.stage is not None for column in self.columns)

    def needed(self, result: int) -> list[int]:
        """The instructions that one of them depends on, itself last, in order."""
        wanted = {result}
        for position in range(result, -1, -1):
            if position in wanted:
                wanted.update(self.instructions[position].values)
        return sorted(wanted)
