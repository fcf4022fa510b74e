"""Common mistakes of syntax and their fixes, recognized by the tokens around them."""

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

OPERATORS: Final = frozenset({"UNION", "INTERSECTION", "PLUS", "MINUS", "TIMES", "COMPOSITION"})
_LITERALS = frozenset({"NUMBER", "STRING", "TRUE", "FALSE"})
_OPERAND_STARTS = _LITERALS | {"NAME", "LPAR", "COMPLEMENT"}
_STATEMENTS = frozenset({"RRL", "PARAM", "LET", "IMPORT", "CONTRAST"})
_RESERVED = _STATEMENTS | {"AS", "TRUE", "FALSE"}
_WORDS_OF_OPERATORS = {"or": "|", "and": "&", "union": "|", "intersect": "&"}
_LIKENESS = 0.7  # of a word to one of the few that fit


@dataclass(frozen=True)
class Context:
    """An unexpected token and the statement around it.

    Attributes:
        tokens: The tokens of the statement.
        index: The index of the unexpected token.
        accepted: The terminals that the parser accepts there.
        source: The text.
    """

    tokens: list[Token]
    index: int
    accepted: set[str]
    source: Source

    @property
    def token(self) -> Token:
        """The unexpected token."""
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
        """The index of the innermost bracket that is open at the token."""
        level = 0
        for at in reversed(range(self.index)):
            level += (self.tokens[at].type == "RPAR") - (self.tokens[at].type == "LPAR")
            if level < 0:
                return at
        return None

    @property
    def called(self) -> str | None:
        """The name of the call whose brackets contain the token; None outside of calls."""
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
        """Returns an error at the token, or at another span."""
        span = span_of(self.token) if span is None else span
        return Diagnostic(code, message, span, self.source, hint, edits=edits)

    def insert_before(self, text: str) -> Edit:
        """Returns an edit that inserts a text before the token."""
        start = span_of(self.token).start
        return Edit(Span(start, start), text)


def recognized(context: Context) -> Diagnostic | None:
    """Returns the error if it is one of the common mistakes, or None."""
    faults = (mistake(context) for mistake in _MISTAKES)
    return next((fault for fault in faults if fault is not None), None)


def _reserved_word(context: Context) -> Diagnostic | None:
    token, before = context.token, context.before
    if token.type not in _RESERVED or "NAME" not in context.accepted or before is None:
        return None
    message = f"`{token}` is a reserved word and cannot be a name"
    if before.type in ("LET", "PARAM", "AS"):
        other = f"{token.lower()}_"
        edit = Edit(span_of(token), other)
        return context.fault(message, f"use another name, such as `{other}`", edit, code="RRL105")
    if before.type not in ("LPAR", "COMMA", "EQUAL"):
        return None
    if context.called and not (context.after and context.after.type == "EQUAL"):
        edit = Edit(span_of(token), f'"{token}"')
        return context.fault(message, f'write `"{token}"`', edit, code="RRL105")
    return context.fault(message, code="RRL105")


def _new_statement(context: Context) -> Diagnostic | None:
    token, before, after = context.token, context.before, context.after
    if token.type not in _STATEMENTS or before is None:
        return None
    if after is None or after.type not in _OPERAND_STARTS:
        message = f"`{token}` is a reserved word and cannot be a name"
        return context.fault(message, code="RRL105")
    message = f"`{token}` starts a new statement, but this one is not finished"
    if context.opening is not None:
        return context.fault(message, "close the bracket, and start a new line")
    if before.type in OPERATORS:
        edits = cut(context.source, Span(span_of(before).start, span_of(token).start), "\n")
    else:
        edits = (context.insert_before("\n"),)
    return context.fault(message, "start a new line", *edits)


def _misspelled_keyword(context: Context) -> Diagnostic | None:
    """`lett a = …`, `const a = …`, `include "a.rrl"`, `contrasts all()`."""
    first, token, after = context.tokens[0], context.token, context.after
    if context.index != 1 or first.type != "NAME" or token.type not in ("NAME", "STRING", "NUMBER"):
        return None
    if first == "return":
        edits = cut(context.source, Span(span_of(first).start, span_of(token).start))
        message = "the graph of a recipe needs no `return`"
        return context.fault(message, "remove `return`", *edits, span=span_of(first))
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
    message = f"`{first}` does not start a statement"
    edit = Edit(span_of(first), meant)
    return context.fault(message, f"write `{meant}`", edit, span=span_of(first))


def _definition_without_keyword(context: Context) -> Diagnostic | None:
    first = context.tokens[0]
    if context.token.type != "EQUAL" or context.index != 1 or first.type != "NAME":
        return None
    span = span_of(first)
    return context.fault(
        "a definition must start with `let` or `param`",
        f"write `let {first} = …`",
        Edit(Span(span.start, span.start), "let "),
        span=span.to(span_of(context.token)),
    )


