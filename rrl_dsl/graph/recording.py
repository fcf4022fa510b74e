"""A plan while it grows, and the handles by which a built-in writes its instructions.

A built-in is called once with handles: a `Pair` of rows, and for a transform the `Weight` that the
pair has. What it does to them is recorded. Equal columns, scalars, lookups and instructions are
kept once, and an instruction that changes nothing, by the bounds of what it is given, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn, TypeVar, overload

from rrl_dsl.graph.operations import (
    ALWAYS,
    ANYTHING,
    CASES,
    MAYBE,
    NEVER,
    OPERATIONS,
    Case,
    Range,
)
from rrl_dsl.graph.plan import (
    Active,
    Column,
    Constant,
    Instruction,
    Key,
    Redraw,
    Scalar,
    Threshold,
)
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.stage import Lookup, Stage

Unit = Literal["sample", "row"]
Lists = Literal["either", "mutual", "directed"]
"""Where there is an edge: one is in the list of the other, each is, or j is in the list of i."""
Real = float | Schedule
Ranges = tuple[Range, ...]
"""The range of a result in each of `CASES`."""

_Item = TypeVar("_Item")
_LISTED: Final[dict[Lists, str]] = {
    "either": "listed",
    "mutual": "listed_mutually",
    "directed": "listed_by_row",
}


@dataclass
class Recording:
    """The tables of a plan, and what its calls ask of the trainer.

    Attributes:
        columns: Column -> its position.
        scalars: Scalar -> its position.
        lookups: Lookup -> its position.
        instructions: Instruction -> its position.
        ranges: Of each instruction.
        draws: Whether anything is drawn.
        views: How many views of each sample are asked for.
        bank: How many earlier rows are asked for as columns.
    """

    columns: dict[Column, int] = field(default_factory=dict)
    scalars: dict[Scalar, int] = field(default_factory=dict)
    lookups: dict[Lookup, int] = field(default_factory=dict)
    instructions: dict[Instruction, int] = field(default_factory=dict)
    ranges: list[Ranges] = field(default_factory=list)
    draws: bool = False
    views: int = 1
    bank: int = 0

    def operand(self, binary: bool) -> Weight:
        """A weight of which nothing is known: what a transform may be given."""
        at = self._emitted(Instruction("operand"), (MAYBE if binary else ANYTHING,) * len(CASES))
        return Mask(self, at) if binary else Weight(self, at)

    def emit(
        self,
        op: str,
        *values: int,
        columns: Sequence[Column] = (),
        scalars: Sequence[Scalar] = (),
        lookup: Lookup | None = None,
    ) -> int:
        """An instruction over earlier results, columns of both rows, scalars and a lookup."""
        known = [self.ranges[value] for value in values]
        ranges = tuple(
            OPERATIONS[op].bound(
                Case(same, tuple(columns), tuple(scalars), lookup), *(each[at] for each in known)
            )
            for at, same in enumerate(CASES)
        )
        instruction = Instruction(
            op,
            values,
            tuple(map(self.column, columns)),
            tuple(_position(self.scalars, each) for each in scalars),
            None if lookup is None else _position(self.lookups, lookup),
        )
        return self._emitted(instruction, ranges)

    def column(self, column: Column) -> int:
        """The position of a column."""
        return _position(self.columns, column)

    def constant(self, truth: bool) -> Mask:
        """All pairs, or none."""
        return Mask(self, self.emit("constant", scalars=(Active(0, None if truth else 0),)))

    def _emitted(self, instruction: Instruction, ranges: Ranges) -> int:
        at = _position(self.instructions, instruction)
        if at == len(self.ranges):
            self.ranges.append(ranges)
        return at


def _position(table: dict[_Item, int], item: _Item) -> int:
    return table.setdefault(item, len(table))


@dataclass(frozen=True, eq=False)
class Weight:
    """The weight of a pair, a float32 of at least 0.

    `a | b` is the larger of two weights, `a & b` the smaller, `a + b` their sum, `a - b` the weight
    where the mask b does not hold, `k * a` and `a ** p` are as numbers are, `a > k` is a mask, and
    `~a` where the weight is 0.
    """

    recording: Recording
    at: int

    @property
    def ranges(self) -> Ranges:
        """What it can be, in each of `CASES`."""
        return self.recording.ranges[self.at]

    @property
    def high(self) -> float:
        """A weight that it does not exceed."""
        return max(each.high for each in self.ranges)

    @property
    def binary(self) -> bool:
        """Whether it is 0 or 1."""
        return isinstance(self, Mask)

    @property
    def related(self) -> Mask:
        """Where it is above 0."""
        return self > 0.0

    @property
    def loopless(self) -> bool:
        """Whether it is known to be 0 where i = j."""
        return self.ranges[0].high == 0.0

    @property
    def number(self) -> Weight:
        """The weight as a float, where it is a truth value."""
        return self

    def where(self, mask: Mask) -> Weight:
        """The weight where the mask holds, else 0."""
        if _as_it_is(self, mask):
            return self
        return self._with("masked", mask)

    def at_most(self, limit: float) -> Weight:
        """The smaller of the weight and a number."""
        constant = _constant(limit)
        if self.high <= constant.at(0, 0, 0):
            return self
        if limit == 0.0:
            return self.recording.constant(False)
        return self._scaled("at_most", constant)

    def __gt__(self, limit: float) -> Mask:
        constant = _constant(limit)
        if self.high <= constant.at(0, 0, 0):
            return self.recording.constant(False)
        return Mask(self.recording, self._scaled("above", constant).at)

    def __mul__(self, factor: Real) -> Weight:
        if factor == 0.0:
            return self.recording.constant(False)
        return self if factor == 1.0 else self._scaled("times", _constant(factor))

    __rmul__ = __mul__

    def __pow__(self, exponent: Real) -> Weight:
        constant = _constant(exponent)
        if not isinstance(exponent, Schedule) and constant.at(0, 0, 0) == 1.0:
            return self
        return self._scaled("raised", constant)

    def __or__(self, other: Weight) -> Weight:
        return self._with("largest", other)

    def __and__(self, other: Weight) -> Weight:
        return self._with("smallest", other)

    def __add__(self, other: Weight) -> Weight:
        return self._with("total", other)

    def __sub__(self, other: Mask) -> Weight:
        return self.where(~other)

    def __bool__(self) -> NoReturn:
        """Refuses `if`, `and`, `or` and `not`, which would be decided once for all pairs.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a weight is neither true nor false: use `where`, `&`, `|` and `~`")

    def __invert__(self) -> Mask:
        return ~self.related

    def _with(self, op: str, other: Weight) -> Weight:
        second = other if op == "masked" else other.number
        return Weight(self.recording, self.recording.emit(op, self.number.at, second.at))

    def _scaled(self, op: str, scalar: Scalar) -> Weight:
        at = self.recording.emit(op, self.number.at, scalars=(scalar,))
        return Weight(self.recording, at)


