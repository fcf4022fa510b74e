"""What lookups and stages share: the columns that they read, and the errors of other packages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from traceback import walk_tb
from typing import get_type_hints

from rrl_dsl.graph.types import Field, Need
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.machine import is_out_of_memory


def line_of(module: str, reason: Exception) -> int:
    """The last line of a module that an error passed through, 0 if there is none."""
    trace = walk_tb(reason.__traceback__)
    lines = [line for frame, line in trace if frame.f_globals.get("__name__") == module]
    return lines[-1] if lines else 0


class Reader:
    """A class whose annotations of fields declare what it reads, such as `LabelField`."""

    def __hash__(self) -> int:
        """Refuses a class that is not a dataclass, whose fields are unknown.

        Raises:
            TypeError: Always.
        """
        name = type(self).__name__
        raise TypeError(f"`{name}` must be a frozen dataclass: add `@dataclass(frozen=True)`")

    @property
    def is_foreign(self) -> bool:
        """Whether its class belongs to another package."""
        return not type(self).__module__.startswith("rrl_dsl.")

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Reports an error of a class of another package as RRL432."""
        try:
            yield
        except Exception as reason:
            if not self.is_foreign or isinstance(reason, RRLError) or is_out_of_memory(reason):
                raise
            raise self.fault(f"fails: {type(reason).__name__}: {reason}", reason) from reason

    def fault(self, what: str, reason: Exception | None = None, hint: str = "") -> RRLError:
        """The error RRL432 of a class of another package.

        Args:
            what: What it does wrong.
            reason: The error that it raised, if it did.
            hint: The fix; by default, the line to repair.
        """
        module = type(self).__module__
        line = "" if reason is None else f"line {line_of(module, reason)} of "
        return error(
            "RRL432", f"`{type(self).__name__}` {what}", hint=hint or f"repair {line}`{module}`"
        )

    @cached_property
    def reads(self) -> tuple[Need, ...]:
        """The columns that it reads."""
        hints = get_type_hints(type(self), include_extras=True)
        return tuple(
            mark.need(getattr(self, name))
            for name in vars(self)
            for mark in getattr(hints.get(name), "__metadata__", ())
            if isinstance(mark, Field)
        )
