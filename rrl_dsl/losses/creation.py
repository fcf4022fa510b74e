"""Losses from text: a name with options, or a sum such as `dino + 1.0*ibot + 0.1*koleo`.

The text is a Python expression of names, options in parentheses, products with numbers, and sums. A
bare word as the value of an option is a string. A loss of another module is
`package.module:Class`.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

from pydantic import ValidationError

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, did_you_mean, error, folded, listing
from rrl_dsl.language.other_names import RENAMED, SETTINGS
from rrl_dsl.language.span import Source, Span
from rrl_dsl.losses.base import Loss
from rrl_dsl.losses.registry import find, names
from rrl_dsl.losses.sums import Sum

_SIGNS = "+*()"
_SEVERAL = re.compile(r"[\s,]")
_WORDS = {"true": True, "false": False}
_PLACE = re.compile(r"""("[^"]*"|'[^']*')|(?<=\w):(?=[^\W\d])""")


@dataclass(frozen=True)
class Term:
    """A term of a sum: its weight, the name of the loss, and its options.

    Attributes:
        at: Its span in the text of a sum; None for a name alone.
    """

    weight: float
    name: str
    options: Mapping[str, Any]
    at: tuple[Source, Span] | None = None

    def loss(self) -> Loss:
        """The loss with these options.

        Raises:
            RRLError: As `create`.
        """
        try:
            return _built(self.name, self.options)
        except RRLError as problem:
            if self.at is None:
                raise
            source, span = self.at
            raise RRLError(
                replace(diagnostic, source=source, span=span) for diagnostic in problem.diagnostics
            ) from None

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        name = f"{self.name}({options})" if options else self.name
        return name if self.weight == 1 else f"{self.weight!r}*{name}"


def create(name: str, **options: Any) -> Loss:
    """Returns a loss, or a weighted sum of losses.

    Args:
        name: A name, or a sum such as `dino + 0.1*koleo` or `simclr(temperature=0.1) + vicreg`.
        options: The options of a single loss. Options in parentheses take precedence. In a sum,
            options follow the names in parentheses.

    Raises:
        RRLError: As `find`; RRL408 for an invalid option, RRL423 for a sum that cannot be read.
    """
    weighted = tuple((term.weight, term.loss()) for term in read(name, options))
    if len(weighted) == 1 and weighted[0][0] == 1:
        return weighted[0][1]
    return Sum(weighted)


def read(text: str, options: Mapping[str, Any]) -> list[Term]:
    """Reads the terms of a text.

    Args:
        text: A name, or an expression.
        options: Further options, if the text is a single loss.

    Raises:
        RRLError: RRL408 if there are options beside a sum, RRL423 if it cannot be read.
    """
    source = Source(text, "loss")
    if not _is_sum(text):
        if _SEVERAL.search(text.strip()):
            message = "losses are added with `+`, and options follow a name in parentheses"
            raise _unreadable(source, Span(0, len(text)), message)
        return [Term(1.0, text, dict(options))]
    try:
        tree = ast.parse(_as_python(text.strip()), mode="eval").body
        terms = list(_Reader(source).terms(tree, 1.0))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unreadable(source, Span(0, len(text)), "this is not a sum of losses") from None
    if not options:
        return terms
    if len(terms) > 1 or terms[0].weight != 1:
        first = next(iter(options))
        message = f"`{text}` is a sum, and `{first}` could be an option of any of its losses"
        raise error(
            "RRL408",
            message,
            hint=f"write it after a name: `NAME({first}=…)`",
            settings=(f"loss.{first}",),
        )
    return [replace(terms[0], options={**terms[0].options, **options})]


def _built(name: str, options: Mapping[str, Any]) -> Loss:
    loss = find(name)
    known = {field.name for field in dataclasses.fields(loss)}
    options = {key if key in known else _current(key): value for key, value in options.items()}
    try:
        return loss(**options)
    except ValidationError as problems:
        raise RRLError(_refusals(name, loss, problems)) from None


def _current(option: str) -> str:
    """Returns the current name of an option, also for its name in the previous release."""
    return RENAMED.get(f"loss.{option}", option).removeprefix("loss.")


def _is_sum(text: str) -> bool:
    """Whether a text is more than the name of a loss."""
    return any(sign in text for sign in _SIGNS)


