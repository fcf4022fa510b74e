"""What a graph lowers to: columns to prepare, scalars to set, instructions to run for each pair.

A plan is data. `columns` are computed once for each row of a batch, `scalars` once for each call on
the host, and `instructions` are a pure pointwise function of (row i, row j) in static single
assignment: each backend is a way to evaluate that function over a grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rrl_dsl.graph import draws

Redraw = Literal["never", "epoch", "step"]


@dataclass(frozen=True)
class Key:
    """The key of a stream: an integer below 2^32."""

    stream: int
    redraw: Redraw

    def at(self, seed: int, epoch: int, step: int) -> int:
        """Its value for one call."""
        time = {"never": 0, "epoch": epoch, "step": step}[self.redraw]
        return draws.key(seed, self.stream, time)


@dataclass(frozen=True)
class Threshold:
    """A probability, as the greatest hash that still counts."""

    probability: float

    def at(self, seed: int, epoch: int, step: int) -> int:
        """Its value for one call."""
        return draws.threshold(self.probability)


@dataclass(frozen=True)
class Constant:
    """A number."""

    value: float

    def at(self, seed: int, epoch: int, step: int) -> float:
        """Its value for one call."""
        return self.value


@dataclass(frozen=True)
class Active:
    """Whether the epoch is within bounds."""

    start: int
    end: int | None

    def at(self, seed: int, epoch: int, step: int) -> bool:
        """Its value for one call."""
        return self.start <= epoch and (self.end is None or epoch < self.end)


Scalar = Key | Threshold | Constant | Active


@dataclass(frozen=True)
class Column:
    """An int64 value for each row.

    | kind | value |
    |---|---|
    | `sample`, `view` | as given |
    | `label` | the label `field`, -1 where unknown |
    | `sample_hash` | hash of the sample under the key `scalars[0]` |
    | `row_hash` | hash of sample and view under the key `scalars[0]` |
    | `drawn_label` | the label in column `inputs[0]` where the hash in column `inputs[1]` is within the threshold `scalars[0]`, else -1 |
    | `chosen_label` | the label in column `inputs[0]` where the sample is in the subset `subset`, else -1 |
    """  # noqa: E501

    kind: Literal[
        "sample", "view", "label", "sample_hash", "row_hash", "drawn_label", "chosen_label"
    ]
    field: str | None = None
    inputs: tuple[int, ...] = ()
    scalars: tuple[int, ...] = ()
    subset: int | None = None


@dataclass(frozen=True)
class Subset:
    """The samples of each class with the smallest draws; known once the plan meets a data set."""

    field: str
    per_class: int
    key: Key


OpName = Literal[
    "same", "draw", "choose", "within", "constant", "both", "either", "negated",
    "number", "largest", "smallest", "total", "masked", "times", "at_most", "raised", "above",
]  # fmt: skip


@dataclass(frozen=True)
class Instruction:
    """One step of the edge function; its result is referred to by its position.

    | op | result |
    |---|---|
    | `same(column)` | bool: both rows hold the same value, and it is not negative |
    | `draw(column)` | int: the hash of the pair from the rows' hashes |
    | `choose(a, s, t)` | int: scalar s where a, else scalar t |
    | `within(h, t)` | bool: the upper 31 bits of h are at most t, a value or a scalar |
    | `constant(s)` | bool: the scalar, for every pair |
    | `both(a, b)`, `either(a, b)`, `negated(a)` | bool |
    | `number(a)` | float: 1 where a, else 0 |
    | `largest(a, b)`, `smallest(a, b)`, `total(a, b)` | float |
    | `masked(a, m)` | float: a where m, else 0 |
    | `times(a, s)`, `at_most(a, s)`, `raised(a, s)` | float |
    | `above(a, s)` | bool: a > s |
    """

    op: OpName
    values: tuple[int, ...] = ()
    column: int | None = None
    scalars: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A lowered graph; instruction `result` is the weight of a pair."""

    columns: tuple[Column, ...]
    scalars: tuple[Scalar, ...]
    subsets: tuple[Subset, ...]
    instructions: tuple[Instruction, ...]
    result: int
    binary: bool
