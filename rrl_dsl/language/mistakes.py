"""Common mistakes of syntax, each told by what stands around it, and how it is mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from lark import Token

from rrl_dsl.grammar.arguments import ARGUMENTS
from rrl_dsl.language.diagnostics import Diagnostic, Edit, nearest
from rrl_dsl.language.edits import cut, without_argument
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import is_name, span_of, string_value

OPERATORS: Final = frozenset({"UNION", "INTERSECTION", "PLUS", "MINUS", "TIMES"})
_LITERALS = frozenset({"NUMBER", "STRING", "TRUE", "FALSE"})
_OPERAND_STARTS = _LITERALS | {"NAME", "LPAR", "COMPLEMENT"}
_STATEMENTS = frozenset({"RRL", "PARAM", "LET", "IMPORT", "CONTRAST"})
_RESERVED = _STATEMENTS | {"AS", "TRUE", "FALSE"}
_WORDS_OF_OPERATORS = {"or": "|", "and": "&", "union": "|", "intersect": "&"}
_LIKENESS = 0.7  # of a word that stands where only one of a few may stand


@dataclass(frozen=True)
class Place:
    """Where a statement stops to make sense.

    Attributes:
        tokens: Those of the statement.
        index: The first that does not fit.
        accepted: The terminals that would have.
        source: The text.
    """

    tokens: list[Token]
    index: int
    accepted: set[str]
    source: Source

    @property
    def token(self) -> Token:
        """The token that does not fit."""
        return self.tokens[self.index]

    @property
    def before(self) -> Token | None:
        """The token before it."""
        return self.tokens[self.index - 1] if self.index else None

    @property
    def after(self) -> Token | None:
        """The token after it."""
        return self.tokens[self.index + 1] if self.index + 1 < len(self.tokens) else None

    @property
    def keyword(self) -> str:
        """The type of the statement's first token."""
        return self.tokens[0].type

    @cached_property
    def opening(self) -> int | None:
        """The index of the innermost bracket that is open here."""
        level = 0
        for at in reversed(range(self.index)):
            level += (self.tokens[at].type == "RPAR") - (self.tokens[at].type == "LPAR")
            if level < 0:
                return at
        return None

    @property
    def called(self) -> str | None:
        """What is called, where this is between the brackets of a call."""
        if not self.opening or self.tokens[self.opening - 1].type != "NAME":
            return None
        return str(self.tokens[self.opening - 1])

    def fault(
        self,
        message: str,
        hint: str | None = None,
        *edits: Edit,
        span: Span | None = None,
        code: str = "RRL008",
    ) -> Diagnostic:
        """An error at the token, or at another place."""
        place = span_of(self.token) if span is None else span
        return Diagnostic(code, message, place, self.source, hint, edits=edits)

    def insert_before(self, text: str) -> Edit:
        """Writes something in front of the token."""
        start = span_of(self.token).start
        return Edit(Span(start, start), text)


def recognised(place: Place) -> Diagnostic | None:
    """The mistake made at a place, if it is one of the common ones."""
    return next((fault for each in _MISTAKES if (fault := each(place)) is not None), None)


def _reserved_word(place: Place) -> Diagnostic | None:
    token, before = place.token, place.before
    if token.type not in _RESERVED or "NAME" not in place.accepted or before is None:
        return None
    message = f"`{token}` is a reserved word and cannot be a name"
    if before.type in ("LET", "PARAM", "AS"):
        other = f"{token.lower()}_"
        edit = Edit(span_of(token), other)
        return place.fault(message, f"another name: `{other}`", edit, code="RRL105")
    if before.type not in ("LPAR", "COMMA", "EQUAL"):
        return None
    if place.called and not (place.after and place.after.type == "EQUAL"):
        edit = Edit(span_of(token), f'"{token}"')
        return place.fault(message, f'write `"{token}"`', edit, code="RRL105")
    return place.fault(message, code="RRL105")


