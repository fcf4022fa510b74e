"""Splits a stream of bytes into messages: a header with the length of the body, and the body.

After an invalid header or a truncated body, the next message starts at the next line
`Content-Length: N`. JSON cannot contain such a line, because it escapes line ends in strings.
"""

from __future__ import annotations

import re
from typing import Final

MAX_HEADER: Final = 4096
"""The bytes that a header may have."""
MAX_BODY: Final = 2**26
"""The bytes that a body may have."""

_END: Final = re.compile(rb"\r?\n\r?\n")
_START: Final = re.compile(rb"Content-Length: {0,8}\d{1,20}\r?\n", re.IGNORECASE)
_LONGEST_START: Final = 64
_FIELD: Final = re.compile(r"([A-Za-z-]+):[ \t]*([ -~]*?)[ \t]*", re.ASCII)


class FramingError(Exception):
    """The bytes are not a message."""


class Framing:
    """Collects bytes and returns the bodies of messages."""

    def __init__(self) -> None:
        """Initializes an empty stream."""
        self._pending = bytearray()
        self._length: int | None = None  # of the body that is awaited
        self._searched = 0  # how much of the body was searched for another header
        self._lost = False  # whether the start of the next message is looked for

    def feed(self, sent: bytes) -> None:
        """Adds bytes."""
        self._pending += sent

    @property
    def inside(self) -> bool:
        """Whether a message has started and is incomplete."""
        return self._length is not None or bool(self._pending and not self._lost)

    def take(self) -> bytes | None:
        """Returns the body of the next message; None if it is incomplete.

        Raises:
            FramingError: If the bytes are not a message. The following bytes may be one.
        """
        if self._lost and not self._found():
            return None
        if self._length is None:
            self._length = self._header()
        if self._length is None:
            return None
        other = _START.search(self._pending, self._searched, self._length)
        if other is not None:
            del self._pending[: other.start()]
            self._length, self._searched = None, 0
            raise FramingError("a message is shorter than its Content-Length")
        if len(self._pending) < self._length:
            self._searched = max(0, len(self._pending) - _LONGEST_START)
            return None
        body = bytes(self._pending[: self._length])
        del self._pending[: self._length]
        self._length, self._searched = None, 0
        return body

    def take_back(self, body: bytes) -> None:
        """Returns a body that is not JSON to the stream, because its length may be wrong."""
        self._pending[:0] = body
        self._lost = True

    def give_up(self) -> FramingError:
        """Drops an incomplete message, and returns the error."""
        self._lose()
        return FramingError("a message is incomplete")

    def _lose(self) -> None:
        del self._pending[:1]
        self._length, self._searched, self._lost = None, 0, True

    def _found(self) -> bool:
        """Finds the start of the next message, and drops the bytes before it."""
        start = _START.search(self._pending)
        self._lost = start is None
        del self._pending[: -_LONGEST_START if start is None else start.start()]
        return start is not None

    def _header(self) -> int | None:
        """The length in the next header; None if the header is incomplete."""
        while self._pending.startswith((b"\r", b"\n")):
            del self._pending[:1]
        end = _END.search(self._pending, 0, MAX_HEADER)
        if end is None:
            if len(self._pending) < MAX_HEADER:
                return None
            self._lose()
            raise FramingError(f"a header must not exceed {MAX_HEADER:,} bytes")
        try:
            length = _length(bytes(self._pending[: end.start()]).decode("latin-1"))
        except FramingError:
            self._lose()
            raise
        del self._pending[: end.end()]
        return length


def _length(header: str) -> int:
    """Returns the length of the body that a header gives.

    Raises:
        FramingError: If it gives no length or several.
    """
    lengths = set[str]()
    for line in re.split(r"\r?\n", header):
        field = _FIELD.fullmatch(line)
        if field is None:
            raise FramingError("a line of a header must be `Name: value`")
        if field[1].lower() == "content-length":
            lengths.add(field[2])
    if len(lengths) != 1:
        raise FramingError("a header must have one Content-Length")
    (length,) = lengths
    if not (length.isdigit() and len(length) <= 20 and int(length) <= MAX_BODY):
        raise FramingError(f"a Content-Length must be a number up to {MAX_BODY:,}")
    return int(length)
