"""Converts between offsets in code points and the editor's positions in code units of a line."""

from __future__ import annotations

from lsprotocol import types

from rrl_dsl.language.span import Source, Span

Encoding = types.PositionEncodingKind | str


class Positions:
    """The positions in one text.

    Lines end at LF, CRLF or CR, as in editors.
    """

    def __init__(self, source: Source, encoding: Encoding) -> None:
        """Initializes the positions.

        Args:
            source: The text, from its first line.
            encoding: The code units in which the editor counts columns.
        """
        self._source = source
        self._encoding = encoding

    def position(self, offset: int) -> types.Position:
        """Returns the position of an offset; the end of the text for an offset past it."""
        line, column = self._source.position(max(0, min(offset, len(self._source.text))))
        before = self._source.line(line)[: column - 1]  # within CRLF, the end of the line
        return types.Position(line - 1, self._units(before))

    def offset(self, position: types.Position) -> int:
        """Returns the offset of a position; past the end of a line or of the text, that end."""
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
        """Returns the range of a span."""
        return types.Range(self.position(span.start), self.position(span.end))

    def span(self, range_: types.Range) -> Span:
        """Returns the span of a range."""
        return Span(self.offset(range_.start), self.offset(range_.end))

    def _units(self, text: str) -> int:
        if text.isascii() or self._encoding == types.PositionEncodingKind.Utf32:
            return len(text)
        if self._encoding == types.PositionEncodingKind.Utf8:
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(char > "\uffff" for char in text)
