"""What is wrong with the columns of a data set: the first few places, and how many more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source, Span

HEADER: Final = -1
"""The row that stands for the names of the columns."""

_CODE: Final = "RRL412"
_SHOWN: Final = 10


class Place(NamedTuple):
    """A cell, or a whole row where `column` is None.

    Attributes:
        row: The row below the header, from 0; `HEADER` for the header itself.
        column: The column, from 0.
    """

    row: int
    column: int | None = None


Locate = Callable[[Place], tuple[Source, Span | None]]
"""From a place to the text that a message shows."""


class Faults:
    """Collects faults while a table is read."""

    def __init__(self, name: str, locate: Locate | None = None) -> None:
        """No faults yet.

        Args:
            name: What messages call the file.
            locate: The text at a place; None where the file is no text, and messages give the place
                in words.
        """
        self._name = name
        self._locate = locate
        self._found: list[Diagnostic] = []
        self._more = 0

    @property
    def full(self) -> bool:
        """Whether as many faults as are shown were found; what others say is not read."""
        return len(self._found) == _SHOWN

    def add(self, message: str, place: Place | None = None, hint: str | None = None) -> None:
        """Notes a fault."""
        if self.full:
            self._more += 1
        elif place is not None and self._locate is not None:
            source, span = self._locate(place)
            self._found.append(Diagnostic(_CODE, message, span, source, hint))
        else:
            row = f", place {place.row}" if place is not None and place.row != HEADER else ""
            self._found.append(Diagnostic(_CODE, f"{self._name}{row}: {message}", hint=hint))

    def stop(self) -> None:
        """Ends the reading where a fault was found.

        Raises:
            RRLError: RRL412, with the first ten faults and the number of the others.
        """
        if self._more:
            message = f"{self._name} has {self._more:,} more faults"
            self._found.append(Diagnostic(_CODE, message))
        if self._found:
            raise RRLError(self._found)
