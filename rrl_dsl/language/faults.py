"""What is wrong with a table of a file: the first few places, and how many more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source, Span

HEADER: Final = -1
"""The row above the row 0, which names the columns."""

_SHOWN: Final = 10


class Place(NamedTuple):
    """A cell, or a whole row where `column` is None.

    Attributes:
        row: The row below the header, from 0; `HEADER` for the header itself, or the first row of a
            text that has none.
        column: The column, from 0.
    """

    row: int
    column: int | None = None


Locate = Callable[[Place], tuple[Source, Span | None]]
"""From a place to the text that a message shows."""


class Faults:
    """Collects faults while a table is read."""

    def __init__(self, code: str, name: str, locate: Locate | None = None) -> None:
        """No faults yet.

        Args:
            code: The code of each.
            name: What messages call the file.
            locate: The text at a place; None where the file is no text, and messages give the place
                in words.
        """
        self._code = code
        self._name = name
        self._locate = locate
        self._found: list[Diagnostic] = []
        self._hints: set[str | None] = set()
        self._more = 0

    @property
    def full(self) -> bool:
        """Whether as many faults as are shown were found; what others say is not read."""
        return len(self._found) == _SHOWN

    def add(self, message: str, place: Place | None = None, hint: str | None = None) -> None:
        """Notes a fault; the same hint is given once."""
        if self.full:
            self._more += 1
            return
        mend = None if hint in self._hints else hint
        self._hints.add(hint)
        source, span = Source("", self._name), None
        if self._locate is None:
            row = f", place {place.row}" if place is not None and place.row != HEADER else ""
            message = f"{self._name}{row}: {message}"
            self._found.append(Diagnostic(self._code, message, hint=mend))
            return
        if place is not None:
            source, span = self._locate(place)
        self._found.append(Diagnostic(self._code, message, span, source, mend))

    def stop(self) -> None:
        """Ends the reading where a fault was found.

        Raises:
            RRLError: With the first ten faults and the number of the others.
        """
        if self._more:
            message = f"{self._more:,} more faults"
            self._found.append(Diagnostic(self._code, message, None, Source("", self._name)))
        if self._found:
            raise RRLError(self._found)