class _Reader:
    """Reads the nodes of one expression."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._shift = len(source.text) - len(source.text.lstrip())
        self._encoded = source.text.strip().encode()  # Python counts in bytes
        lines = self._encoded.splitlines(keepends=True)
        self._starts = list(accumulate(map(len, lines), initial=0))

    def terms(self, node: ast.expr, weight: float) -> Iterator[Term]:
        match node:
            case ast.BinOp(left, ast.Add(), right):
                yield from self.terms(left, weight)
                yield from self.terms(right, weight)
            case ast.BinOp(ast.Constant() as number, ast.Mult(), factor) | ast.BinOp(
                factor, ast.Mult(), ast.Constant() as number
            ):
                yield from self.terms(factor, self._weight(number, weight))
            case ast.Name() | ast.Attribute():
                yield self._term(weight, node, node, [])
            case ast.Call(ast.Name() | ast.Attribute() as name, [], keywords):
                yield self._term(weight, node, name, keywords)
            case ast.Call(ast.Name() | ast.Attribute(), [first, *_]):
                raise self._fault(first, "an option must be written `NAME=VALUE`")
            case ast.BinOp(_, ast.Sub(), _):
                raise self._fault(
                    node, "losses can only be added, and a name in a sum must not contain `-`"
                )
            case _:
                raise self._fault(node, "a sum consists of losses and of numbers times losses")

    def _weight(self, node: ast.Constant, before: float) -> float:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fault(node, "a weight must be a number")
        if not 0 < value < math.inf or not 0 < before * value < math.inf:
            raise self._fault(node, "a weight must be above 0 and finite")
        return before * value

    def _options(self, keywords: Sequence[ast.keyword]) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for keyword in keywords:
            if keyword.arg is None or keyword.arg in options:
                raise self._fault(keyword, "an option must have a name, and occur only once")
            options[keyword.arg] = self._option(keyword.value)
        return options

    def _option(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return _WORDS.get(node.id, node.id)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError):
            raise self._fault(node, "an option must be a number, a word, true or false") from None

    def _term(
        self, weight: float, node: ast.expr, name: ast.expr, keywords: Sequence[ast.keyword]
    ) -> Term:
        written = self._source.text[slice(*self._span(name))]
        if _is_sum(written):
            raise self._fault(node, "a loss must be a name, or `package.module:Class`")
        return Term(weight, written, self._options(keywords), (self._source, self._span(node)))

    def _fault(self, node: ast.expr | ast.keyword, message: str) -> RRLError:
        return _unreadable(self._source, self._span(node), message)

    def _span(self, node: ast.expr | ast.keyword) -> Span:
        end_line, end = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset + 1
        return Span(self._offset(node.lineno, node.col_offset), self._offset(end_line, end))

    def _offset(self, line: int, column: int) -> int:
        """The place in the text of a place in a line, which Python counts from 1, in bytes."""
        before = self._encoded[: self._starts[line - 1] + column]
        return self._shift + len(before.decode())


def _as_python(text: str) -> str:
    """`module:Class` as `module.Class`, and `my-loss` as `my_loss`: names of the same length."""
    for name in names():
        if "-" in name:
            whole = rf"(?<![\w-]){re.escape(name)}(?![\w-])"
            text = re.sub(whole, name.replace("-", "_"), text)
    return _PLACE.sub(lambda match: match[1] or ".", text)


def _unreadable(source: Source, span: Span, message: str) -> RRLError:
    hint = "write a sum like `dino + 1.0*ibot + 0.1*koleo`"
    return RRLError(Diagnostic("RRL423", message, span, source, hint))


def _refusals(name: str, loss: type[Loss], problems: ValidationError) -> Iterator[Diagnostic]:
    options = [field.name for field in dataclasses.fields(loss)]
    for problem in problems.errors():
        option = str(problem["loc"][0])
        setting = (f"loss.{option}",)
        if option not in options:
            meant = SETTINGS.get(folded(option), option).removeprefix("loss.")
            hint = did_you_mean(meant, options) or f"its options are {listing(options, 'and')}"
            message = f"the loss `{name}` has no option `{option}`"
            yield Diagnostic("RRL408", message, hint=hint, settings=setting)
        else:
            message = f"`{option}` of the loss `{name}` {_complaint(problem['msg'])}"
            message += f", not {problem['input']!r:.60}"
            yield Diagnostic("RRL408", message, settings=setting)


def _complaint(message: str) -> str:
    """Returns the message of pydantic as a part of a sentence."""
    message = message.removeprefix("Value error, ")
    return (message[0].lower() + message[1:]).removeprefix("input ")
