"""Tokens -> statements: which line breaks end one, and whether the brackets match.

A line break does not end a statement inside brackets, before or after a binary operator, or after
`=`. A word that starts a statement starts one even inside brackets, so that a forgotten `)` does
not swallow the rest of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lark import Token

from rrl_dsl.language.diagnostics import Diagnostic
from rrl_dsl.language.span import Source
from rrl_dsl.language.spelling import check, span_of

MAX_NESTING: Final = 64

_BINARY = frozenset({"UNION", "INTERSECTION", "PLUS", "MINUS", "TIMES"})
_OPENS_STATEMENT = frozenset({"RRL", "PARAM", "LET", "IMPORT", "CONTRAST"})


@dataclass
class Line:
    """The tokens of one statement.

    `faults` are the errors already found in them; a line with a fault is not blamed for failing
    to parse as well.
    """

    tokens: list[Token] = field(default_factory=list)
    faults: list[Diagnostic] = field(default_factory=list)


def lines_of(tokens: list[Token], source: Source) -> Iterator[Line]:
    """The statements of a file, with the faults of spelling and bracketing in each."""
    for tokens_of_line in _cut([token for token in tokens if token.type != "COMMENT"]):
        line = Line(tokens_of_line)
        line.faults += [fault for token in line.tokens if (fault := check(token, source))]
        if all(fault.code != "RRL004" for fault in line.faults):  # it may have swallowed a `)`
            line.faults += _bracket_faults(line.tokens, source)
        yield line


def _cut(tokens: list[Token]) -> Iterator[list[Token]]:
    line: list[Token] = []
    depth = 0
    broken = False  # a line break stands before the current token
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
    opened: list[tuple[Token, int]] = []  # each bracket with the level outside it
    level = deepest = 0
    outside = 0  # the level of the operand that is being read, before its own `~`s
    for token in tokens:
        if token.type == "LPAR":
            opened.append((token, outside))
            level += 1
            outside = level
        elif token.type == "COMPLEMENT":
            level += 1
        elif token.type == "RPAR":
            if not opened:
                yield Diagnostic(
                    "RRL007",
                    "this `)` closes nothing",
                    span_of(token),
                    source,
                    hint="remove it, or open a bracket before it",
                )
                return
            level = outside = opened.pop()[1]
        elif token.type in _BINARY or token.type == "COMMA":
            level = outside
        if level > MAX_NESTING >= deepest:
            yield Diagnostic(
                "RRL013",
                f"brackets and `~` nest more than {MAX_NESTING} levels deep here",
                span_of(token),
                source,
                hint="name an inner part with `let`",
            )
        deepest = max(deepest, level)
    for token, _ in opened:
        yield Diagnostic(
            "RRL006", "this `(` is never closed", span_of(token), source, hint="add the `)`"
        )