class Mask(Weight):
    """Whether a pair has an edge: a weight of 0 or 1. `&`, `|` and `~` are as for truth values."""

    @property
    def number(self) -> Weight:
        """The weight as a float."""
        return Weight(self.recording, self.recording.emit("number", self.at))

    def where(self, mask: Mask) -> Mask:
        """Where both hold."""
        if _as_it_is(self, mask):
            return self
        if _as_it_is(mask, self):
            return mask
        return self._joined("both", mask)

    def __gt__(self, limit: float) -> Mask:
        return self if limit < 1.0 and _constant(limit).at(0, 0, 0) < 1.0 else super().__gt__(limit)

    def __pow__(self, exponent: Real) -> Weight:
        return self

    @overload
    def __and__(self, other: Mask) -> Mask: ...
    @overload
    def __and__(self, other: Weight) -> Weight: ...
    def __and__(self, other: Weight) -> Weight:
        return self.where(other) if isinstance(other, Mask) else super().__and__(other)

    @overload
    def __or__(self, other: Mask) -> Mask: ...
    @overload
    def __or__(self, other: Weight) -> Weight: ...
    def __or__(self, other: Weight) -> Weight:
        if not isinstance(other, Mask):
            return super().__or__(other)
        if _covers(self, other):
            return self
        return other if _covers(other, self) else self._joined("either", other)

    def __invert__(self) -> Mask:
        return Mask(self.recording, self.recording.emit("negated", self.at))

    def _joined(self, op: str, other: Mask) -> Mask:
        return Mask(self.recording, self.recording.emit(op, self.at, other.at))


def _as_it_is(weight: Weight, mask: Mask) -> bool:
    """Whether the weight is 0 wherever the mask may not hold."""
    pairs = zip(weight.ranges, mask.ranges, strict=True)
    return all(limits == ALWAYS or known == NEVER for known, limits in pairs)


