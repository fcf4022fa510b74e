"""Offsets of a text, in code points, as an editor's positions: lines, and code units in a line."""

from __future__ import annotations

from lsprotocol import types

from rrl_dsl.language.span import Source, Span

Encoding = types.PositionEncodingKind | str


class Positions:
    """The places of one text.

    A line ends at LF, CRLF or CR, as an editor's does, and at nothing else.
    """

    def __init__(self, source: Source, encoding: Encoding) -> None:
        """Positions in a text.

        Args:
            source: The text, from its first line.
            encoding: The code units that characters of a line are counted in.
        """
        self._source = source
        self._encoding = encoding

    def position(self, offset: int) -> types.Position:
        """The position of an offset; of one past the end, the end."""
        line, column = self._source.position(max(0, min(offset, len(self._source.text))))
        before = self._source.line(line)[: column - 1]  # within CRLF, the end of the line
        return types.Position(line - 1, self._units(before))

    def offset(self, position: types.Position) -> int:
        """The offset of a position; of one past the end of its line or of the text, that end."""
        if position.line >= self._source.lines:
            return len(self._source.text)
        line = self._source.line(position.line + 1)
        start = self._source.line_start(position.line + 1)
        if line.isascii():
            return start + min(position.character, len(line))
        units = 0
        for index, char in enumerate(line):
            if units >= position.character:
                return start + index
            units += self._units(char)
        return start + len(line)

    def range(self, span: Span) -> types.Range:
        """The range of a span."""
        return types.Range(self.position(span.start), self.position(span.end))

    def span(self, range_: types.Range) -> Span:
        """The span of a range."""
        return Span(self.offset(range_.start), self.offset(range_.end))

    def _units(self, text: str) -> int:
        if text.isascii() or self._encoding == types.PositionEncodingKind.Utf32:
            return len(text)
        if self._encoding == types.PositionEncodingKind.Utf8:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(char > "\uffff" for char in text)
