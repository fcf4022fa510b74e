"""Parses a text into a syntax tree; an error in a statement does not affect the next one."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import cast

from lark.exceptions import UnexpectedToken

from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.files import open_file
from rrl_dsl.language.foreign import separators
from rrl_dsl.language.layout import Line, lines_of
from rrl_dsl.language.lexer import MAX_BYTES as MAX_BYTES
from rrl_dsl.language.lexer import grammar, tokens_of
from rrl_dsl.language.span import Source
from rrl_dsl.language.spelling import span_of
from rrl_dsl.language.syntax import Broken, Recipe, Statement

TEXT_FOLLOWS = "a recipe's text follows `-e`; in Python, `rrl_dsl.parse(text)` reads it"
"""The hint if a recipe is given in place of a file."""


def read(path: Path, name: str | None = None) -> Source:
    """Reads a recipe file.

    Args:
        path: The file.
        name: The name of the file in messages; defaults to its path.

    Raises:
        RRLError: RRL011, RRL014 or RRL021 if the file is too large, not UTF-8, or not readable.
    """
    name = str(path) if name is None else name
    try:
        with open_file(path) as file:
            data = file.read(MAX_BYTES + 4)
    except OSError as problem:
        message = f"cannot read the recipe `{name}`: {problem.strerror}"
        hint = TEXT_FOLLOWS if "(" in name else None
        raise RRLError(Diagnostic("RRL021", message, hint=hint)) from problem
    return decode(data, name, path.parent)


def decode(data: bytes, name: str, directory: Path | None) -> Source:
    """Decodes the first `MAX_BYTES` + 4 bytes of a recipe; a byte order mark is ignored.

    Raises:
        RRLError: RRL014 if they are not UTF-8 text.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        if len(data) > MAX_BYTES:
            text = data.decode("utf-8", "replace")
        else:
            message = f"byte {problem.start} of this file is not UTF-8 text"
            hint = "save the file as UTF-8"
            where = Source("", name)
            raise RRLError(Diagnostic("RRL014", message, source=where, hint=hint)) from problem
    return Source(text, name, directory)


def parse(source: Source) -> tuple[Recipe, list[Diagnostic]]:
    """Returns the syntax tree of a text and all its syntax errors.

    Raises:
        RRLError: RRL011 or RRL012 if the text exceeds the limits of the language.
    """
    statements: list[Statement] = []
    faults: list[Diagnostic] = []
    for line in lines_of(tokens_of(source), source):
        statement, faults_of_line = _parse_line(line, source)
        statements.append(statement)
        faults += faults_of_line
    return Recipe(source, tuple(statements)), faults


def _parse_line(line: Line, source: Source) -> tuple[Statement, list[Diagnostic]]:
    unreadable = any(fault.code in ("RRL001", "RRL013") for fault in line.faults)
    if unreadable:
        return _broken(line), line.faults
    parser = grammar().parse_interactive("")
    taken = 0
    try:
        for token in line.tokens:
            parser.feed_token(token)
            taken += 1
        statement = parser.feed_eof(line.tokens[-1])  # type: ignore[no-untyped-call]
    except UnexpectedToken:
        from rrl_dsl.language.unexpected import unexpected  # only an error needs it

        return _broken(line), line.faults or [unexpected(line.tokens, taken, source)]
    return cast(Statement, statement), line.faults


def _broken(line: Line) -> Broken:
    tokens = line.tokens
    span = span_of(tokens[0]).to(span_of(tokens[-1]))
    types = [token.type for token in tokens]
    codes = {fault.code for fault in line.faults}
    is_open = "RRL006" in codes or any(True for _ in separators(tokens))
    if types[0] == "CONTRAST":
        return Broken(span, "contrast", open=is_open)
    if types[0] == "RRL" and "UNKNOWN" not in types:  # not `rrl.ssl()`
        return Broken(span, "version", open=is_open)
    if types[0] == "IMPORT" or (types[0] == "NAME" and types[1:2] == ["STRING"]):
        defined = tokens[1:]  # one of them is the name
    elif types[0] in ("LET", "PARAM"):
        defined = tokens[1:2]
    elif types[1:2] == ["EQUAL"] or (types[1:3] == ["NAME", "EQUAL"] and "RRL007" not in codes):
        # `a = …`, `lett a = …`
        defined = tokens[: types.index("EQUAL")]
    else:
        return Broken(span, "graph", open=is_open)
    names = {str(token) for token in defined if token.type == "NAME"}
    names |= {PurePath(token.strip("\"'")).stem for token in defined if token.type == "STRING"}
    return Broken(span, "definition", frozenset(names), is_open)
