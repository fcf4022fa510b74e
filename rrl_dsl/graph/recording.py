"""The recording of a plan, and the weights in it.

Equal columns, scalars, lookups and instructions are recorded once. An instruction without an effect
is left out, if the ranges of its operands show this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn, TypeVar, overload

from rrl_dsl.graph.operations import ALWAYS, ANYTHING, CASES, MAYBE, NEVER, OPERATIONS, Case, Range
from rrl_dsl.graph.plan import Active, Column, Constant, Instruction, Scalar
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.stage import Lookup
from rrl_dsl.graph.types import Choice, Number, Refusal

Real = float | Schedule
Ranges = tuple[Range, ...]
"""The range of a result in each of `CASES`."""

_NOTHING: Final = ((),) * len(CASES)
_FACTOR: Final = Number("Float", integral=False, low=0, high=sys.float_info.max)
_EXPONENT: Final = replace(_FACTOR, open_low=True)

_Item = TypeVar("_Item")


@dataclass
class Recording:
    """The tables of a plan, and the requests of its calls to the trainer.

    Attributes:
        columns: Column -> its position.
        scalars: Scalar -> its position.
        lookups: Lookup -> its position.
        instructions: Instruction -> its position.
        ranges: The ranges of each instruction.
        draws: Whether the plan draws random numbers.
        views: The number of views per sample.
        bank: The number of earlier rows that are additional columns.
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
        """A weight with an unknown value, as the operand of a transform."""
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
        """Records an instruction and returns its position."""
        instruction = Instruction(
            op,
            values,
            tuple(map(self.column, columns)),
            tuple(map(self.scalar, scalars)),
            None if lookup is None else self.lookup(lookup),
        )
        if instruction in self.instructions:
            return self.instructions[instruction]
        bound, given = OPERATIONS[op].bound, (tuple(columns), tuple(scalars), lookup)
        known = zip(*(self.ranges[value] for value in values), strict=True) if values else _NOTHING
        cases = zip(CASES, known, strict=True)
        ranges = tuple(bound(Case(same, *given), *operands) for same, operands in cases)
        return self._emitted(instruction, ranges)

    def column(self, column: Column) -> int:
        """The position of a column."""
        return _position(self.columns, column)

    def scalar(self, scalar: Scalar) -> int:
        """The position of a scalar."""
        return _position(self.scalars, scalar)

    def lookup(self, lookup: Lookup) -> int:
        """The position of a lookup."""
        return _position(self.lookups, of_type(Lookup, lookup))

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


def _refuses(message: str) -> Callable[..., NoReturn]:
    """An operation that weights do not have."""

    def refuse(*operands: object) -> NoReturn:
        raise TypeError(message)

    return refuse


