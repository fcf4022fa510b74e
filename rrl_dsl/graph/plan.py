"""The plan of a graph: columns of the rows, scalars, and instructions for a pair of rows.

A plan is data. `columns` are computed once per row of a batch, in order, and `scalars` once per
call, on the CPU. `instructions` are a pure pointwise function of (row i, row j) in static single
assignment. A backend evaluates this function over a grid of pairs.

Some edges need more than their two rows. `lookups` are computed over the whole dataset when a
program is bound to it. Stages are computed over the universe: all rows and columns of a call. A
stage reads the columns before it, so it may rank the edges of an inner graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple

from rrl_dsl.graph import draws
from rrl_dsl.graph.schedule import Schedule, at_epoch
from rrl_dsl.graph.stage import Lookup, Stage
from rrl_dsl.graph.types import Need
from rrl_dsl.language.weights import number

Redraw = Literal["never", "epoch", "step"]


# scalars


@dataclass(frozen=True)
class Key:
    """The key of a stream, an integer below 2^32. An explicit seed replaces that of the recipe."""

    stream: int
    redraw: Redraw
    seed: int | None = None
    dtype = "int64"

    @property
    def timed(self) -> bool:
        """Whether the value depends on the epoch or step."""
        return self.redraw != "never"

    def at(self, seed: int, epoch: int, step: int) -> int:
        """The value for one call."""
        time = {"never": 0, "epoch": epoch, "step": step}[self.redraw]
        return draws.key(seed if self.seed is None else self.seed, self.stream, time)


@dataclass(frozen=True)
class Threshold:
    """A probability, as the greatest hash that is drawn."""

    probability: float | Schedule
    dtype = "int32"  # as draws: an int64 would make all pairs int64

    @property
    def timed(self) -> bool:
        """Whether the value depends on the epoch."""
        return isinstance(self.probability, Schedule)

    def at(self, seed: int, epoch: int, step: int) -> int:
        """The value for one call."""
        return draws.threshold(at_epoch(self.probability, epoch))


@dataclass(frozen=True)
class Constant:
    """A number in computations of weights (float32), or if `exact` of fields (float64)."""

    value: float | Schedule
    exact: bool = False

    @property
    def dtype(self) -> str:
        """The dtype of the value in torch and NumPy."""
        return "float64" if self.exact else "float32"

    @property
    def timed(self) -> bool:
        """Whether the value depends on the epoch."""
        return isinstance(self.value, Schedule)

    def at(self, seed: int, epoch: int, step: int) -> float:
        """The value for one call."""
        value = at_epoch(self.value, epoch)
        return value if self.exact else number(value)


@dataclass(frozen=True)
class Active:
    """Whether the epoch is at least `start` and before `end`."""

    start: int
    end: int | None
    dtype = "bool"

    @property
    def timed(self) -> bool:
        """Whether the value depends on the epoch."""
        return bool(self.start) or self.end not in (None, 0)

    def at(self, seed: int, epoch: int, step: int) -> bool:
        """The value for one call."""
        return self.start <= epoch and (self.end is None or epoch < self.end)


Scalar = Key | Threshold | Constant | Active
"""A number of a call: `at` a seed, an epoch and a step, with its `dtype` in torch and NumPy.

It is `timed` if it depends on the epoch or step.
"""


# the plan


class Column(NamedTuple):
    """A value per row.

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
        """The columns of the dataset and the spaces that it reads."""
        if self.stage is not None:
            return self.stage.reads
        if self.field is None:
            return ()
        return (Need(_READS.get(self.kind, "vector"), self.field),)


_READS: Final[Mapping[str, Literal["label", "number"]]] = {"label": "label", "number": "number"}


class Instruction(NamedTuple):
    """One step of the edge function. Its position identifies its result.

    Attributes:
        op: The name of the operation in `rrl_dsl.graph.operations`.
        values: The first arguments: the results of these instructions.
        columns: The next arguments: these columns of both rows.
        scalars: The next arguments: these scalars.
        lookup: The last argument: this lookup.
    """

    op: str
    values: tuple[int, ...] = ()
    columns: tuple[int, ...] = ()
    scalars: tuple[int, ...] = ()
    lookup: int | None = None


@dataclass(frozen=True)
class Plan:
    """The computation of a graph.

    Attributes:
        columns: The columns of the rows, in order.
        scalars: The scalars of a call.
        lookups: The computations over the whole dataset.
        instructions: The steps of the edge function.
        result: The instruction that computes the weight of a pair.
        contrast: The instruction that says whether a pair may be unrelated; None for all pairs.
        binary: Whether the weight is bool; otherwise it is float.
    """

    columns: tuple[Column, ...]
    scalars: tuple[Scalar, ...]
    lookups: tuple[Lookup, ...]
    instructions: tuple[Instruction, ...]
    result: int
    contrast: int | None
    binary: bool

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Computed once: what is derived from a plan is cached by it, and looked up every step."""
        return hash((self.columns, self.scalars, self.instructions, self.result, self.contrast))

    @property
    def staged(self) -> bool:
        """Whether a column has a stage."""
        return any(column.stage is not None for column in self.columns)

    def needed(self, result: int) -> list[int]:
        """The instructions that `result` depends on, in order, and itself last."""
        wanted = {result}
        for position in range(result, -1, -1):
            if position in wanted:
                wanted.update(self.instructions[position].values)
        return sorted(wanted)
