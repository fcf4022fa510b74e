"""The error of a statement that does not parse: the token, what is expected, the fix."""

from __future__ import annotations

from pathlib import PurePath
from typing import cast

from lark import Token

from rrl_dsl.language.diagnostics import Diagnostic, Edit
from rrl_dsl.language.lexer import grammar
from rrl_dsl.language.mistakes import OPERATORS, Context, recognized
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import is_name, span_of, string_value


def unexpected(tokens: list[Token], index: int, source: Source) -> Diagnostic:
    """Returns the error of a statement that does not parse.

    Args:
        tokens: The tokens of the statement.
        index: The index of the unexpected token; the number of tokens if one is missing.
        source: The text.
    """
    accepted = _accepted(tokens[:index])
    if index == len(tokens):
        return _unfinished(tokens, accepted, source)
    known = recognized(Context(tokens, index, accepted, source))
    if known is not None:
        return known
    token = tokens[index]
    message = f"`{token}` does not fit here; {_wanted(accepted, tokens, index)}"
    return Diagnostic("RRL008", message, span_of(token), source)


def _accepted(tokens: list[Token]) -> set[str]:
    """The terminals that may follow the tokens of an incomplete statement."""
    parser = grammar().parse_interactive("")
    for token in tokens:
        parser.feed_token(token)
    return cast(set[str], parser.accepts())  # type: ignore[no-untyped-call]


def _unfinished(tokens: list[Token], accepted: set[str], source: Source) -> Diagnostic:
    last = tokens[-1]
    end = span_of(last).end
    hint: str | None = None
    edits: tuple[Edit, ...] = ()
    if last.type in OPERATORS and len(tokens) > 1:
        hint, edits = f"remove `{last}`, or write what it joins", (Edit(span_of(last), ""),)
    elif last.type == "RRL":
        hint, edits = "write `rrl 1`", (Edit(Span(end, end), " 1"),)
    elif tokens[0].type == "IMPORT" and last.type == "STRING":
        stem = PurePath(string_value(last) or "").stem
        name = stem if is_name(stem) else "other"
        hint, edits = f"write `import {last} as {name}`", (Edit(Span(end, end), f" as {name}"),)
    message = f"this is unfinished: {_wanted(accepted, tokens, len(tokens))}"
    return Diagnostic("RRL009", message, Span(end, end + 1), source, hint, edits=edits)


def _wanted(accepted: set[str], tokens: list[Token], index: int) -> str:
    """What is expected at `tokens[index]`, in words."""
    if index == 0:
        return "a statement is a graph, or starts with `let`, `param`, `import` or `contrast`"
    return f"after `{tokens[index - 1]}` {_fitting(accepted, tokens[0].type)} should follow"


def _fitting(accepted: set[str], first: str) -> str:
    if accepted == {"NAME"}:
        return "a name"
    if accepted == {"EQUAL"}:
        return "`=`"
    if accepted == {"STRING"}:
        return "a file name in quotes"
    if accepted == {"AS"}:
        return "`as` and a name"
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
    if first in ("RRL", "PARAM", "IMPORT"):
        return "the end of the line"
    if "RPAR" in accepted:
        return "an operator such as `|` or the closing `)`"
    return "an operator such as `|` or the end of the line"
