"""Groups tokens into statements and checks that brackets match.

A line break ends a statement unless it is inside brackets, before or after a binary operator, or
after `=`. A keyword such as `let` starts a statement even inside brackets, so that a missing `)`
does not affect the rest of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lark import Token

from rrl_dsl.grammar.arguments import ARGUMENTS
from rrl_dsl.language.diagnostics import MAX_DIAGNOSTICS, Diagnostic, Edit
from rrl_dsl.language.foreign import spelling_faults
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import span_of

MAX_NESTING: Final = 64

_BINARY = frozenset({"UNION", "INTERSECTION", "PLUS", "MINUS", "TIMES", "COMPOSITION"})
_JOINS_GRAPHS = _BINARY - {"TIMES"}
_OPENS_STATEMENT = frozenset({"RRL", "PARAM", "LET", "IMPORT", "CONTRAST"})


@dataclass
class Line:
    """The tokens of one statement.

    `faults` are the errors in the tokens. A statement that has some is not also reported if it does
    not parse.
    """

    tokens: list[Token] = field(default_factory=list)
    faults: list[Diagnostic] = field(default_factory=list)


def lines_of(tokens: list[Token], source: Source) -> Iterator[Line]:
    """Yields the statements of a file, with their errors of spelling and of brackets."""
    for tokens_of_line in _cut([token for token in tokens if token.type != "COMMENT"]):
        line = Line(tokens_of_line)
        line.faults += spelling_faults(line.tokens, source)
        if all(fault.code != "RRL004" for fault in line.faults):  # it may have swallowed a `)`
            line.faults += _bracket_faults(line.tokens, source)
        yield line


def _cut(tokens: list[Token]) -> Iterator[list[Token]]:
    line: list[Token] = []
    depth = 0
    broken = False  # whether a line break precedes the current token
    for token in tokens:
        if token.type == "NEWLINE":
            broken = True
            continue
        if line and broken and _starts_statement(line[-1], token, depth):
            yield line
            line, depth = [], 0
        broken = False
        line.append(token)
        depth += (token.type == "LPAR") - (token.type == "RPAR" and depth > 0)
    if line:
        yield line


def _starts_statement(previous: Token, token: Token, depth: int) -> bool:
    if token.type in _OPENS_STATEMENT:
        return True
    continues = previous.type in _BINARY or previous.type == "EQUAL" or token.type in _BINARY
    return depth == 0 and not continues


def _bracket_faults(tokens: list[Token], source: Source) -> Iterator[Diagnostic]:
    opened: list[tuple[int, int]] = []  # the index of an open bracket, and the level outside it
    level = deepest = 0
    outside = 0  # the level of the current operand without its own `~`
    for place, token in enumerate(tokens):
        if token.type == "LPAR":
            opened.append((place, outside))
            level += 1
            outside = level
        elif token.type == "COMPLEMENT":
            level += 1
        elif token.type == "RPAR":
            if not opened:
                yield _closes_nothing(tokens, place, source)
                level = outside = 0
            else:
                level = outside = opened.pop()[1]
        elif token.type in _BINARY or token.type == "COMMA":
            level = outside
        if level > MAX_NESTING >= deepest:
            yield Diagnostic(
                "RRL013",
                f"brackets and `~` are nested more than {MAX_NESTING} levels deep",
                span_of(token),
                source,
                hint="name an inner part with `let`",
            )
        deepest = max(deepest, level)
    for number, (place, _) in enumerate(opened):
        edits: tuple[Edit, ...] = ()
        if number < MAX_DIAGNOSTICS:  # later ones are not shown
            edits = _closed(tokens, place)
        yield Diagnostic(
            "RRL006",
            "this `(` is never closed",
            span_of(tokens[place]),
            source,
            hint="add the `)`",
            edits=edits,
        )


def _closes_nothing(tokens: list[Token], place: int, source: Source) -> Diagnostic:
    message, span = "this `)` has no opening bracket", span_of(tokens[place])
    before = tokens[place - 1] if place else None
    if before is not None and before in ARGUMENTS:  # `ssl)`
        hint, edits = f"open it after `{before}`", (Edit(Span(span.start, span.start), "("),)
        return Diagnostic("RRL007", message, span, source, hint, edits=edits)
    for at in reversed(range(1, place)):
        previous, token = tokens[at - 1], tokens[at]
        if token.type in (*_BINARY, "LPAR", "RPAR"):
            break
        if previous.type == token.type == "NAME":  # a call without its `(`
            end = span_of(previous).end
            edits = (Edit(Span(end, end), "("),)
            return Diagnostic(
                "RRL007", message, span, source, f"open it after `{previous}`", edits=edits
            )
    hint = "remove it, or open a bracket before it"
    return Diagnostic("RRL007", message, span, source, hint, edits=(Edit(span, ""),))


def _closed(tokens: list[Token], opening: int) -> tuple[Edit, ...]:
    """Inserts a missing `)` at its most likely position.

    That is before an operator that an argument of a call cannot contain, at the end of a line that
    may end the bracket, or else at the end of the statement. A dangling operator there is replaced.
    """
    is_call = opening > 0 and tokens[opening - 1].type == "NAME"
    last, level = opening, 0
    for place in range(opening + 1, len(tokens)):
        token, previous = tokens[place], tokens[last]
        if level == 0:
            breaks = token.line != previous.line and token.type not in ("COMMA", "RPAR")
            if breaks and not _hangs(previous):
                break
            if is_call and token.type in _JOINS_GRAPHS and not _is_sign(tokens, place):
                break
        level += (token.type == "LPAR") - (token.type == "RPAR")
        last = place
    end = span_of(tokens[last])
    if last == opening and not is_call:  # the bracket is empty
        return (Edit(end, ""),)
    if _hangs(tokens[last]) and tokens[last].type != "LPAR":
        return (Edit(end, ")"),)
    return (Edit(Span(end.end, end.end), ")"),)


def _is_sign(tokens: list[Token], place: int) -> bool:
    """Whether a token is the minus of a negative number."""
    after = tokens[place + 1].type if place + 1 < len(tokens) else ""
    return tokens[place].type == "MINUS" and after == "NUMBER"


def _hangs(token: Token) -> bool:
    return token.type in _BINARY or token.type in ("LPAR", "COMMA", "EQUAL")