def _definition_without_sign(context: Context) -> Diagnostic | None:
    if context.accepted != {"EQUAL"} or context.token.type not in _OPERAND_STARTS:
        return None
    name = context.before
    assert name is not None
    end = span_of(name).end
    message = f"`=` is missing between `{name}` and `{context.token}`"
    return context.fault(message, "add `=`", Edit(Span(end, end), " ="), span=Span(end, end + 1))


def _parameter(context: Context) -> Diagnostic | None:
    """A `param` whose value is not a literal."""
    token = context.token
    ends = context.index == 3 or (context.index > 3 and token.type in OPERATORS)
    if context.keyword != "PARAM" or not ends:
        return None
    if token.type == "NAME" and context.after is None:
        message = (
            f"a parameter must be a number, a string, `true` or `false`, not the name `{token}`"
        )
        return context.fault(message, f'write `"{token}"`', Edit(span_of(token), f'"{token}"'))
    name = context.tokens[1]
    message = "a parameter must be a number, a string, `true` or `false`"
    hint = f"use `let` to name an expression: `let {name} = …`"
    return context.fault(message, hint, Edit(span_of(context.tokens[0]), "let"))


def _import(context: Context) -> Diagnostic | None:
    token, span = context.token, span_of(context.token)
    if context.keyword != "IMPORT":
        return None
    if context.accepted == {"STRING"} and token.type == "NAME":
        quoted = f'"{token}.rrl"'
        return context.fault(
            "a file name must be in quotes", f"write `{quoted}`", Edit(span, quoted)
        )
    if context.accepted == {"AS"} and token.type == "NAME":
        message = f"`as` is missing before `{token}`"
        return context.fault(message, "add `as`", context.insert_before("as "))
    if context.accepted == {"NAME"} and token.type == "STRING":
        name = string_value(token) or ""
        edits = (Edit(span, name),) if is_name(name) else ()
        return context.fault("a name must not be in quotes", f"write `{name}`", *edits)
    return None


def _version(context: Context) -> Diagnostic | None:
    if context.keyword != "RRL" or context.index != 1:
        return None
    message = "`rrl` must be followed by the number of the language version"
    span = span_of(context.token)
    last = [token for token in context.tokens if token.line == context.token.line][-1]
    edits = cut(context.source, span.to(span_of(last)), "1")
    return context.fault(message, "write `rrl 1`", *edits, span=span)


def _between_arguments(context: Context) -> Diagnostic | None:
    """A missing comma or `=` in a call."""
    token, before = context.token, context.before
    if before is None or "COMMA" not in context.accepted or token.type not in _OPERAND_STARTS:
        return None
    end = span_of(before).end
    span, gap = Span(end, end + 1), Span(end, end)
    if (fused := _fused_argument(context, before)) is not None:
        message = f"`=` is missing between `{fused}` and its value"
        at = span_of(before).start + len(fused)
        return context.fault(message, "add `=`", Edit(Span(at, at), "="), span=span_of(before))
    if "EQUAL" in context.accepted and _names_argument(context, before):
        message = f"`=` is missing between `{before}` and `{token}`"
        return context.fault(message, "add `=`", Edit(gap, "="), span=span)
    message = f"a comma is missing between `{before}` and `{token}`"
    return context.fault(message, "add `,`", Edit(gap, ","), span=span, code="RRL010")


def _fused_argument(context: Context, word: Token) -> str | None:
    """The name of the argument in `fpr0.05`, where the lexer takes `fpr0` as a name."""
    name = word.rstrip("0123456789")
    is_whole = context.token.type == "NUMBER" and word.end_pos == context.token.start_pos
    known = ARGUMENTS.get(context.called or "", "").split()
    return name if is_whole and name != word and name in known else None


def _names_argument(context: Context, word: Token) -> bool:
    """Whether a word in a call is the name of an argument rather than a value."""
    known = ARGUMENTS.get(context.called or "")
    if known is None:  # an imported recipe, or a misspelled built-in
        return context.token.type in _LITERALS
    return nearest(word, known.split(), likeness=_LIKENESS) is not None


def _value_left_out(context: Context) -> Diagnostic | None:
    before = context.before
    if before is None or context.called is None or context.token.type not in ("RPAR", "COMMA"):
        return None
    if before.type == "EQUAL":
        name = context.tokens[context.index - 2]
        message = f"`{name}=` has no value"
        edits = without_argument(
            context.tokens, context.index - 2, context.index - 1, context.source
        )
        span = span_of(name).to(span_of(before))
        return context.fault(message, f"add a value, or remove `{name}=`", *edits, span=span)
    if context.token.type == "COMMA" and before.type in ("LPAR", "COMMA"):
        message = f"an argument is missing between `{before}` and `,`"
        return context.fault(message, "remove the comma", Edit(span_of(context.token), ""))
    return None


