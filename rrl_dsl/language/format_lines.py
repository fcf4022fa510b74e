"""Breaks the words of a statement into lines.

A range of words that fits is on one line. Otherwise it breaks at the operators of the lowest
precedence or, without operators, inside its last brackets.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Final

from rrl_dsl.language.format_words import PRODUCT, Word

WIDTH: Final = 88
INDENT: Final = 4


def break_lines(words: list[Word]) -> list[str]:
    """Returns the lines of a statement, with its comments."""
    return _Writer(words).write()


class _Writer:
    """Writes ranges of words, `start <= i < end`, in order."""

    def __init__(self, words: list[Word]) -> None:
        self.words = words
        self.lines: list[str] = []
        self.line = ""  # the text of the current line
        self.ends = list(accumulate((len(word.text) + word.spaced for word in words), initial=0))
        self.comments = list(accumulate((len(word.comments) for word in words), initial=0))
        self.closing: dict[int, int] = {}  # the index of a `(` -> that of its `)`
        self.opening: dict[int, int] = {}
        opened: list[int] = []
        for place, word in enumerate(words):
            if word.kind == "LPAR":
                opened.append(place)
            elif word.kind == "RPAR":
                self.opening[place] = opened.pop()
                self.closing[self.opening[place]] = place

    def write(self) -> list[str]:
        end = len(self.words)
        self.lines = [comment.text for comment in self.words[0].comments]
        kind = self.words[0].kind
        if self._fits(0, end):
            self._put(0, end)
        elif kind in ("LET", "PARAM"):
            self._put(0, 3)
            self._value(end)
        elif kind == "CONTRAST":
            self._put(0, 1)
            self._range(1, end, 0, INDENT)
        else:
            self._range(0, end, 0, 0)
        return [*self.lines, self.line]

    def _value(self, end: int) -> None:
        """Writes the value of a `let` or `param`, perhaps starting on a new line."""
        operators = self._loosest(3, end)
        if self.words[3].comments or (operators and not self._fits(3, operators[0])):
            self._break(3, INDENT)
            self._range(3, end, INDENT, INDENT)
        else:
            self._range(3, end, 0, INDENT)

    def _range(self, start: int, end: int, base: int, continuation: int, after: int = 0) -> None:
        """Writes an expression.

        Args:
            start: The index of its first word.
            end: The index after its last word.
            base: The indent of the line on which it starts.
            continuation: The indent of the operators at which it breaks.
            after: The number of columns that the text after it takes on its last line.
        """
        if self._fits(start, end, after):
            self._put(start, end)
        elif operators := self._loosest(start, end):
            self._range(start, operators[0], continuation, continuation + INDENT)
            for place, stop in pairwise([*operators, end]):
                self._break(place, continuation)
                self._put(place, place + 1)
                room = after if stop == end else 0
                self._range(place + 1, stop, continuation, continuation + INDENT, room)
        elif end - 1 in self.opening:
            self._brackets(start, end - 1, base)
        else:
            self._put(start, end)

    def _loosest(self, start: int, end: int) -> list[int]:
        """The indices of the operators at which an expression breaks."""
        operators: list[int] = []
        lowest = PRODUCT
        place = start
        while place < end:
            level = self.words[place].level
            if level and level < lowest:
                operators, lowest = [place], level
            elif level == lowest:
                operators.append(place)
            place = self.closing.get(place, place) + 1
        if lowest == PRODUCT and self._ends_in_content(start, end):
            return []
        return operators

    def _ends_in_content(self, start: int, end: int) -> bool:
        """Whether an expression ends in brackets, and the part before their content fits."""
        opening = self.opening.get(end - 1)
        if opening is None or not self._fits(start, opening + 1):
            return False
        return opening + 1 < end - 1 or bool(self.words[end - 1].comments)

    def _brackets(self, start: int, closing: int, base: int) -> None:
        """Writes an expression that ends in brackets, with their content on separate lines."""
        opening = self.opening[closing]
        inner = base + INDENT
        self._put(start, opening + 1)
        if opening > start and self.words[opening - 1].kind == "NAME":
            for argument in self._arguments(opening, closing):
                self._argument(*argument, inner)
        else:
            self._break(opening + 1, inner)
            self._range(opening + 1, closing, inner, inner)
        self._break(closing, base, inner)
        self._put(closing, closing + 1)

    def _arguments(self, opening: int, closing: int) -> Iterator[tuple[int, int]]:
        """The indices of the first word of an argument and of the word after its last."""
        start = place = opening + 1
        while place < closing:
            place = self.closing.get(place, place) + 1
            if place == closing or self.words[place].kind == "COMMA":
                yield start, place
                start = place + 1

    def _argument(self, start: int, end: int, indent: int) -> None:
        self._break(start, indent)
        if start + 1 < end and self.words[start + 1].kind == "EQUAL":
            self._put(start, start + 2)
            self._range(start + 2, end, indent, indent + INDENT, after=1)
        else:
            self._range(start, end, indent, indent, after=1)
        self.line += ","

    def _fits(self, start: int, end: int, after: int = 0) -> bool:
        """Whether words fit on the current line, with `after` columns more."""
        if self.comments[end] > self.comments[start + 1]:
            return False
        width = self.ends[end] - self.ends[start] - self.words[start].spaced
        return len(self.line) + self._parted(start) + width + after <= WIDTH

    def _put(self, start: int, end: int) -> None:
        """Writes words on the current line."""
        first, *others = self.words[start:end]
        texts = [f" {word.text}" if word.spaced else word.text for word in others]
        self.line += "".join([" " * self._parted(start), first.text, *texts])

    def _parted(self, place: int) -> bool:
        """Whether a space separates a word from the text of the current line."""
        return self.words[place].spaced and bool(self.line.strip())

    def _break(self, place: int, indent: int, comment_indent: int | None = None) -> None:
        """Writes the comments before a word and starts a new line for it."""
        for comment in self.words[place].comments:
            if comment.trailing:
                self.line += f"  {comment.text}"
            else:
                self.lines.append(self.line)
                self.line = " " * (indent if comment_indent is None else comment_indent)
                self.line += comment.text
        self.lines.append(self.line)
        self.line = " " * indent