def _covers(mask: Mask, other: Mask) -> bool:
    """Whether the mask holds wherever the other may."""
    pairs = zip(mask.ranges, other.ranges, strict=True)
    return all(known == ALWAYS or limits == NEVER for known, limits in pairs)


def _constant(value: Real) -> Constant:
    return Constant(value if isinstance(value, Schedule) else float(value))


@dataclass(frozen=True)
class Subset:
    """Some of the samples: those of a lookup, or those whose draw is below a share."""

    kind: Literal["drawn_label", "chosen_label"]
    lookup: Lookup | None = None
    key: Key | None = None
    share: Real = 1.0


@dataclass(frozen=True)
class Pair:
    """Two rows, i and j, of which a built-in tells how much they are related.

    Attributes:
        recording: Where instructions go.
        stream: The stream of the call.
        seed: The seed of the call's own; None where the recipe's counts.
    """

    recording: Recording
    stream: int
    seed: int | None

    # what is always known of two rows

    @property
    def always(self) -> Mask:
        """Every pair."""
        return self.recording.constant(True)

    @property
    def never(self) -> Mask:
        """No pair."""
        return self.recording.constant(False)

    @property
    def same_sample(self) -> Mask:
        """Both rows are views of one sample."""
        return self._over("same", Column("sample"))

    @property
    def same_view(self) -> Mask:
        """Both rows have the same view number."""
        return self._over("same", Column("view"))

    @property
    def same_row(self) -> Mask:
        """i = j."""
        return self.same_sample.where(self.same_view)

    def during(self, start: int, end: int | None) -> Mask:
        """Every pair in the epochs from `start` up to, not including, `end`; else none."""
        return Mask(self.recording, self.recording.emit("constant", scalars=(Active(start, end),)))

    # what the data set says of them

    def equal(self, label: str, among: Subset | None = None) -> Mask:
        """Both labels are known and equal, and both samples in the subset where there is one.

        Args:
            label: A label field.
            among: Some of the samples.
        """
        return self._same_of(Column("label", field=label), among)

    def near(self, number: str, within: float) -> Mask:
        """Both numbers are known and differ by at most `within`."""
        limit = Constant(float(within), exact=True)
        return self._over("near", Column("number", field=number), scalar=limit)

    def cosine(self, vector: str, temperature: float = 1.0) -> Weight:
        """max(0, cos(x, y) / temperature) of two vectors; 0 where one is missing."""
        return self._kernel("cosine", self._sliced(vector), temperature)

    def exponential(self, vector: str, temperature: float = 1.0) -> Weight:
        """exp((cos(x, y) - 1) / temperature) of two vectors; 0 where one is missing."""
        return self._kernel("exponential", self._sliced(vector), temperature)

    def dot(self, vector: str, temperature: float = 1.0) -> Weight:
        """max(0, x . y / temperature) of two vectors; 0 where one is missing."""
        columns = (*self._sliced(vector), Column("unit", field=vector))
        return self._kernel("dot", columns, temperature)

    def gaussian(self, vector: str, bandwidth: float = 1.0) -> Weight:
        """exp(-d^2 / (2 bandwidth^2)) of the distance d; 0 where a vector is missing."""
        return self._kernel("gaussian", (Column("vector", field=vector),), bandwidth)

    # draws

    def drawn(
        self,
        p: Real,
        *,
        where: Mask | None = None,
        otherwise: Real = 0.0,
        unit: Unit = "sample",
        redraw: Redraw = "never",
    ) -> Mask:
        """The pair's draw is below p: once for a pair of samples, or for a pair of rows.

        All draws of one call for a pair are one number, so that those of growing rates are nested.

        Args:
            p: The chance.
            where: Pairs for which `p` is the chance; all where left out.
            otherwise: The chance of other pairs.
            unit: Whether views share a draw.
            redraw: When new draws are made.
        """
        recording = self.recording
        key = _position(recording.scalars, self.key(redraw))
        if where is None and not isinstance(p, Schedule) and p in (0.0, 1.0):
            return recording.constant(p == 1.0)
        kind: Literal["row_hash", "sample_hash"] = "row_hash" if unit == "row" else "sample_hash"
        if where is None:
            draw = recording.emit("draw", columns=(Column(kind, scalars=(key,)),))
            return Mask(recording, recording.emit("within", draw, scalars=(Threshold(p),)))
        limits = (Threshold(p), Threshold(otherwise))
        limit = recording.emit("choose", where.at, scalars=limits)
        draw = recording.emit("draw", columns=(Column(kind, scalars=(key,)),))
        return Mask(recording, recording.emit("within", draw, limit))

    def row_drawn(self, p: Real, *, redraw: Redraw = "never") -> Mask:
        """The draw of the pair of rows is below p; see `drawn`."""
        return self.drawn(p, unit="row", redraw=redraw)

    def drawn_samples(self, share: Real) -> Subset:
        """The samples whose own draw is below `share`."""
        return Subset("drawn_label", key=self.key("never"), share=share)

    def sample_drawn(self, share: Real) -> Mask:
        """The draws of both samples are below `share`."""
        return self._same_of(Column("zero"), self.drawn_samples(share))

    def key(self, redraw: Redraw) -> Key:
        """The key of the call's stream, for what draws."""
        self.recording.draws = True
        return Key(self.stream, redraw, self.seed)

    # what is found over a data set or a batch

    def chosen_samples(self, lookup: Lookup) -> Subset:
        """The samples that a lookup chooses."""
        return Subset("chosen_label", lookup=lookup)

    def linked(self, lookup: Lookup) -> Mask:
        """A lookup over the data set links the two samples."""
        return Mask(self.recording, self._linked("linked", lookup))

    def linked_weight(self, lookup: Lookup) -> Weight:
        """The weight that a lookup over the data set gives the two samples."""
        return Weight(self.recording, self._linked("linked_weight", lookup))

    def affinity(self, vector: str, lookup: Lookup) -> Weight:
        """Symmetric SNE's joint probability, by the Gaussians that a lookup finds."""
        at = _position(self.recording.lookups, lookup)
        columns = (Column("vector", field=vector), Column("values", lookup=at))
        return Weight(self.recording, self.recording.emit("affinity", columns=columns))

    def listed(self, stage: Stage, lists: Lists = "either") -> Mask:
        """Rows are in the lists that a stage makes for each row of the batch."""
        return self._over(_LISTED[lists], Column("row"), Column("list", stage=stage))

    def grouped(self, stage: Stage) -> Mask:
        """Rows are in one of the groups that a stage makes of the batch."""
        return self._over("same", Column("component", stage=stage))

    def is_grouped(self, weight: Weight) -> bool:
        """Whether a weight is 1 within groups that a stage made, and else 0."""
        instruction = list(self.recording.instructions)[weight.at]
        columns = list(self.recording.columns)
        return any(columns[each].kind == "component" for each in instruction.columns)

    # what is asked of the trainer

    def ask_views(self, views: int) -> None:
        """Asks for that many views of each sample."""
        self.recording.views = max(self.recording.views, views)

    def ask_bank(self, rows: int) -> None:
        """Asks for that many earlier rows as further columns."""
        self.recording.bank = max(self.recording.bank, rows)

    def _over(self, op: str, *columns: Column, scalar: Scalar | None = None) -> Mask:
        scalars = () if scalar is None else (scalar,)
        at = self.recording.emit(op, columns=columns, scalars=scalars)
        return Mask(self.recording, at)

    def _same_of(self, column: Column, among: Subset | None) -> Mask:
        recording = self.recording
        if among is None:
            return self._over("same", column)
        inputs = (recording.column(column),)
        if among.key is None:
            assert among.lookup is not None
            at = _position(recording.lookups, among.lookup)
            return self._over("same", Column(among.kind, inputs=inputs, lookup=at))
        key = _position(recording.scalars, among.key)
        drawn = recording.column(Column("sample_hash", scalars=(key,)))
        limit = _position(recording.scalars, Threshold(among.share))
        return self._over("same", Column(among.kind, inputs=(*inputs, drawn), scalars=(limit,)))

    def _sliced(self, vector: str) -> tuple[Column, ...]:
        slices = Column("slices", field=vector)
        return (slices, Column("square", inputs=(self.recording.column(slices),)))

    def _kernel(self, op: str, columns: tuple[Column, ...], scale: float) -> Weight:
        limit = (Constant(float(scale), exact=True),)
        return Weight(self.recording, self.recording.emit(op, columns=columns, scalars=limit))

    def _linked(self, op: str, lookup: Lookup) -> int:
        at = _position(self.recording.lookups, lookup)
        return self.recording.emit(op, columns=(Column("place", lookup=at),), lookup=lookup)
