"""What a highlighter tells apart in a recipe, and the rules by which it finds it.

One list of rules for every highlighter. They are tried in order at each place of a text, the first
that matches wins, and no rule looks over a line break or remembers what came before, since TextMate
reads line by line. What cannot be told from one line is a plain name. How words are spelled is the
grammar's to say; which of them are built-ins, arguments and choices is the registry's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lark.lexer import PatternStr

from rrl_dsl.graph.registry import Parameter, signatures
from rrl_dsl.graph.types import MODEL_SPACES, Choice, Space
from rrl_dsl.language.lexer import grammar


class Kind(StrEnum):
    """What a piece of text is."""

    COMMENT = "comment"
    STRING = "string"
    ESCAPE = "escape"
    NUMBER = "number"
    CONSTANT = "constant"
    KEYWORD = "keyword"
    DEFINITION = "definition"
    NAME = "name"
    SOURCE = "source"
    TRANSFORM = "transform"
    SCHEDULE = "schedule"
    ARGUMENT = "argument"
    CHOICE = "choice"
    OPERATOR = "operator"
    BRACKET = "bracket"
    SEPARATOR = "separator"
    BLANK = "blank"
    INVALID = "invalid"


@dataclass(frozen=True)
class Rule:
    """A pattern and what it finds.

    Attributes:
        parts: What stands side by side: kinds, each with a pattern without groups. Patterns are
            Python's, without flags.
        ahead: A lookahead at what must follow.
        inside: Rules for what is told apart within a single part.
    """

    parts: tuple[tuple[Kind, str], ...]
    ahead: str = ""
    inside: tuple[Rule, ...] = ()

    @property
    def pattern(self) -> str:
        """The whole pattern, with a group for each part."""
        return "".join(f"({pattern})" for _, pattern in self.parts) + self.ahead


_BLANKS: Final = r"[ \t\f]*"
_NAME: Final = r"[a-z_][a-z0-9_]*(?!\w)"
_NUMBER: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.])"
_STRING: Final = r'"(?:\\[^\r\n]|[^"\\\r\n])*"|' r"'(?:\\[^\r\n]|[^'\\\r\n])*'"

_CALLED: Final = rf"(?={_BLANKS}\()"
_ASSIGNED: Final = rf"(?={_BLANKS}=)"
_LISTED: Final = rf"(?={_BLANKS},)"
_WHOLE: Final = rf"(?={_BLANKS}(?:[,)#]|(?![^\r\n])))"  # the argument ends, or its line does
_LINE_START: Final = r"(?<![^\r\n])"

_DEFINING: Final = ("PARAM", "LET", "AS")
_SIGNS: Final = {"LPAR": Kind.BRACKET, "RPAR": Kind.BRACKET, "COMMA": Kind.SEPARATOR}


def rules() -> list[Rule]:
    """Every rule, in the order in which they are tried."""
    terminals = {each.name: each.pattern for each in grammar().terminals}
    spelled = {name: each.value for name, each in terminals.items() if isinstance(each, PatternStr)}
    patterns = {name: each.to_regexp() for name, each in terminals.items()}
    keywords = _any(text for text in spelled.values() if text.isalpha())
    constants = f"{patterns['TRUE']}|{patterns['FALSE']}"
    defining = _any(spelled[each] for each in _DEFINING)
    new_name = f"(?!{keywords}|{constants}){_NAME}"
    signs: dict[Kind, list[str]] = defaultdict(list)
    for name, text in spelled.items():
        if not text.isalpha():
            signs[_SIGNS.get(name, Kind.OPERATOR)].append(patterns[name])
    blanks = (Kind.BLANK, patterns["BLANK"])
    escapes = (_one(Kind.ESCAPE, r"\\[\"'\\]"), _one(Kind.INVALID, r"\\."))
    return [
        _one(Kind.COMMENT, patterns["COMMENT"]),
        _one(Kind.STRING, _STRING, inside=escapes),
        Rule(((Kind.KEYWORD, defining), blanks, (Kind.DEFINITION, new_name))),
        _one(Kind.KEYWORD, keywords),
        _one(Kind.CONSTANT, constants),
        *_registered(),
        _one(Kind.ARGUMENT, _NAME, ahead=_ASSIGNED),
        _one(Kind.NAME, _NAME),
        _one(Kind.NUMBER, _NUMBER),
        *(_one(kind, "|".join(each)) for kind, each in signs.items()),
        # what the grammar reads and `rrl_dsl.language.spelling` refuses
        *(_one(Kind.INVALID, patterns[each]) for each in ("STRING", "NAME", "NUMBER", "UNKNOWN")),
    ]


def choices_of(parameter: Parameter) -> tuple[str, ...]:
    """The words that stand for themselves as a parameter's value."""
    if isinstance(parameter.type, Choice):
        return parameter.type.values
    return MODEL_SPACES if isinstance(parameter.type, Space) else ()


def _registered() -> Iterator[Rule]:
    """The rules for the words of the registry.

    A built-in is called, and a choice is a whole argument: elsewhere the same words may be names.
    """
    called: dict[Kind, list[str]] = defaultdict(list)
    named: dict[str, list[str]] = defaultdict(list)
    positional: dict[tuple[Kind, str], list[str]] = defaultdict(list)
    for signature in signatures().values():
        called[Kind(signature.kind)].append(signature.name)
        for index, parameter in enumerate(signature.parameters):
            if words := choices_of(parameter):
                named[parameter.name] += words
                if parameter.positional:
                    sign = (Kind.SEPARATOR, ",") if index else (Kind.BRACKET, r"\(")
                    positional[sign] += words
    blanks = (Kind.BLANK, _BLANKS)
    for kind, names in called.items():
        yield _one(kind, _any(names), ahead=_CALLED)
    for argument, found in named.items():
        before = ((Kind.ARGUMENT, argument), blanks, (Kind.OPERATOR, "="), blanks)
        yield Rule((*before, (Kind.CHOICE, _any(found))), ahead=_WHOLE)
    for sign, found in positional.items():
        yield Rule((sign, blanks, (Kind.CHOICE, _any(found))), ahead=_WHOLE)
        indent = (Kind.BLANK, _LINE_START + _BLANKS)
        yield Rule((indent, (Kind.CHOICE, _any(found))), ahead=_LISTED)


def _one(kind: Kind, pattern: str, ahead: str = "", inside: tuple[Rule, ...] = ()) -> Rule:
    return Rule(((kind, pattern),), ahead, inside)


def _any(words: Iterable[str]) -> str:
    """A pattern for each of these words, whole."""
    return rf"(?:{'|'.join(dict.fromkeys(words))})(?!\w)"
