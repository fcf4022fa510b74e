"""The rules of the highlighters: patterns, and the kind of token that each finds.

All highlighters share one list of rules. At each position, the first rule that matches wins. A rule
matches within one line and keeps no state, because TextMate reads line by line. A word whose kind
does not follow from its line is a plain name. The grammar defines the spelling of words; the
registry defines which words are built-ins, arguments and choices.
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
    """The kind of a piece of text."""

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
    """A pattern and the kinds of token that it finds.

    Attributes:
        parts: Adjacent kinds, each with a pattern: a Python regular expression without groups and
            flags.
        ahead: A lookahead for the text that must follow.
        inside: Rules for the tokens within the part, if there is only one part.
    """

    parts: tuple[tuple[Kind, str], ...]
    ahead: str = ""
    inside: tuple[Rule, ...] = ()

    @property
    def pattern(self) -> str:
        """The pattern of the rule, with a group for each part."""
        return "".join(f"({pattern})" for _, pattern in self.parts) + self.ahead


_BLANKS: Final = r"[ \t\f]*"
_NAME: Final = r"[a-z_][a-z0-9_]*(?!\w)"
_NUMBER: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.])"
_STRING: Final = r'"(?:\\[^\r\n]|[^"\\\r\n])*"|' r"'(?:\\[^\r\n]|[^'\\\r\n])*'"

_CALLED: Final = rf"(?={_BLANKS}\()"
_ASSIGNED: Final = rf"(?={_BLANKS}=)"
_LISTED: Final = rf"(?={_BLANKS},)"
_WHOLE: Final = rf"(?={_BLANKS}(?:[,)#]|(?![^\r\n])))"  # the argument or its line ends
_LINE_START: Final = r"(?<![^\r\n])"

_DEFINING: Final = ("PARAM", "LET", "AS")
_SIGNS: Final = {"LPAR": Kind.BRACKET, "RPAR": Kind.BRACKET, "COMMA": Kind.SEPARATOR}


def rules() -> list[Rule]:
    """Returns the rules, in the order in which a highlighter tries them."""
    terminals = {terminal.name: terminal.pattern for terminal in grammar().terminals}
    spelled = {
        name: pattern.value
        for name, pattern in terminals.items()
        if isinstance(pattern, PatternStr)
    }
    patterns = {name: pattern.to_regexp() for name, pattern in terminals.items()}
    keywords = _any(text for text in spelled.values() if text.isalpha())
    constants = f"{patterns['TRUE']}|{patterns['FALSE']}"
    defining = _any(spelled[terminal] for terminal in _DEFINING)
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
        *(_one(kind, "|".join(spellings)) for kind, spellings in signs.items()),
        # tokens of the grammar that `rrl_dsl.language.spelling` rejects
        *(
            _one(Kind.INVALID, patterns[terminal])
            for terminal in ("STRING", "NAME", "NUMBER", "UNKNOWN")
        ),
    ]


def choices_of(parameter: Parameter) -> tuple[str, ...]:
    """Returns the words that are values of a parameter and are not looked up as names."""
    if isinstance(parameter.type, Choice):
        return parameter.type.values
    return MODEL_SPACES if isinstance(parameter.type, Space) else ()


def _registered() -> Iterator[Rule]:
    """The rules for the words of the registry.

    A built-in is a call, and a choice is a complete argument. Elsewhere, the same words may be
    names.
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
    for argument, choices in named.items():
        before = ((Kind.ARGUMENT, argument), blanks, (Kind.OPERATOR, "="), blanks)
        yield Rule((*before, (Kind.CHOICE, _any(choices))), ahead=_WHOLE)
    for sign, choices in positional.items():
        yield Rule((sign, blanks, (Kind.CHOICE, _any(choices))), ahead=_WHOLE)
        indent = (Kind.BLANK, _LINE_START + _BLANKS)
        yield Rule((indent, (Kind.CHOICE, _any(choices))), ahead=_LISTED)


def _one(kind: Kind, pattern: str, ahead: str = "", inside: tuple[Rule, ...] = ()) -> Rule:
    return Rule(((kind, pattern),), ahead, inside)


def _any(words: Iterable[str]) -> str:
    """A pattern that matches one of the words, but not a part of a longer word."""
    return rf"(?:{'|'.join(dict.fromkeys(words))})(?!\w)"