@dataclass(frozen=True, eq=False)
class Weight:
    """The weight of a pair, a float32 of at least 0.

    `a | b` is the larger of two weights, `a & b` the smaller, and `a + b` the sum. `a - b` is the
    weight a where b is 0, and 0 elsewhere. `k * a` and `a ** p` are arithmetic with a number or a
    schedule. `a > k` is a mask. `~a` is a mask that holds where the weight is 0. `a.where(mask)` is
    the weight a where a mask holds. `k * pair.always` is the weight k of every pair.

    Other operations, and operands of other types, raise a `TypeError`.
    """

    recording: Recording = field(repr=False)
    at: int
    noun = "a weight"
    __array_ufunc__ = None  # NumPy's numbers leave `k * a` to the weight

    @property
    def ranges(self) -> Ranges:
        """The range of the weight in each of `CASES`."""
        return self.recording.ranges[self.at]

    @property
    def high(self) -> float:
        """A bound that the weight does not exceed."""
        return max(bounds.high for bounds in self.ranges)

    @property
    def binary(self) -> bool:
        """Whether it is 0 or 1."""
        return isinstance(self, Mask)

    @property
    def related(self) -> Mask:
        """A mask that holds where the weight is above 0."""
        return self > 0.0

    @property
    def loopless(self) -> bool:
        """Whether it is known to be 0 where i = j."""
        return self.ranges[0].high == 0.0

    @property
    def number(self) -> Weight:
        """The weight as a float."""
        return self

    def where(self, mask: Mask) -> Weight:
        """The weight where the mask holds, and 0 elsewhere."""
        if of_type(Mask, mask).covers(self):
            return self
        return Weight(self.recording, self.recording.emit("masked", self.at, mask.at))

    def at_most(self, limit: float) -> Weight:
        """The smaller of the weight and a number of at least 0."""
        constant = Constant(checked("the limit of `at_most`", _FACTOR, limit))
        if self.high <= constant.at(0, 0, 0):
            return self
        if limit == 0.0:
            return self.recording.constant(False)
        return self._scaled("at_most", constant)

    def __gt__(self, limit: float) -> Mask:
        constant = Constant(checked("the k of `weight > k`", _FACTOR, limit))
        if self.high <= constant.at(0, 0, 0):
            return self.recording.constant(False)
        return Mask(self.recording, self._scaled("above", constant).at)

    __eq__ = __lt__ = __le__ = __ge__ = _refuses(
        "a weight has only the comparison `weight > k`, and its opposite `~(weight > k)`"
    )

    def __mul__(self, factor: Real) -> Weight:
        other: object = factor
        if isinstance(other, Weight):
            raise TypeError(
                "weights are not multiplied: `a.where(mask)` is the weight a where a mask holds, "
                "and `a & b` the smaller of two weights"
            )
        constant = Constant(checked("the k of `k * weight`", _FACTOR, factor, scheduled=True))
        if factor == 0.0:
            return self.recording.constant(False)
        return self if factor == 1.0 else self._scaled("times", constant)

    __rmul__ = __mul__

    def __pow__(self, exponent: Real) -> Weight:
        constant = Constant(checked("the p of `weight ** p`", _EXPONENT, exponent, scheduled=True))
        if not isinstance(exponent, Schedule) and constant.at(0, 0, 0) == 1.0:
            return self
        return self._scaled("raised", constant)

    def __or__(self, other: Weight) -> Weight:
        return self._with("largest", other)

    def __and__(self, other: Weight) -> Weight:
        return self._with("smallest", other)

    def __add__(self, other: Weight) -> Weight:
        return self._with("total", other)

    def __sub__(self, other: Weight) -> Weight:
        return self.where(~of_type(Weight, other))

    __radd__ = __ror__ = __rand__ = _refuses(
        "`a + b`, `a | b` and `a & b` take two weights: `k * pair.always` is the weight k of every "
        "pair"
    )
    __neg__ = __rsub__ = _refuses(
        "weights are not negative, so a weight has no `k - weight`: `~weight` is a mask that holds "
        "where the weight is 0"
    )
    __truediv__ = __rtruediv__ = __floordiv__ = _refuses(
        "weights are not divided: multiply by a number, such as `0.5 * weight`"
    )
    __float__ = __int__ = _refuses(
        "a weight is not a number: the operations on it are recorded once, for all pairs"
    )
    # `if`, `and`, `or` and `not` would be decided once for all pairs
    __bool__ = _refuses("a weight is neither true nor false: use `where`, `&`, `|` and `~`")

    def __invert__(self) -> Mask:
        return ~self.related

    def _with(self, op: str, other: Weight) -> Weight:
        at = self.recording.emit(op, self.number.at, of_type(Weight, other).number.at)
        return Weight(self.recording, at)

    def _scaled(self, op: str, scalar: Scalar) -> Weight:
        at = self.recording.emit(op, self.number.at, scalars=(scalar,))
        return Weight(self.recording, at)


class Mask(Weight):
    """Whether a pair has an edge: a weight of 0 or 1. `&`, `|` and `~` are logical operators."""

    noun = "a mask"

    @property
    def number(self) -> Weight:
        """The weight as a float."""
        return Weight(self.recording, self.recording.emit("number", self.at))

    def where(self, mask: Mask) -> Mask:
        """The pairs for which both masks hold."""
        if of_type(Mask, mask).covers(self):
            return self
        if self.covers(mask):
            return mask
        return self._joined("both", mask)

    def __gt__(self, limit: float) -> Mask:
        least = Constant(checked("the k of `weight > k`", _FACTOR, limit)).at(0, 0, 0)
        return self if least < 1.0 else super().__gt__(limit)

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
        if self.covers(other):
            return self
        return other if other.covers(self) else self._joined("either", other)

    def __invert__(self) -> Mask:
        return Mask(self.recording, self.recording.emit("negated", self.at))

    def covers(self, other: Weight) -> bool:
        """Whether it is known to hold wherever another weight may be above 0."""
        pairs = zip(self.ranges, other.ranges, strict=True)
        return all(known == ALWAYS or limits == NEVER for known, limits in pairs)

    def _joined(self, op: str, other: Mask) -> Mask:
        return Mask(self.recording, self.recording.emit(op, self.at, other.at))


def of_type(kind: type[_Item], operand: _Item) -> _Item:
    """The operand of an operation on a weight.

    Raises:
        TypeError: If it is of another type.
    """
    if not isinstance(operand, kind):
        message = f"this operation takes a `{kind.__name__}`, not {operand!r}"
        raise TypeError(message)
    return operand


def checked(operand: str, type_: Number | Choice, value: Any, *, scheduled: bool = False) -> Any:
    """The value of an operand in its type.

    Args:
        operand: The operand in words.
        type_: Its type.
        value: Its value.
        scheduled: Whether it may be a schedule.

    Raises:
        TypeError: If it is not a value of that type.
    """
    try:
        if scheduled and isinstance(type_, Number) and isinstance(value, Schedule):
            return type_.accept_schedule(value)
        return type_.accept(value)
    except Refusal as refusal:
        raise TypeError(f"{operand} {refusal.message}") from None
