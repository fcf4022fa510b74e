"""Weighted sums of losses, and the text that says them: `dino + 1.0*ibot + 0.1*koleo`.

The text is an expression of Python: names of losses, with options in brackets where they have
some, numbers times losses, sums. A bare word as the value of an option is that word.
"""

from __future__ import annotations

import ast
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from rrl_dsl.backends.relation import Relation
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.language.span import Source, Span
from rrl_dsl.losses.base import OPTIONS, Loss
from rrl_dsl.losses.outputs import Output

_SIGNS = "+*()"
_WORDS = {"true": True, "false": False}


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Composite(Loss):
    """A loss that is a weighted sum of others, each of which takes what it wants."""

    @abstractmethod
    def terms(self) -> Sequence[tuple[float, Loss]]:
        """The weights and the losses."""

    def inputs(self) -> Mapping[str, Output]:
        """What the terms take, each by its output's name."""
        outputs = (each for _, term in self.terms() for each in term.inputs().values())
        return {output: output for output in outputs}

    def least_rows(self, width: int) -> int:
        """What the most demanding term wants."""
        return max(term.least_rows(width) for _, term in self.terms())

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """What each term leaves out."""
        return {
            f"{term.name()}/{reason}": share
            for _, term in self.terms()
            for reason, share in term.skipped(relation).items()
        }

    def __call__(
        self,
        relation: Relation | Tensor,
        z: Tensor,
        *,
        keys: Tensor | None = None,
        view: Tensor | None = None,
        **others: Tensor,
    ) -> Tensor:
        """The sum where every term takes the same embeddings; see `Loss.__call__`.

        Where they take different ones, use `over`.
        """
        values = [
            weight * term(relation, z, keys=keys, view=view, **others)
            for weight, term in self.terms()
        ]
        return torch.stack(values).sum()

    def value(
        self, relation: Relation, z: Tensor, keys: Tensor, *others: Any, **named: Any
    ) -> Tensor:
        """As a call."""
        return self(relation, z, keys=keys, **named)

    def over(
        self,
        relation: Relation | Tensor,
        outputs: Mapping[Output, Tensor],
        columns: Mapping[Output, Tensor] | None = None,
    ) -> Tensor:
        """The sum, each term over the outputs that it takes."""
        values = [weight * term.over(relation, outputs, columns) for weight, term in self.terms()]
        return torch.stack(values).sum()


class Sum(Composite):
    """A sum that a user wrote."""

    def __init__(self, terms: Sequence[tuple[float, Loss]]) -> None:
        """A sum.

        Args:
            terms: Weights and losses, at least one.
        """
        object.__setattr__(self, "_terms", tuple(terms))

    def terms(self) -> Sequence[tuple[float, Loss]]:
        """The weights and the losses."""
        found: Sequence[tuple[float, Loss]] = self._terms  # type: ignore[attr-defined]
        return found


def is_sum(text: str) -> bool:
    """Whether a text is more than the name of a loss."""
    return any(sign in text for sign in _SIGNS)


def parse_sum(text: str, options: Mapping[str, Any]) -> Loss:
    """The loss that an expression says; a single loss where it is one.

    Args:
        text: The expression.
        options: Must be empty: options stand behind the names.

    Raises:
        RRLError: RRL423 where it cannot be read, else as `create`, with the place in the text.
    """
    if options:
        first = next(iter(options))
        message = f"`{text}` is a sum, and `{first}` could be an option of each of its losses"
        raise error("RRL408", message, hint=f"write it behind a name: `NAME({first}=…)`")
    source = Source(text, "loss")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unreadable(source, Span(0, len(text)), "this is no sum of losses") from None
    shift = len(text) - len(text.lstrip())
    terms = list(_Reader(source, shift).terms(tree, 1.0))
    if len(terms) == 1 and terms[0][0] == 1.0:
        return terms[0][1]
    return Sum(terms)


class _Reader:
    """Reads the nodes of one expression."""

    def __init__(self, source: Source, shift: int) -> None:
        self._source = source
        self._shift = shift

    def terms(self, node: ast.expr, weight: float) -> Iterator[tuple[float, Loss]]:
        match node:
            case ast.BinOp(left, ast.Add(), right):
                yield from self.terms(left, weight)
                yield from self.terms(right, weight)
            case ast.BinOp(ast.Constant() as number, ast.Mult(), factor) | ast.BinOp(
                factor, ast.Mult(), ast.Constant() as number
            ):
                yield from self.terms(factor, weight * self._weight(number))
            case ast.Name(name):
                yield weight, self._loss(node, name, {})
            case ast.Call(ast.Name(name), [], keywords):
                options = {str(each.arg): self._option(each.value) for each in keywords}
                yield weight, self._loss(node, name, options)
            case _:
                raise self._fault(node, "a sum is made of losses, and of numbers times losses")

    def _weight(self, node: ast.Constant) -> float:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fault(node, "a weight is a number")
        if not 0 < value < math.inf:
            raise self._fault(node, "a weight is above 0 and finite")
        return float(value)

    def _option(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return _WORDS.get(node.id, node.id)
        try:
            return ast.literal_eval(node)
        except ValueError:
            raise self._fault(node, "an option is a number, a word, true or false") from None

    def _loss(self, node: ast.expr, name: str, options: dict[str, Any]) -> Loss:
        from rrl_dsl.losses.registry import create

        try:
            return create(name, **options)
        except RRLError as problem:
            span = self._span(node)
            raise RRLError(
                replace(each, source=self._source, span=span) for each in problem.diagnostics
            ) from None

    def _fault(self, node: ast.expr, message: str) -> RRLError:
        return _unreadable(self._source, self._span(node), message)

    def _span(self, node: ast.expr) -> Span:
        start, end = node.col_offset, node.end_col_offset or node.col_offset + 1
        encoded = self._source.text[self._shift :].encode()  # Python counts in bytes
        return Span(
            self._shift + len(encoded[:start].decode()), self._shift + len(encoded[:end].decode())
        )


def _unreadable(source: Source, span: Span, message: str) -> RRLError:
    hint = "write a sum like `dino + 1.0*ibot + 0.1*koleo`"
    return RRLError(Diagnostic("RRL423", message, span, source, hint))
