"""The words of one statement -> its lines.

A range of words that fits stands on one line. Else it is broken at the operators that bind least
tightly or, where there are none, inside its last brackets.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Final

from rrl_dsl.language.format_words import PRODUCT, Word

WIDTH: Final = 88
INDENT: Final = 4


def break_lines(words: list[Word]) -> list[str]:
    """The lines of a statement, comments included."""
    return _Writer(words).write()


class _Writer:
    """Writes ranges of words, `start <= i < end`, one after the other."""

    def __init__(self, words: list[Word]) -> None:
        self.words = words
        self.lines: list[str] = []
        self.line = ""  # what is written of the line that comes next
        self.ends = list(accumulate((len(word.text) + word.spaced for word in words), initial=0))
        self.comments = list(accumulate((len(word.comments) for word in words), initial=0))
        self.closing: dict[int, int] = {}  # the place of each `(` -> that of its `)`
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
        """Writes the value of a `let` or `param`, below its `=` where it does not begin well."""
        operators = self._loosest(3, end)
        if self.words[3].comments or (operators and not self._fits(3, operators[0])):
            self._break(3, INDENT)
            self._range(3, end, INDENT, INDENT)
        else:
            self._range(3, end, 0, INDENT)

    def _range(self, start: int, end: int, base: int, continuation: int, after: int = 0) -> None:
        """Writes an expression.

        Args:
            start: Its first word.
            end: The word after its last.
            base: The indent of the line on which it begins.
            continuation: The indent of the operators at which it is broken.
            after: How many columns are taken by what follows on its last line.
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
        """Where an expression is broken at operators, if it is."""
        found: list[int] = []
        place = start
        while place < end:
            level = self.words[place].level
            if level and (not found or level < self.words[found[0]].level):
                found = [place]
            elif level and level == self.words[found[0]].level:
                found.append(place)
            place = self.closing.get(place, place) + 1
        if found and self.words[found[0]].level == PRODUCT and self._ends_in_content(start, end):
            return []
        return found

    def _ends_in_content(self, start: int, end: int) -> bool:
        """Whether what comes before the content of the last brackets fits on the line."""
        opening = self.opening.get(end - 1)
        if opening is None or not self._fits(start, opening + 1):
            return False
        return opening + 1 < end - 1 or bool(self.words[end - 1].comments)

    def _brackets(self, start: int, closing: int, base: int) -> None:
        """Writes what ends in brackets, with the content on lines of its own."""
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
        """The first word of each argument of a call, and the word after its last."""
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
        """Whether words can stand on the line, with `after` columns more."""
        if self.comments[end] > self.comments[start + 1]:
            return False
        width = self.ends[end] - self.ends[start] - self.words[start].spaced
        return len(self.line) + self._parted(start) + width + after <= WIDTH

    def _put(self, start: int, end: int) -> None:
        """Writes words on the line."""
        first, *others = self.words[start:end]
        texts = [f" {word.text}" if word.spaced else word.text for word in others]
        self.line += "".join([" " * self._parted(start), first.text, *texts])

    def _parted(self, place: int) -> bool:
        """Whether a space parts a word from what is written of its line."""
        return self.words[place].spaced and bool(self.line.strip())

    def _break(self, place: int, indent: int, comment_indent: int | None = None) -> None:
        """Begins the line of a word, after the comments before it."""
        for comment in self.words[place].comments:
            if comment.trailing:
                self.line += f"  {comment.text}"
            else:
                self.lines.append(self.line)
                self.line = " " * (indent if comment_indent is None else comment_indent)
                self.line += comment.text
        self.lines.append(self.line)
        self.line = " " * indent