def _new_statement(place: Place) -> Diagnostic | None:
    token, before, after = place.token, place.before, place.after
    if token.type not in _STATEMENTS or before is None:
        return None
    if after is None or after.type not in _OPERAND_STARTS:
        message = f"`{token}` is a reserved word and cannot be a name"
        return place.fault(message, code="RRL105")
    message = f"`{token}` starts a statement, and this one has not ended"
    if place.opening is not None:
        return place.fault(message, "close the bracket, and start a new line")
    if before.type in OPERATORS:
        edits = cut(place.source, Span(span_of(before).start, span_of(token).start), "\n")
    else:
        edits = (place.insert_before("\n"),)
    return place.fault(message, "start a new line", *edits)


def _misspelt_keyword(place: Place) -> Diagnostic | None:
    """`lett a = …`, `const a = …`, `include "a.rrl"`, `contrasts all()`."""
    first, token, after = place.tokens[0], place.token, place.after
    if place.index != 1 or first.type != "NAME" or token.type not in ("NAME", "STRING", "NUMBER"):
        return None
    if first == "return":
        edits = cut(place.source, Span(span_of(first).start, span_of(token).start))
        message = "the graph of a recipe stands by itself"
        return place.fault(message, "remove `return`", *edits, span=span_of(first))
    if token.type == "STRING":
        meant: str | None = "import"
    elif token.type == "NAME" and after is not None and after.type == "EQUAL":
        meant = nearest(first, ["let", "param"]) or "let"
    elif token.type == "NAME":
        meant = nearest(first, ["let", "param", "contrast"], likeness=_LIKENESS)
    else:
        meant = nearest(first, ["rrl"], likeness=_LIKENESS - 0.1)
    if meant is None:
        return None
    message = f"`{first}` starts no statement"
    edit = Edit(span_of(first), meant)
    return place.fault(message, f"write `{meant}`", edit, span=span_of(first))


def _definition_without_keyword(place: Place) -> Diagnostic | None:
    first = place.tokens[0]
    if place.token.type != "EQUAL" or place.index != 1 or first.type != "NAME":
        return None
    span = span_of(first)
    return place.fault(
        "a definition starts with `let` or `param`",
        f"write `let {first} = …`",
        Edit(Span(span.start, span.start), "let "),
        span=span.to(span_of(place.token)),
    )


def _definition_without_sign(place: Place) -> Diagnostic | None:
    if place.accepted != {"EQUAL"} or place.token.type not in _OPERAND_STARTS:
        return None
    name = place.before
    assert name is not None
    end = span_of(name).end
    message = f"`=` is missing between `{name}` and `{place.token}`"
    return place.fault(message, "add `=`", Edit(Span(end, end), " ="), span=Span(end, end + 1))


def _parameter(place: Place) -> Diagnostic | None:
    """A `param` that is not set to a literal."""
    token = place.token
    ends = place.index == 3 or (place.index > 3 and token.type in OPERATORS)
    if place.keyword != "PARAM" or not ends:
        return None
    if token.type == "NAME" and place.after is None:
        message = f"a parameter is a number, a string, `true` or `false`, not the name `{token}`"
        return place.fault(message, f'write `"{token}"`', Edit(span_of(token), f'"{token}"'))
    name = place.tokens[1]
    message = "a parameter is a number, a string, `true` or `false`"
    hint = f"only `let` names an expression: `let {name} = …`"
    return place.fault(message, hint, Edit(span_of(place.tokens[0]), "let"))


def _import(place: Place) -> Diagnostic | None:
    token, span = place.token, span_of(place.token)
    if place.keyword != "IMPORT":
        return None
    if place.accepted == {"STRING"} and token.type == "NAME":
        quoted = f'"{token}.rrl"'
        return place.fault("a file stands in quotes", f"write `{quoted}`", Edit(span, quoted))
    if place.accepted == {"AS"} and token.type == "NAME":
        message = f"`as` is missing before `{token}`"
        return place.fault(message, "add `as`", place.insert_before("as "))
    if place.accepted == {"NAME"} and token.type == "STRING":
        name = string_value(token) or ""
        edits = (Edit(span, name),) if is_name(name) else ()
        return place.fault("a name stands without quotes", f"write `{name}`", *edits)
    return None


