"""Scalars that depend on the epoch."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass, replace
from typing import Any

from rrl_dsl.language.diagnostics import error


@dataclass(frozen=True)
class Schedule:
    """A number that changes from `start` to `end` with the epoch, and then stays at `end`.

    | kind | value at epoch e, with t = e / epochs |
    |---|---|
    | `linear` | start + (end - start) t |
    | `cosine` | end + (start - end) (1 + cos(pi t)) / 2 |
    | `step` | start before the epoch `epochs`, and end from then on |

    Attributes:
        kind: The shape of the schedule.
        start: The value at epoch 0.
        end: The value from the epoch `epochs` on.
        epochs: The number of epochs.
    """

    kind: str
    start: float
    end: float
    epochs: int
    noun = "a schedule"

    def at(self, epoch: int) -> float:
        """The value at an epoch, counted from 0; always between `start` and `end`."""
        if epoch >= self.epochs:
            return self.end
        share = epoch / self.epochs
        if self.kind == "linear":
            return self.start + (self.end - self.start) * share
        if self.kind == "cosine":
            return self.end + (self.start - self.end) * (1 + math.cos(math.pi * share)) / 2
        return self.start

    def __mul__(self, factor: Any) -> Schedule:
        if isinstance(factor, bool) or not isinstance(factor, numbers.Real):
            return NotImplemented
        try:
            number = float(factor)
        except OverflowError:
            raise error("RRL301", "the factor of this schedule is too large") from None
        return replace(self, start=self.start * number, end=self.end * number)

    __rmul__ = __mul__

    def _refused(self, other: Any = 0) -> Any:
        """Refuses other operations with numbers, whose result need not be a schedule.

        Raises:
            TypeError: For a number or a schedule.
        """
        if not isinstance(other, numbers.Real | Schedule):
            return NotImplemented
        message = "a schedule can only be multiplied by a number; to change it otherwise, change"
        raise TypeError(f"{message} its ends: `linear(1, 0, ...)` is 1 minus `linear(0, 1, ...)`")

    __add__ = __radd__ = __sub__ = __rsub__ = __truediv__ = __pow__ = __neg__ = _refused
    __lt__ = __le__ = __gt__ = __ge__ = __float__ = _refused

    def __str__(self) -> str:
        last = "at" if self.kind == "step" else "epochs"
        return f"{self.kind}({self.start}, {self.end}, {last}={self.epochs})"


def at_epoch(value: float | Schedule, epoch: int) -> float:
    """The value of a schedule at an epoch; a number is the same at every epoch."""
    return value.at(epoch) if isinstance(value, Schedule) else value
