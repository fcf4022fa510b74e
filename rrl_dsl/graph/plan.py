"""What a graph lowers to: columns to prepare, scalars to set, instructions to run for each pair.

A plan is data. `columns` are computed once for each row of a batch, in order, `scalars` once for
each call on the host, and `instructions` are a pure pointwise function of (row i, row j) in static
single assignment: each backend is a way to evaluate that function over a grid.

What an edge needs beyond its two rows is prepared before: `lookups` over the whole data set, when a
program is bound to it; `stages` over the universe, which is every row and column of a call, each
once. A stage sees the columns before it, so a stage may rank the edges of an inner graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from rrl_dsl.graph import draws
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.schedule import Schedule, at_epoch
from rrl_dsl.graph.weights import number

Redraw = Literal["never", "epoch", "step"]
Metric = Literal["cosine", "euclidean"]
Lists = Literal["either", "mutual", "directed"]
"""Where there is an edge: one is in the list of the other, each is, or j is in the list of i."""


class Need(NamedTuple):
    """A column that a call reads: a label, a number or a vector of the samples, or a space."""

    kind: Literal["label", "number", "vector", "space"]
    name: str


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
    """A number that weights are computed with, or where `exact` one that fields are measured by."""

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


# what is found once over the whole data set


class Lookup:
    """What is found once over the whole data set.

    Attributes:
        bound: Whether it takes the data set.
        covers_data_set: Whether every sample of the data set has a place in it.
        directed: Whether pairs may differ there and back.
    """

    bound: bool = True
    covers_data_set: bool = True
    directed: bool = False

    @property
    def reads(self) -> tuple[Need, ...]:
        """What it reads of the data set."""
        return ()

    @property
    def limit(self) -> float:
        """A bound that no weight exceeds."""
        return 1.0


class OfVectors(Lookup):
    """What is found of the vectors of a field."""

    field: str

    @property
    def reads(self) -> tuple[Need, ...]:
        """The field."""
        return (Need("vector", self.field),)


@dataclass(frozen=True)
class Chosen(Lookup):
    """The samples of each class with the smallest draws."""

    field: str
    per_class: int
    key: Key
    covers_data_set = False


@dataclass(frozen=True)
class Listed(Lookup):
    """The pairs of a file; needs no data set."""

    links: Links
    bound = False
    covers_data_set = False

    @property
    def limit(self) -> float:
        """The weight of the heaviest pair."""
        return max(self.links.weight or (), default=1.0)


@dataclass(frozen=True)
class Neighbours(OfVectors):
    """The samples that are linked with a sample by their lists of the k nearest."""

    field: str
    k: int
    metric: Metric
    lists: Lists

    @property
    def directed(self) -> bool:  # type: ignore[override]
        """Whether lists lead one way."""
        return self.lists == "directed"


@dataclass(frozen=True)
class Geodesic(OfVectors):
    """The samples whose shortest path over the k-nearest graph is at most `within`."""

    field: str
    k: int
    within: float


@dataclass(frozen=True)
class Affinities(OfVectors):
    """Each sample's precision, log-normaliser and reach of a Gaussian with the given perplexity."""

    field: str
    perplexity: float


# what is found over the rows and columns of a call


class Stage:
    """What is found over all rows and columns of a call, each once, by (sample, view).

    A subclass is a frozen dataclass. Its result is int64: (u,), the group of each row, -1 for none;
    or (u, k), the places of the rows in each row's list, -1 for none.
    """

    @property
    def reads(self) -> tuple[Need, ...]:
        """What it reads of the rows."""
        return ()

    def find(self, arrays: Any, batch: Any) -> Any:
        """What it finds, written once for torch and NumPy.

        Args:
            arrays: `rrl_dsl.backends.tensors` or `rrl_dsl.backends.arrays`: functions of arrays.
            batch: `rows`, with `sample`, `view` (u,), `label(name)`, `number(name)` and
                `vector(name)`; `spaces`, the embeddings by space (u, d); and `weights`, by the
                instruction `weight.at` of a weight, its values for all pairs (u, u).
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Nearest(Stage):
    """The k nearest rows, or columns, of each in a space, ties to the smaller (sample, view)."""

    space: str
    k: int
    metric: Metric
    of_other_view: bool
    columns_alone: bool

    @property
    def reads(self) -> tuple[Need, ...]:
        """The space."""
        return (Need("space", self.space),)


@dataclass(frozen=True)
class Heaviest(Stage):
    """The k heaviest edges of each row in the graph of an instruction, ties as for `Nearest`."""

    inner: int
    k: int


@dataclass(frozen=True)
class Components(Stage):
    """The connected component of each row in the graph of an instruction."""

    inner: int


@dataclass(frozen=True)
class Column:
    """A value for each row.

    | kind | value |
    |---|---|
    | `sample`, `view` | int64, as given |
    | `label` | int64, the label `field`, -1 where unknown |
    | `sample_hash` | int64, the hash of the sample under the key `scalars[0]` |
    | `row_hash` | int64, the hash of sample and view under the key `scalars[0]` |
    | `drawn_label` | int64, the label in column `inputs[0]` where the hash in column `inputs[1]` is within the threshold `scalars[0]`, else -1 |
    | `chosen_label` | int64, the label in column `inputs[0]` where the sample is in the lookup `lookup`, else -1 |
    | `number` | the number `field`: int64, or float64 with NaN where missing |
    | `zero` | int64, 0 |
    | `vector` | float64 (d,), the vector `field`; NaN where missing |
    | `slices` | float64 (3, d), the vector `field` in slices of whole numbers, see `backends/inner.py` |
    | `unit` | float64, the value of 1 in the first slice of the vector `field` |
    | `square` | float64, the squared length of the sliced vector in column `inputs[0]`, in units |
    | `place` | int64, where the sample stands in the lookup `lookup`, -1 for nowhere |
    | `precision` | float64 (3,), precision, log-normaliser, reach from the lookup `lookup` |
    | `row` | int64, where the row stands in the universe |
    | `list` | int64, the at most k rows of the universe that the stage `stage` lists, -1 for none |
    | `component` | int64, the component that the stage `stage` finds |
    """  # noqa: E501

    kind: Literal[
        "sample", "view", "label", "sample_hash", "row_hash", "drawn_label", "chosen_label",
        "number", "zero", "vector", "slices", "unit", "square", "place", "precision", "row", "list",
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
        lookups: What to find over the whole data set.
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