def _version(place: Place) -> Diagnostic | None:
    if place.keyword != "RRL" or place.index != 1:
        return None
    message = "`rrl` is followed by the number of the language version"
    span = span_of(place.token)
    last = [each for each in place.tokens if each.line == place.token.line][-1]
    edits = cut(place.source, span.to(span_of(last)), "1")
    return place.fault(message, "write `rrl 1`", *edits, span=span)


def _between_arguments(place: Place) -> Diagnostic | None:
    """A missing comma or `=` in a call."""
    token, before = place.token, place.before
    if before is None or "COMMA" not in place.accepted or token.type not in _OPERAND_STARTS:
        return None
    end = span_of(before).end
    span, gap = Span(end, end + 1), Span(end, end)
    if (fused := _fused_argument(place, before)) is not None:
        message = f"`=` is missing between `{fused}` and its value"
        at = span_of(before).start + len(fused)
        return place.fault(message, "add `=`", Edit(Span(at, at), "="), span=span_of(before))
    if "EQUAL" in place.accepted and _names_argument(place, before):
        message = f"`=` is missing between `{before}` and `{token}`"
        return place.fault(message, "add `=`", Edit(gap, "="), span=span)
    message = f"a comma is missing between `{before}` and `{token}`"
    return place.fault(message, "add `,`", Edit(gap, ","), span=span, code="RRL010")


def _fused_argument(place: Place, word: Token) -> str | None:
    """The name of the argument in `fpr0.05`, whose first digits were read as part of the name."""
    name = word.rstrip("0123456789")
    is_whole = place.token.type == "NUMBER" and word.end_pos == place.token.start_pos
    known = ARGUMENTS.get(place.called or "", "").split()
    return name if is_whole and name != word and name in known else None


def _names_argument(place: Place, word: Token) -> bool:
    """Whether a word in a call is the name of an argument rather than a value."""
    known = ARGUMENTS.get(place.called or "")
    if known is None:  # an imported recipe, or a misspelt built-in
        return place.token.type in _LITERALS
    return nearest(word, known.split(), likeness=_LIKENESS) is not None


def _value_left_out(place: Place) -> Diagnostic | None:
    before = place.before
    if before is None or place.called is None or place.token.type not in ("RPAR", "COMMA"):
        return None
    if before.type == "EQUAL":
        name = place.tokens[place.index - 2]
        message = f"`{name}=` has no value"
        edits = without_argument(place.tokens, place.index - 2, place.index - 1, place.source)
        span = span_of(name).to(span_of(before))
        return place.fault(message, f"give it one, or remove `{name}=`", *edits, span=span)
    if place.token.type == "COMMA" and before.type in ("LPAR", "COMMA"):
        message = f"an argument is missing between `{before}` and `,`"
        return place.fault(message, "remove the comma", Edit(span_of(place.token), ""))
    return None


def _comment_of_sql(place: Place) -> Diagnostic | None:
    for first, second in pairwise(place.tokens[max(0, place.index - 2) : place.index + 1]):
        if first.type == second.type == "MINUS" and first.end_pos == second.start_pos:
            span = span_of(first).to(span_of(second))
            message = "`--` is not part of the language"
            return place.fault(message, "a comment starts with `#`", Edit(span, "#"), span=span)
    return None


def _sign_twice(place: Place) -> Diagnostic | None:
    token, before = place.token, place.before
    if before is None or not token.type == before.type == "EQUAL":
        return None
    return place.fault("`=` stands twice", "remove one of them", Edit(span_of(token), ""))


