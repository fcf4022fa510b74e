"""Three readings of a recipe's text, character by character.

`tokens` asks the language itself: its lexer, its parser and the registry. `textmate` and `pygments`
run the two highlighters, the first in an engine for TextMate grammars on Oniguruma.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from babi.highlight import Compiler, Grammar, highlight_line
from pygments.lexer import Lexer

from rrl_dsl.editor.highlighting import Kind
from rrl_dsl.editor.textmate import SCOPES
from rrl_dsl.graph.registry import signatures
from rrl_dsl.graph.types import MODEL_SPACES, Choice, Space, Type
from rrl_dsl.language import syntax
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import check, span_of

WORDS = {
    Kind.DEFINITION,
    Kind.NAME,
    Kind.SOURCE,
    Kind.TRANSFORM,
    Kind.SCHEDULE,
    Kind.ARGUMENT,
    Kind.CHOICE,
}
"""What a word may be that is spelled as a name; the text around it decides which."""

_TYPES = {"COMMENT": Kind.COMMENT, "NUMBER": Kind.NUMBER, "NAME": Kind.NAME, "NEWLINE": Kind.BLANK}
_TYPES |= dict.fromkeys(["RRL", "PARAM", "LET", "IMPORT", "AS", "CONTRAST"], Kind.KEYWORD)
_TYPES |= dict.fromkeys(["TRUE", "FALSE"], Kind.CONSTANT)
_TYPES |= dict.fromkeys(["LPAR", "RPAR"], Kind.BRACKET)
_SIGNS = ["UNION", "INTERSECTION", "PLUS", "MINUS", "TIMES", "COMPOSITION", "COMPLEMENT", "EQUAL"]
_TYPES |= {**dict.fromkeys(_SIGNS, Kind.OPERATOR), "COMMA": Kind.SEPARATOR, "UNKNOWN": Kind.INVALID}


def tokens(text: str) -> list[Kind]:
    """What each character is to the language's lexer; every well-spelled word is a name."""
    source = Source(text)
    kinds = [Kind.BLANK] * len(text)
    for token in tokens_of(source):
        span = span_of(token)
        fault = check(token, source)
        if fault is not None and fault.code != "RRL005":
            _put(kinds, span, Kind.INVALID)
        elif token.type == "STRING":
            _put(kinds, span, Kind.STRING)
            for escape in re.finditer(r"\\(.)", token[1:-1]):
                start = span.start + 1 + escape.start()
                fits = escape[1] in "\"'\\"
                _put(kinds, Span(start, start + 2), Kind.ESCAPE if fits else Kind.INVALID)
        else:
            _put(kinds, span, _TYPES[token.type])
    return kinds


def meanings(text: str) -> list[Kind]:
    """What each character of a recipe without mistakes is, its words as the parser reads them."""
    kinds = tokens(text)
    recipe, faults = parse(Source(text))
    assert not faults, faults
    for statement in recipe.statements:
        if isinstance(statement, syntax.Param | syntax.Let | syntax.Import):
            _put(kinds, statement.name.span, Kind.DEFINITION)
        if isinstance(statement, syntax.Let | syntax.Result | syntax.Contrast):
            for call in _calls(statement.value):
                _put_call(kinds, call)
    return kinds


def _put_call(kinds: list[Kind], call: syntax.Call) -> None:
    signature = signatures().get(call.name.text)
    if signature is not None:
        _put(kinds, call.name.span, Kind(signature.kind))
    for index, argument in enumerate(call.arguments):
        if argument.name is not None:
            _put(kinds, argument.name.span, Kind.ARGUMENT)
        if signature is not None and isinstance(argument.value, syntax.Name):
            by_name = argument.name and signature.parameter(argument.name.text)
            parameter = by_name or signature.parameters[index]
            if argument.value.text in choices(parameter.type):
                _put(kinds, argument.value.span, Kind.CHOICE)


def choices(of: Type) -> tuple[str, ...]:
    """The words that a type takes for themselves."""
    if isinstance(of, Choice):
        return of.values
    return MODEL_SPACES if isinstance(of, Space) else ()


def _calls(node: syntax.Expression) -> Iterator[syntax.Call]:
    match node:
        case syntax.Call():
            yield node
            for argument in node.arguments:
                yield from _calls(argument.value)
        case syntax.Chain():
            for operand in node.operands:
                yield from _calls(operand)
        case syntax.Complement():
            yield from _calls(node.operand)
        case syntax.Group():
            yield from _calls(node.inner)


def _put(kinds: list[Kind], span: Span, kind: Kind) -> None:
    kinds[span.start : span.end] = [kind] * (span.end - span.start)


class TextMate:
    """A TextMate grammar at work."""

    def __init__(self, grammar: str) -> None:
        self.compiler = Compiler(Grammar.make(json.loads(grammar)), None)

    def scopes(self, text: str) -> list[str]:
        """The innermost scope of each character, empty where it has none of its own."""
        scopes = [""] * len(text)
        state = self.compiler.root_state
        for start, line in _lines(text):
            state, regions = highlight_line(self.compiler, state, f"{line}\n", start == 0)
            for region in regions:
                _, *inner = region.scope
                for index in range(region.start, min(region.end, len(line))):
                    scopes[start + index] = inner[-1] if inner else ""
        return scopes

    def kinds(self, text: str) -> list[Kind]:
        """What each character is."""
        kinds = {scope: kind for kind, scope in SCOPES.items()}
        return [kinds[scope] if scope else Kind.BLANK for scope in self.scopes(text)]


def pygments_tokens(lexer: Lexer, text: str) -> list[object]:
    """The token type of each character."""
    kinds: list[object] = []
    for start, token, value in lexer.get_tokens_unprocessed(text):
        assert start == len(kinds)
        assert value == text[start : start + len(value)]
        kinds += [token] * len(value)
    assert len(kinds) == len(text)
    return kinds


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Where each line begins, and the line without its break."""
    start = 0
    for line in re.split(r"(\r\n|\n|\r)", text):
        if line not in ("\r\n", "\n", "\r"):
            yield start, line
        start += len(line)
