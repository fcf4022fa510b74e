"""Random recipes as words, and all layouts of their words.

The words need only parse: no name means anything.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from rrl_dsl.language.layout import lines_of
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.span import Source

Statement = list[str]

NAMES = ["a", "b1", "known", "noise", "supervised", "temperature"]
NUMBERS = ["0", "2", ".5", "5.", "1E3", "2.e-4", "007", "0.25", "12345678901"]
STRINGS = ["'fine'", '"fine"', r"'it\'s'", r'"say \"x\""', "'\"'", r'"\\"', "'#'", r'"\'"', "''"]
BOOLEANS = ["true", "True", "False"]
SIGNS = ["|", "|", "|", "&", "+", "-", "*", "*", "@"]

_BINARY = {"|", "&", "+", "-", "*", "@"}


def literals(draw: st.DrawFn) -> Statement:
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return [draw(st.sampled_from(STRINGS))]
    if kind == 1:
        return [draw(st.sampled_from(BOOLEANS))]
    return [*(["-"] if kind == 2 else []), draw(st.sampled_from(NUMBERS))]


def calls(draw: st.DrawFn, depth: int) -> Statement:
    words = [draw(st.sampled_from(NAMES)), "("]
    many = draw(st.integers(0, 4))
    for number in range(many):
        if draw(st.booleans()):
            words += [draw(st.sampled_from(NAMES)), "="]
        words += expressions(draw, depth - 1)
        if number + 1 < many or draw(st.booleans()):
            words.append(",")
    return [*words, ")"]


def operands(draw: st.DrawFn, depth: int) -> Statement:
    kind = draw(st.integers(0, 7)) if depth > 0 else 0
    if kind < 2:
        return [draw(st.sampled_from(NAMES))]
    if kind == 2:
        return literals(draw)
    if kind == 3:
        return ["~", *operands(draw, depth)]
    if kind < 6:
        return calls(draw, depth)
    return ["(", *expressions(draw, depth - 1), ")"]


def expressions(draw: st.DrawFn, depth: int) -> Statement:
    words = operands(draw, depth)
    for _ in range(draw(st.integers(0, 3))):
        words += [draw(st.sampled_from(SIGNS)), *operands(draw, depth)]
    return words


@st.composite
def statements(draw: st.DrawFn, depth: int = 3) -> list[Statement]:
    """The words of a recipe that parses, statement by statement."""
    made: list[Statement] = [["rrl", "1"]] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(NAMES))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            made.append(["param", name, "=", *literals(draw)])
        elif kind == 1:
            made.append(["import", draw(st.sampled_from(STRINGS)), "as", name])
        else:
            made.append(["let", name, "=", *expressions(draw, depth)])
    graph = expressions(draw, depth)
    made.append(["b", *graph] if graph[0] == "-" else graph)  # else it would go on with the last
    if draw(st.booleans()):
        made.append(["contrast", *expressions(draw, depth)])
    return made


def statements_of(text: str) -> list[Statement]:
    """The same of a text."""
    source = Source(text)
    return [[str(token) for token in line.tokens] for line in lines_of(tokens_of(source), source)]


@st.composite
def layouts(draw: st.DrawFn, made: list[Statement], comments: bool = True) -> str:
    """A text with the same words: any blanks, line breaks and comments that the layout allows."""
    return _Layout(draw, comments).text(made)


class _Layout:
    def __init__(self, draw: st.DrawFn, comments: bool) -> None:
        self.draw = draw
        self.comments = comments
        self.count = 0

    def text(self, made: list[Statement]) -> str:
        text = self.breaks() if self.draw(st.booleans()) else ""
        for number, words in enumerate(made):
            text += self.breaks() if number else ""
            text += self.statement(words)
        return text + (self.breaks() if self.draw(st.booleans()) else "")

    def statement(self, words: Statement) -> str:
        text, depth = words[0], 1 if words[0] == "(" else 0
        for before, word in pairwise(words):
            loose = depth > 0 or word in _BINARY or before in {*_BINARY, "="}
            gap = self.breaks() if loose and self.draw(st.integers(0, 5)) == 0 else self.blanks()
            touch = text[-1].isalnum() or text[-1] == "_" or text[-1] == "."
            if not gap and touch and (word[0].isalnum() or word[0] in "._"):
                gap = " "
            text += gap + word
            depth += (word == "(") - (word == ")")
        return text

    def blanks(self) -> str:
        return self.draw(st.sampled_from(["", "", " ", "  ", "\t", " \f"]))

    def breaks(self) -> str:
        """At least one line break, with comments and blank lines."""
        text = ""
        for _ in range(self.draw(st.integers(1, 3))):
            text += self.blanks()
            if self.comments and self.draw(st.booleans()):
                text += self.comment()
            text += self.draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
        return text + self.blanks()

    def comment(self) -> str:
        self.count += 1  # so that their order can be told
        mark = self.draw(st.sampled_from(["#", "# ", "#   ", "##", "#!", "#\t", "# ( '"]))
        number = "" if self.draw(st.integers(0, 5)) == 0 else str(self.count)
        return mark + number + self.draw(st.sampled_from(["", "", " ", "\t "]))