def _called_twice(place: Place) -> Diagnostic | None:
    before, after = place.before, place.after
    empty = after is not None and after.type == "RPAR"
    if before is None or not (before.type == "RPAR" and place.token.type == "LPAR" and empty):
        return None
    assert after is not None
    span = span_of(place.token).to(span_of(after))
    message = "what a call gives is not called again"
    return place.fault(message, "remove `()`", *cut(place.source, span), span=span)


def _comma_between_graphs(place: Place) -> Diagnostic | None:
    token, after = place.token, place.after
    if token.type != "COMMA" or "UNION" not in place.accepted:
        return None
    message = "a comma stands only between the arguments of a call"
    if after is None or after.line != token.line:
        return place.fault(message, "remove it", Edit(span_of(token), ""))
    hint = "join graphs with `|`, as in `a | b`"
    return place.fault(message, hint, Edit(span_of(token), " |"))


def _call_without_brackets(place: Place) -> Diagnostic | None:
    """`near time, 5`."""
    token, before, after = place.token, place.before, place.after
    is_word = token.type == "NAME" and token not in ARGUMENTS
    holds = token.type in _LITERALS or (is_word and not (after and after.type == "LPAR"))
    if before is None or "UNION" not in place.accepted or before not in ARGUMENTS or not holds:
        return None
    last, level = place.index, 0
    for at in range(place.index, len(place.tokens)):
        each = place.tokens[at]
        level += (each.type == "LPAR") - (each.type == "RPAR")
        ends = each.line != token.line or (each.type in OPERATORS and each.type != "MINUS")
        if level < 0 or (level == 0 and ends):
            break
        last = at
    start, end = span_of(before).end, span_of(place.tokens[last]).end
    edits = (Edit(Span(start, span_of(token).start), "("), Edit(Span(end, end), ")"))
    message = f"`{before}` is a built-in, and its arguments stand in brackets"
    return place.fault(message, f"write `{before}(…)`", *edits, span=span_of(before))


def _operator_missing(place: Place) -> Diagnostic | None:
    token, before = place.token, place.before
    if before is None or token.type not in _OPERAND_STARTS or "UNION" not in place.accepted:
        return None
    if before == "not":
        span = Span(span_of(before).start, span_of(token).start)
        message, edits = "`not` is not part of the language", cut(place.source, span, "~")
        return place.fault(message, "write `~`", *edits, span=span_of(before))
    message = f"an operator is missing before `{token}`"
    sign = _WORDS_OF_OPERATORS.get(token.lower())
    if sign is not None:
        return place.fault(message, f"write `{sign}`", Edit(span_of(token), sign))
    if before.type == "NUMBER":
        return place.fault(message, "scale a graph with `*`", place.insert_before("* "))
    return place.fault(message, "join graphs with `|`, as in `a | b`", place.insert_before("| "))


def _operand_missing(place: Place) -> Diagnostic | None:
    token, before = place.token, place.before
    if token.type not in OPERATORS or "LPAR" not in place.accepted or "UNION" in place.accepted:
        return None
    if before is not None and before.type == token.type and before.end_pos == token.start_pos:
        span = span_of(before).to(span_of(token))
        message = f"`{before}{token}` is not part of the language"
        return place.fault(message, f"write `{token}`", Edit(span, str(token)), span=span)
    message = f"`{token}` has nothing on its left to work on"
    return place.fault(message, f"remove `{token}`", Edit(span_of(token), ""))


_MISTAKES: Final[tuple[Callable[[Place], Diagnostic | None], ...]] = (
    _reserved_word,
    _new_statement,
    _misspelt_keyword,
    _definition_without_keyword,
    _definition_without_sign,
    _parameter,
    _import,
    _version,
    _between_arguments,
    _value_left_out,
    _comment_of_sql,
    _sign_twice,
    _called_twice,
    _comma_between_graphs,
    _call_without_brackets,
    _operator_missing,
    _operand_missing,
)
"""What is looked for, in this order."""
