"""The Pygments lexer: colors in documentation, notebooks and terminals."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from pygments.lexer import RegexLexer, bygroups, this, using
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from rrl_dsl.editor.highlighting import Kind, Rule, rules

TOKENS: Final = {
    Kind.COMMENT: Comment.Single,
    Kind.STRING: String,
    Kind.ESCAPE: String.Escape,
    Kind.NUMBER: Number,
    Kind.CONSTANT: Keyword.Constant,
    Kind.KEYWORD: Keyword,
    Kind.DEFINITION: Name.Variable,
    Kind.NAME: Name,
    Kind.SOURCE: Keyword.Type,  # many styles show built-ins as plain text, but not types
    Kind.TRANSFORM: Name.Function,
    Kind.SCHEDULE: Name.Builtin,
    Kind.ARGUMENT: Name.Attribute,
    Kind.CHOICE: Name.Constant,
    Kind.OPERATOR: Operator,
    Kind.BRACKET: Punctuation,
    Kind.SEPARATOR: Punctuation,
    Kind.BLANK: Whitespace,
    Kind.INVALID: Error,
}
"""Kind -> token type."""


def _states(of: Iterable[Rule]) -> dict[str, list[tuple[str, Any]]]:
    """Pygments' states: one for a recipe, and one for each kind with rules for its inside."""
    states: dict[str, list[tuple[str, Any]]] = {"root": []}
    for rule in of:
        (kind, _), *_ = rule.parts
        if rule.inside:
            states[kind] = [_entry(inner) for inner in rule.inside]
            states[kind].append((r"[^\\]+", TOKENS[kind]))
            within = using(this, state=str(kind))  # type: ignore[no-untyped-call]
            states["root"].append((rule.pattern, within))
        else:
            states["root"].append(_entry(rule))
    states["root"].append((r"[ \t\f]+|[\r\n]", Whitespace))
    return states


def _entry(rule: Rule) -> tuple[str, Any]:
    kinds = (TOKENS[kind] for kind, _ in rule.parts)
    return rule.pattern, bygroups(*kinds)  # type: ignore[no-untyped-call]


class RecipeLexer(RegexLexer):
    """A lexer for recipes."""

    name = "RRL"
    aliases: ClassVar = ["rrl"]
    filenames: ClassVar = ["*.rrl"]
    mimetypes: ClassVar = ["text/x-rrl"]
    flags = re.NOFLAG
    tokens: ClassVar = _states(rules())
