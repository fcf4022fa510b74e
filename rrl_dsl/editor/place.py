"""The statement, bracket and argument around a place in a document, even if it does not parse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lark import Token

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.graph.registry import Parameter, Signature
from rrl_dsl.language import syntax
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.layout import lines_of
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import check, span_of

_OPERATORS: Final = frozenset({"UNION", "INTERSECTION", "PLUS", "MINUS", "TIMES", "COMPOSITION"})
_BEFORE_OPERANDS: Final = _OPERATORS | {"COMPLEMENT", "LPAR", "COMMA", "EQUAL", "CONTRAST"}


@dataclass(frozen=True)
class Argument:
    """An argument in the text.

    Attributes:
        name: The name; None for a positional argument.
        index: The position among the arguments, from 0.
    """

    name: str | None
    index: int


@dataclass(frozen=True)
class CallAround:
    """A call around a place.

    Attributes:
        name: The token of the name.
        argument: The argument at the place, which may be empty.
        starts: Whether the value of the argument starts at the place.
        others: The other arguments, before and after the place.
    """

    name: Token
    argument: Argument
    starts: bool
    others: tuple[Argument, ...]

    @property
    def by_position(self) -> bool:
        """Whether the argument may be positional: no named argument precedes it."""
        before = (argument for argument in self.others if argument.index < self.argument.index)
        return all(argument.name is None for argument in before)

    def parameter(self, signature: Signature) -> Parameter | None:
        """Returns the parameter of the argument."""
        if self.argument.name is not None:
            return signature.parameter(self.argument.name)
        slots = [parameter for parameter in signature.parameters if parameter.positional]
        index = self.argument.index
        return slots[index] if index < len(slots) and self.by_position else None

    def taken(self, signature: Signature) -> set[str]:
        """Returns the parameters of the other arguments, and those that they exclude."""
        slots = [parameter.name for parameter in signature.parameters if parameter.positional]
        positional = (argument.index for argument in self.others if argument.name is None)
        given = {argument.name for argument in self.others if argument.name is not None}
        given |= {slots[index] for index in positional if index < len(slots)}
        excludes = (pair for pair in signature.excludes if given & {*pair})
        return given | {name for pair in excludes for name in pair if given & {*pair} - {name}}


@dataclass(frozen=True)
class Place:
    """A place with a word, which may be empty.

    Attributes:
        span: The part of the word before the place.
        end: The offset at which the word ends.
        before: The tokens of the statement before the word, without line breaks and comments.
        after: The tokens of the statement after the word.
        first_in_line: Whether the word is the first in its line.
    """

    span: Span
    end: int
    before: tuple[Token, ...]
    after: tuple[Token, ...]
    first_in_line: bool

    @property
    def start(self) -> int:
        """The offset at which the statement starts."""
        return span_of(self.before[0]).start if self.before else self.span.start

    @property
    def wants_operand(self) -> bool:
        """Whether an operand, not an operator, may be written here."""
        if not self.before:
            return True
        return self.before[-1].type in _BEFORE_OPERANDS and not self._after_sign

    @property
    def opened(self) -> list[int]:
        """The indices in `before` of the brackets that are open here, the outermost first."""
        positions: list[int] = []
        for index, token in enumerate(self.before):
            if token.type == "LPAR":
                positions.append(index)
            elif token.type == "RPAR" and positions:
                positions.pop()
        return positions

    def closed(self, whole: Source, word: str) -> syntax.Recipe | None:
        """Parses the statement up to the place, with a word at the place and its brackets closed.

        Args:
            whole: The document.
            word: The word.

        Returns:
            A recipe with one statement; None if it does not parse.
        """
        head = whole.text[self.start : self.span.start]
        text = f"{head}{word}{')' * len(self.opened)}"
        try:
            recipe, faults = parse(Source(text, whole.name, whole.directory))
        except RRLError:
            return None
        return None if faults or len(recipe.statements) != 1 else recipe

    @property
    def call(self) -> CallAround | None:
        """The call with an argument here; None outside of calls and in a grouping bracket."""
        opened = self.opened
        if not opened or opened[-1] == 0 or self.before[opened[-1] - 1].type != "NAME":
            return None
        inside = self.before[opened[-1] + 1 :]
        before, after = list(_split(inside)), list(_split(self.after))
        started = before[-1]
        named = _name_of(started) is not None
        here = Argument(_name_of(started), len(before) - 1)
        others = [Argument(_name_of(tokens), index) for index, tokens in enumerate(before[:-1])]
        following = enumerate((tokens for tokens in after[1:] if tokens), start=here.index + 1)
        others += [Argument(_name_of(tokens), index) for index, tokens in following]
        starts = not started[2 if named else 0 :]
        return CallAround(self.before[opened[-1] - 1], here, starts, tuple(others))

    @property
    def _after_sign(self) -> bool:
        """Whether the last token is the sign of a number."""
        if self.before[-1].type != "MINUS":
            return False
        return len(self.before) == 1 or self.before[-2].type in _BEFORE_OPERANDS


def place_at(analysis: Analysis, offset: int) -> Place | None:
    """Returns the place at an offset; None inside comments, numbers and strings."""
    inside = _inside(analysis, offset)
    if inside is None:
        return _around(analysis, Span(offset, offset), offset)
    if inside.type == "NAME" or inside.isalpha():
        span = span_of(inside)
        return _around(analysis, Span(span.start, offset), span.end)
    return None


def place_of(analysis: Analysis, token: Token) -> Place:
    """Returns the place of a token."""
    span = span_of(token)
    return _around(analysis, span, span.end)


def place_around(analysis: Analysis, offset: int) -> Place | None:
    """Returns the place at an offset, also inside a number or string; None inside comments."""
    inside = _inside(analysis, offset)
    if inside is not None and inside.type in ("NUMBER", "STRING"):
        return place_of(analysis, inside)
    return place_at(analysis, offset)


def string_at(analysis: Analysis, offset: int) -> Token | None:
    """Returns the string around an offset, or None."""
    inside = _inside(analysis, offset)
    return inside if inside is not None and inside.type == "STRING" else None


def _inside(analysis: Analysis, offset: int) -> Token | None:
    """The token that a character typed at an offset would extend."""
    for token in analysis.tokens:
        span = span_of(token)
        if span.start < offset <= span.end:
            grows = token.type in ("NAME", "NUMBER", "COMMENT") or token.isalpha()
            return token if grows or offset < span.end or _is_unclosed(token, analysis) else None
    return None


def _around(analysis: Analysis, word: Span, end: int) -> Place:
    """The place of a word in the statement that contains it if the word is a name."""
    tokens = [token for token in analysis.tokens if token.type != "COMMENT"]
    before = [token for token in tokens if span_of(token).end <= word.start]
    after = [token for token in tokens if span_of(token).start >= word.end]
    name = Token("NAME", "_", start_pos=word.start, end_pos=max(word.end, word.start + 1))
    first_in_line = not before or before[-1].type == "NEWLINE"
    for line in lines_of([*before, name, *after], analysis.source):
        at = next((index for index, token in enumerate(line.tokens) if token is name), None)
        if at is not None:
            left, right = line.tokens[:at], line.tokens[at + 1 :]
            return Place(word, end, tuple(left), tuple(right), first_in_line)
    raise AssertionError("the name is in one of the statements")


def _is_unclosed(token: Token, analysis: Analysis) -> bool:
    fault = check(token, analysis.source) if token.type == "STRING" else None
    return fault is not None and fault.code == "RRL004"


def _split(tokens: tuple[Token, ...]) -> Iterator[tuple[Token, ...]]:
    """The arguments in the tokens after a bracket, up to the bracket that closes it."""
    level, start = 0, 0
    for index, token in enumerate(tokens):
        level += (token.type == "LPAR") - (token.type == "RPAR")
        if level < 0:
            tokens = tokens[:index]
            break
        if level == 0 and token.type == "COMMA":
            yield tokens[start:index]
            start = index + 1
    yield tokens[start:]


def _name_of(argument: tuple[Token, ...]) -> str | None:
    if len(argument) > 1 and argument[0].type == "NAME" and argument[1].type == "EQUAL":
        return str(argument[0])
    return None
