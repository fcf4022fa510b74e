"""What is said of a statement that does not parse: what was found, what would fit, the mend."""

from __future__ import annotations

from pathlib import PurePath
from typing import cast

from lark import Token

from rrl_dsl.language.diagnostics import Diagnostic, Edit
from rrl_dsl.language.lexer import grammar
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import is_name, span_of, string_value

_OPERATORS = frozenset({"UNION", "INTERSECTION", "PLUS", "MINUS", "TIMES"})
_OPERAND_STARTS = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "LPAR", "COMPLEMENT"})
_STATEMENTS = frozenset({"RRL", "PARAM", "LET", "IMPORT", "CONTRAST"})
_KEYWORDS = _STATEMENTS | {"AS", "TRUE", "FALSE"}
_LITERALS = frozenset({"NUMBER", "STRING", "TRUE", "FALSE"})
_WORDS_OF_OPERATORS = {"or": "|", "and": "&", "union": "|"}


def unexpected(tokens: list[Token], index: int, source: Source) -> Diagnostic:
    """Says what stands in the way at `tokens[index]`, or what is missing after the last token."""
    accepted = _accepted(tokens[:index])
    if index == len(tokens):
        return _unfinished(tokens, accepted, source)
    token, previous = tokens[index], tokens[index - 1] if index else None
    span = span_of(token)
    if token.type in _KEYWORDS and "NAME" in accepted:
        message = f"`{token}` is a reserved word and cannot be a name"
        if previous is not None and previous.type in ("LPAR", "COMMA"):
            return Diagnostic("RRL105", message, span, source)  # of an argument, which has its own
        other = f"{token.lower()}_"
        hint = f"another name: `{other}`"
        return Diagnostic("RRL105", message, span, source, hint, edits=(Edit(span, other),))
    if previous is not None and "COMMA" in accepted and token.type in _OPERAND_STARTS:
        place = span_of(previous).end
        point, gap = Span(place, place + 1), Span(place, place)
        if "EQUAL" in accepted and token.type in _LITERALS:
            message = f"`=` is missing between `{previous}` and `{token}`"
            return Diagnostic("RRL008", message, point, source, "add `=`", edits=(Edit(gap, "="),))
        message = f"a comma is missing between `{previous}` and `{token}`"
        return Diagnostic("RRL010", message, point, source, "add `,`", edits=(Edit(gap, ","),))
    return _misplaced(tokens, index, accepted, source)


def _accepted(tokens: list[Token]) -> set[str]:
    """The terminals that may follow a readable prefix of a statement."""
    parser = grammar().parse_interactive("")
    for token in tokens:
        parser.feed_token(token)
    return cast(set[str], parser.accepts())  # type: ignore[no-untyped-call]


def _unfinished(tokens: list[Token], accepted: set[str], source: Source) -> Diagnostic:
    last = tokens[-1]
    end = span_of(last).end
    hint: str | None = None
    edits: tuple[Edit, ...] = ()
    if last.type in _OPERATORS and len(tokens) > 1:
        hint, edits = f"remove `{last}`, or write what it joins", (Edit(span_of(last), ""),)
    elif tokens[0].type == "IMPORT" and last.type == "STRING":
        stem = PurePath(string_value(last) or "").stem
        name = stem if is_name(stem) else "other"
        hint, edits = f"write `import {last} as {name}`", (Edit(Span(end, end), f" as {name}"),)
    message = f"this is unfinished: {_wanted(accepted, tokens, len(tokens))}"
    return Diagnostic("RRL009", message, Span(end, end + 1), source, hint, edits=edits)


def _misplaced(tokens: list[Token], index: int, accepted: set[str], source: Source) -> Diagnostic:
    token = tokens[index]
    span = span_of(token)
    hint: str | None = None
    edits: tuple[Edit, ...] = ()
    if token.type in _OPERAND_STARTS and "UNION" in accepted:
        message = f"an operator is missing before `{token}`"
        sign = _WORDS_OF_OPERATORS.get(token.lower())
        if sign is not None:
            hint, edits = f"write `{sign}`", (Edit(span, sign),)
        else:
            hint = "join graphs with `|`, as in `a | b`"
            edits = (Edit(Span(span.start, span.start), "| "),)
    elif token.type in _OPERATORS and "LPAR" in accepted and "UNION" not in accepted:
        message = f"`{token}` has nothing on its left to work on"
        hint, edits = f"remove `{token}`", (Edit(span, ""),)
    elif token.type == "EQUAL" and index == 1 and tokens[0].type == "NAME":
        message = "a definition starts with `let` or `param`"
        start = span_of(tokens[0])
        span, edits = start.to(span), (Edit(Span(start.start, start.start), "let "),)
        hint = f"write `let {tokens[0]} = …`"
    elif token.type in _STATEMENTS:
        message = f"`{token}` starts a statement, and this one has not ended"
        hint, edits = "start a new line", (Edit(Span(span.start, span.start), "\n"),)
    else:
        message = f"`{token}` does not fit here; {_wanted(accepted, tokens, index)}"
        if tokens[0].type == "PARAM" and (index == 3 or (index > 3 and token.type in _OPERATORS)):
            hint = f"only `let` names an expression: `let {tokens[1]} = …`"
            edits = (Edit(span_of(tokens[0]), "let"),)
        elif tokens[0].type == "IMPORT" and index == 1 and token.type == "NAME":
            hint, edits = f'write `"{token}.rrl"`', (Edit(span, f'"{token}.rrl"'),)
    return Diagnostic("RRL008", message, span, source, hint, edits=edits)


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
    if accepted == {"STRING"}:
        return "a file in quotes"
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
    return "an operator such as `|` or the end of the line"
