"""Text -> syntax tree. A statement that does not parse is reported and does not stop the next."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from lark import Token
from lark.exceptions import UnexpectedToken

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.layout import Line, lines_of
from rrl_dsl.language.lexer import MAX_BYTES, grammar, tokens_of
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import span_of
from rrl_dsl.language.syntax import Broken, Recipe, Statement

_OPERATORS = frozenset({"UNION", "INTERSECTION", "PLUS", "MINUS", "TIMES"})
_OPERAND_STARTS = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "LPAR", "COMPLEMENT"})
_KEYWORDS = frozenset({"RRL", "PARAM", "LET", "IMPORT", "AS", "CONTRAST", "TRUE", "FALSE"})
_DEFINES = frozenset({"param", "let"})
_LITERALS = frozenset({"NUMBER", "STRING", "TRUE", "FALSE"})


def read(path: Path) -> Source:
    """The text of a recipe file.

    Raises:
        RRLError: RRL011, RRL014 or RRL021 where it is too large, not UTF-8, or not readable.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 4)
    except (OSError, ValueError) as problem:  # ValueError: a path with a null character
        message = f"cannot read the recipe `{path}`: {getattr(problem, 'strerror', problem)}"
        raise RRLError(Diagnostic("RRL021", message)) from problem
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        if len(data) > MAX_BYTES:
            text = data.decode("utf-8", "replace")
        else:
            message = f"byte {problem.start} of this file is not UTF-8 text"
            hint = "save the file as UTF-8"
            where = Source("", str(path))
            raise RRLError(Diagnostic("RRL014", message, source=where, hint=hint)) from problem
    return Source(text, str(path))


def parse(source: Source) -> tuple[Recipe, list[Diagnostic]]:
    """The tree of a text and every error of its syntax.

    Raises:
        RRLError: RRL011 or RRL012 where the text is over the language's limits.
    """
    statements: list[Statement] = []
    faults: list[Diagnostic] = []
    for line in lines_of(tokens_of(source), source):
        statement, found = _parse_line(line, source)
        statements.append(statement)
        faults += found
    return Recipe(source, tuple(statements)), faults


def _parse_line(line: Line, source: Source) -> tuple[Statement, list[Diagnostic]]:
    unreadable = any(fault.code in ("RRL001", "RRL013") for fault in line.faults)
    first = line.tokens[0]
    if first.type in ("IMPORT", "CONTRAST"):
        message = f"`{first}` is not supported by this release of the language"
        return _broken(line), [Diagnostic("RRL020", message, span_of(first), source)]
    if unreadable:
        return _broken(line), line.faults
    parser = grammar().parse_interactive("")
    for index, token in enumerate(line.tokens):
        try:
            parser.feed_token(token)
        except UnexpectedToken:
            return _broken(line), line.faults or [_unexpected(line.tokens, index, source)]
    try:
        statement = parser.feed_eof(line.tokens[-1])  # type: ignore[no-untyped-call]
    except UnexpectedToken:
        return _broken(line), line.faults or [_unexpected(line.tokens, len(line.tokens), source)]
    return cast(Statement, statement), line.faults


def _broken(line: Line) -> Broken:
    tokens = line.tokens
    span = span_of(tokens[0]).to(span_of(tokens[-1]))
    types = [token.type for token in tokens]
    if types[:2] == ["NAME", "EQUAL"]:  # a forgotten `let`
        return Broken(span, str(tokens[0]))
    if types[0] == "IMPORT" and "AS" in types[:-1]:
        return Broken(span, str(tokens[types.index("AS") + 1]))
    defines = tokens[0].lower() in _DEFINES and len(tokens) > 1
    return Broken(span, str(tokens[1]) if defines else None)


def _accepted(tokens: list[Token]) -> set[str]:
    """The terminals that may follow a readable prefix of a statement."""
    parser = grammar().parse_interactive("")
    for token in tokens:
        parser.feed_token(token)
    return cast(set[str], parser.accepts())  # type: ignore[no-untyped-call]


def _unexpected(tokens: list[Token], index: int, source: Source) -> Diagnostic:
    """Says what stands in the way at `tokens[index]`, or what is missing after the last token."""
    accepted = _accepted(tokens[:index])
    if index == len(tokens):
        end = span_of(tokens[-1]).end
        message = f"this is unfinished: {_wanted(accepted, tokens, index)}"
        return Diagnostic("RRL009", message, Span(end, end + 1), source)
    token, previous = tokens[index], tokens[index - 1] if index else None
    span = span_of(token)
    if token.type in _KEYWORDS and "NAME" in accepted:
        message = f"`{token}` is a reserved word and cannot be a name"
        hint = f"another name: `{token.lower()}_`"
        return Diagnostic("RRL105", message, span, source, hint=hint)
    if previous is not None and "COMMA" in accepted and token.type in _OPERAND_STARTS:
        place = span_of(previous).end
        if "EQUAL" in accepted and token.type in _LITERALS:
            message = f"`=` is missing between `{previous}` and `{token}`"
            return Diagnostic("RRL008", message, Span(place, place + 1), source, hint="add `=`")
        message = f"a comma is missing between `{previous}` and `{token}`"
        return Diagnostic("RRL010", message, Span(place, place + 1), source, hint="add `,`")
    return _misplaced(tokens, index, accepted, source)


def _misplaced(tokens: list[Token], index: int, accepted: set[str], source: Source) -> Diagnostic:
    token = tokens[index]
    span = span_of(token)
    hint = None
    if token.type in _OPERAND_STARTS and "UNION" in accepted:
        message = f"an operator is missing before `{token}`"
        hint = "join graphs with `|`, as in `a | b`"
    elif token.type in _OPERATORS and "LPAR" in accepted and "UNION" not in accepted:
        message = f"`{token}` has nothing on its left to work on"
        hint = f"remove `{token}`"
    elif token.type == "EQUAL" and index == 1 and tokens[0].type == "NAME":
        message = "a definition starts with `let` or `param`"
        span = span_of(tokens[0]).to(span)
        hint = f"write `let {tokens[0]} = …`"
    else:
        message = f"`{token}` does not fit here; {_wanted(accepted, tokens, index)}"
        if tokens[0].type == "PARAM" and (index == 3 or (index > 3 and token.type in _OPERATORS)):
            hint = f"only `let` names an expression: `let {tokens[1]} = …`"
    return Diagnostic("RRL008", message, span, source, hint=hint)


def _wanted(accepted: set[str], tokens: list[Token], index: int) -> str:
    """What should stand at `tokens[index]`, in the user's words."""
    if index == 0:
        return "a statement starts with a graph, `let` or `param`"
    return f"after `{tokens[index - 1]}` {_fitting(accepted, tokens[0].type)} should follow"


def _fitting(accepted: set[str], first: str) -> str:
    if accepted == {"NAME"}:
        return "a name"
    if accepted == {"EQUAL"}:
        return "`=`"
    if first == "RRL" and "NUMBER" in accepted:
        return "the number of the language version"
    if first == "PARAM" and "LPAR" not in accepted and "STRING" in accepted:
        return "a number, a string, `true` or `false`"
    if accepted == {"NUMBER"}:
        return "a number"
    if "COMMA" in accepted:
        return "`,` or `)`"
    if "LPAR" in accepted and "COMPLEMENT" in accepted:
        return "a graph, a transform or a value"
    if first in ("RRL", "PARAM"):
        return "the end of the line"
    return "an operator such as `|` or the end of the line"