def _comment_of_sql(context: Context) -> Diagnostic | None:
    for first, second in pairwise(context.tokens[max(0, context.index - 2) : context.index + 1]):
        if first.type == second.type == "MINUS" and first.end_pos == second.start_pos:
            span = span_of(first).to(span_of(second))
            message = "`--` is not part of the language"
            return context.fault(message, "a comment starts with `#`", Edit(span, "#"), span=span)
    return None


def _sign_twice(context: Context) -> Diagnostic | None:
    token, before = context.token, context.before
    if before is None or not token.type == before.type == "EQUAL":
        return None
    return context.fault("there are two `=`", "remove one of them", Edit(span_of(token), ""))


def _called_twice(context: Context) -> Diagnostic | None:
    before, after = context.before, context.after
    empty = after is not None and after.type == "RPAR"
    if before is None or not (before.type == "RPAR" and context.token.type == "LPAR" and empty):
        return None
    assert after is not None
    span = span_of(context.token).to(span_of(after))
    message = "the result of a call cannot be called"
    return context.fault(message, "remove `()`", *cut(context.source, span), span=span)


def _comma_between_graphs(context: Context) -> Diagnostic | None:
    token, after = context.token, context.after
    if token.type != "COMMA" or "UNION" not in context.accepted:
        return None
    message = "a comma is only allowed between the arguments of a call"
    if after is None or after.line != token.line:
        return context.fault(message, "remove it", Edit(span_of(token), ""))
    hint = "join graphs with `|`, as in `a | b`"
    return context.fault(message, hint, Edit(span_of(token), " |"))


def _call_without_brackets(context: Context) -> Diagnostic | None:
    """`near time, 5`."""
    token, before, after = context.token, context.before, context.after
    is_word = token.type == "NAME" and token not in ARGUMENTS
    holds = token.type in _LITERALS or (is_word and not (after and after.type == "LPAR"))
    if before is None or "UNION" not in context.accepted or before not in ARGUMENTS or not holds:
        return None
    last, level = context.index, 0
    for at in range(context.index, len(context.tokens)):
        current = context.tokens[at]
        level += (current.type == "LPAR") - (current.type == "RPAR")
        is_operator = current.type in OPERATORS and current.type != "MINUS"
        ends = current.line != token.line or is_operator
        if level < 0 or (level == 0 and ends):
            break
        last = at
    start, end = span_of(before).end, span_of(context.tokens[last]).end
    edits = (Edit(Span(start, span_of(token).start), "("), Edit(Span(end, end), ")"))
    message = f"`{before}` is a built-in, and its arguments must be in parentheses"
    return context.fault(message, f"write `{before}(…)`", *edits, span=span_of(before))


def _operator_missing(context: Context) -> Diagnostic | None:
    token, before = context.token, context.before
    if before is None or token.type not in _OPERAND_STARTS or "UNION" not in context.accepted:
        return None
    if before == "not":
        span = Span(span_of(before).start, span_of(token).start)
        message, edits = "`not` is not part of the language", cut(context.source, span, "~")
        return context.fault(message, "write `~`", *edits, span=span_of(before))
    message = f"an operator is missing before `{token}`"
    sign = _WORDS_OF_OPERATORS.get(token.lower())
    if sign is not None:
        return context.fault(message, f"write `{sign}`", Edit(span_of(token), sign))
    if before.type == "NUMBER":
        return context.fault(message, "scale a graph with `*`", context.insert_before("* "))
    return context.fault(
        message, "join graphs with `|`, as in `a | b`", context.insert_before("| ")
    )


def _operand_missing(context: Context) -> Diagnostic | None:
    token, before = context.token, context.before
    if token.type not in OPERATORS or "LPAR" not in context.accepted or "UNION" in context.accepted:
        return None
    if before is not None and before.type == token.type and before.end_pos == token.start_pos:
        span = span_of(before).to(span_of(token))
        message = f"`{before}{token}` is not part of the language"
        return context.fault(message, f"write `{token}`", Edit(span, str(token)), span=span)
    message = f"`{token}` has no operand on its left"
    return context.fault(message, f"remove `{token}`", Edit(span_of(token), ""))


_MISTAKES: Final[tuple[Callable[[Context], Diagnostic | None], ...]] = (
    _reserved_word,
    _new_statement,
    _misspelled_keyword,
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
"""The mistakes, in the order in which they are tried."""
