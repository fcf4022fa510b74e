"""Errors in a table: the first ten with their locations, and the number of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.span import Source, Span

HEADER: Final = -1
"""The row index of the header, which is above row 0."""

_SHOWN: Final = 10


class Location(NamedTuple):
    """A cell of a table, or a whole row if `column` is None.

    Attributes:
        row: The index of the row below the header, from 0; `HEADER` for the header, or for the
            first row of a text without a header.
        column: The index of the column, from 0.
    """

    row: int
    column: int | None = None


Locate = Callable[[Location], tuple[Source, Span | None]]
"""Maps a location to the text that a message shows."""


class Faults:
    """Collects errors while a table is read."""

    def __init__(self, code: str, name: str, locate: Locate | None = None) -> None:
        """Initializes an empty collection.

        Args:
            code: The code of the errors.
            name: The name of the file in messages.
            locate: Returns the text at a location; None if the file is not text, and messages give
                the location in words.
        """
        self._code = code
        self._name = name
        self._locate = locate
        self._shown: list[Diagnostic] = []
        self._hints: set[str | None] = set()
        self._more = 0

    @property
    def full(self) -> bool:
        """Whether the limit of shown errors is reached; the texts of further errors are unused."""
        return len(self._shown) == _SHOWN

    def add(self, message: str, location: Location | None = None, hint: str | None = None) -> None:
        """Adds an error. A hint is shown only once."""
        if self.full:
            self._more += 1
            return
        new_hint = None if hint in self._hints else hint
        self._hints.add(hint)
        source, span = Source("", self._name), None
        if self._locate is None:
            row = ""
            if location is not None and location.row != HEADER:
                row = f", index {location.row}"
            message = f"{self._name}{row}: {message}"
            self._shown.append(Diagnostic(self._code, message, hint=new_hint))
            return
        if location is not None:
            source, span = self._locate(location)
        self._shown.append(Diagnostic(self._code, message, span, source, new_hint))

    def stop(self) -> None:
        """Raises the errors, if there are any.

        Raises:
            RRLError: With the first ten errors and the number of the others.
        """
        if self._more:
            message = f"{self._more:,} more errors"
            self._shown.append(Diagnostic(self._code, message, None, Source("", self._name)))
        if self._shown:
            raise RRLError(self._shown)
