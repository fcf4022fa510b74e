"""Expressions -> their values: looks up names and checks the types of operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from rrl_dsl.graph.algebra import (
    Graph,
    Operator,
    apply,
    combine,
    complement,
    compose_graphs,
    mismatched,
    operand,
    scale,
)
from rrl_dsl.graph.call import Transform, compose
from rrl_dsl.graph.call_expressions import CallExpressions
from rrl_dsl.graph.registry import signatures
from rrl_dsl.graph.reports import replaced
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.symbols import POISON, Meaning, Poison
from rrl_dsl.graph.types import WEIGHT, Refusal, Scalar, described
from rrl_dsl.language import syntax
from rrl_dsl.language.diagnostics import MAX_DIAGNOSTICS, Edit, nearest
from rrl_dsl.language.edits import cut
from rrl_dsl.language.span import Span

_LIKENESS = 0.75  # the least likeness of a word and a suggested built-in


@dataclass
class Expressions(CallExpressions):
    """Evaluates the expressions of one file, top to bottom."""

    def value(self, node: syntax.Expression) -> Meaning:
        """The value of an expression; `POISON` if it has a reported error."""
        match node:
            case syntax.Number() | syntax.String() | syntax.Boolean():
                return literal(node)
            case syntax.Group():
                return self.value(node.inner)
            case syntax.Name():
                return self.name(node)
            case syntax.Call():
                return self.noted(node.span, self.call(node))
            case syntax.Complement():
                return self.complement(node)
            case syntax.Chain():
                return self.chain(node)

    def name(self, node: syntax.Name) -> Meaning:
        if node.text in self.names:
            return self.refer(node)
        if not node.valid:
            return POISON
        built_in = signatures().get(node.text)
        if built_in is not None:
            message = f"`{node.text}` is a built-in and needs its parentheses"
            call = built_in.shortest
            return self.report(
                "RRL108", message, node.span, f"write `{call}`", replaced(node.span, call)
            )
        if self.lost:
            return POISON
        message = f"`{node.text}` is not defined"
        if node.text in self.defined:
            return self.report("RRL101", message, node.span, "move its definition above this line")
        meant = self.meant_by(node.text)
        hint = f"did you mean `{meant}`?" if meant else None
        built_in = signatures().get(meant or "")
        instead = meant
        if built_in is not None:  # only the user knows its required arguments
            needs = any(parameter.required for parameter in built_in.parameters)
            instead = None if needs else built_in.shortest
        return self.report("RRL101", message, node.span, hint, replaced(node.span, instead))

    def meant_by(self, word: str) -> str | None:
        """The name, source or transform that is most similar to a word."""
        if len(self.resolution.faults) >= MAX_DIAGNOSTICS:  # later ones are not shown
            return None
        graphs = [
            signature.name for signature in signatures().values() if signature.kind != "schedule"
        ]
        return nearest(word, list(self.names)) or nearest(word, graphs, likeness=_LIKENESS)

    # operators

    def complement(self, node: syntax.Complement) -> Meaning:
        value = self.value(node.operand)
        if isinstance(value, Poison):
            return POISON
        if not isinstance(value, Graph):
            message = f"`~` takes a graph, not {described(value)}"
            return self.report("RRL201", message, node.operand.span)
        try:
            return complement(value)
        except Refusal as refusal:
            return self.refused(refusal, node.span)

    def chain(self, node: syntax.Chain) -> Meaning:
        values = [self.value(operand) for operand in node.operands]
        if node.operators[0] in "*@":
            return self.product(node, values)
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            return self.sum_of_numbers(node, cast(list[float], values))
        if not self.operands_fit(node, values):
            return POISON
        left = values[0]
        run: list[Graph] = []  # operands of one operator, joined at once to keep chains linear
        for index, (sign, value) in enumerate(zip(node.operators, values[1:], strict=True)):
            try:
                if sign == "|" and isinstance(value, Transform):
                    left = self.flush(left, node.operators[index - 1], run)
                    left = apply(left, value) if isinstance(left, Graph) else compose(left, value)
                    continue
                run.append(cast(Graph, value))
                if index + 1 == len(node.operators) or node.operators[index + 1] != sign:
                    left = self.flush(left, sign, run)
            except Refusal as refusal:
                return self.refused(refusal, node.operands[index + 1].span)
        return left

    def flush(self, left: Meaning, sign: str, run: list[Graph]) -> Graph | Transform:
        assert isinstance(left, Graph | Transform)
        if run:
            assert isinstance(left, Graph)
            left = combine(cast(Operator, sign), left, *run)
            run.clear()
        return left

    def operands_fit(self, node: syntax.Chain, values: list[Meaning]) -> bool:
        """Whether all operands fit their operators; reports those that do not."""
        fit = self.may_lead(node, values) and not any(isinstance(value, Poison) for value in values)
        for sign, value, place in zip(node.operators, values[1:], node.operands[1:], strict=True):
            if isinstance(value, Poison) or (sign == "|" and isinstance(value, Transform)):
                continue
            try:
                operand(cast(Operator, sign), value)
            except Refusal as refusal:
                inner = self.source.text[place.span.start : place.span.end]
                binary = f"({inner} | threshold(0))" if refusal.code == "RRL205" else None
                self.refused(refusal, place.span, binary)
                fit = False
        return fit

    def may_lead(self, node: syntax.Chain, values: list[Meaning]) -> bool:
        """Whether the first value may start a chain."""
        left, sign, span = values[0], node.operators[0], node.operands[0].span
        if isinstance(left, Graph | Poison):
            return True
        if isinstance(left, Transform) and sign == "|":
            graph = next((at for at, value in enumerate(values) if isinstance(value, Graph)), None)
            if graph is not None:
                name = left.calls[0].signature.name
                message = f"`{name}` is a transform and needs a graph on its left"
                span = span.to(node.operands[graph - 1].span)
                first = node.operands[graph].span
                hint = f"write `{self.quoted(first, 'graph')} | {self.quoted(span, f'{name}(…)')}`"
                moved = f"{self.source.text[first.start : first.end]} | "
                edits = (
                    Edit(Span(span.start, span.start), moved),
                    *cut(self.source, Span(span.end, first.end)),
                )
                self.report("RRL203", message, span, hint, edits)
            return graph is None
        self.refused(mismatched(sign, left), span)
        return False

    def sum_of_numbers(self, node: syntax.Chain, values: Sequence[float]) -> Poison:
        """Reports a chain of numbers with an operator other than `*`."""
        message = f"`{node.operators[0]}` takes two graphs, and these are numbers"
        hint, edits = None, replaced(node.span, None)
        if set(node.operators) <= {"+", "-"}:
            total = values[0]
            for sign, value in zip(node.operators, values[1:], strict=True):
                total += value if sign == "+" else -value
            hint, edits = f"write `{total:.12g}`", replaced(node.span, f"{total:.12g}")
        return self.report("RRL201", message, node.span, hint, edits)

    def product(self, node: syntax.Chain, values: list[Meaning]) -> Meaning:
        if any(isinstance(value, Poison) for value in values):
            return POISON
        result = values[0]
        for at, value in enumerate(values[1:], 1):
            try:
                product = compose_graphs if node.operators[at - 1] == "@" else _times
                result = product(result, value)
            except Refusal as refusal:
                left_is_odd = isinstance(result, Transform | bool | str)
                number_first = isinstance(value, Graph) and not isinstance(result, Graph)
                if left_is_odd or number_first or refusal.at == 0:
                    span = node.operands[0].span.to(node.operands[at - 1].span)
                else:
                    span = node.operands[at].span
                return self.refused(refusal, span)
        return result


def _times(left: object, right: object) -> Graph | Schedule | float:
    """The product of a number or schedule and a graph, or of a number and a number or schedule.

    Raises:
        Refusal: RRL201 for anything else, RRL301 if the result is out of range.
    """
    if isinstance(left, Graph):
        return scale(left, right)
    if isinstance(right, Graph):
        return scale(right, left)
    for value in (left, right):
        if isinstance(value, bool) or not isinstance(value, int | float | Schedule):
            raise Refusal("RRL201", f"`*` takes a number and a graph, not {described(value)}")
    if isinstance(left, Schedule) and isinstance(right, Schedule):
        raise Refusal("RRL201", "`*` takes a number and a graph, not two schedules")
    try:
        product: Any = left * right  # type: ignore[operator]
        for end in (product.start, product.end) if isinstance(product, Schedule) else (product,):
            if not abs(end) <= WEIGHT.high:
                raise Refusal("RRL301", f"this product is out of range: {end:.6g}")
    except OverflowError:  # an integer beyond float
        raise Refusal("RRL301", "this product is out of range") from None
    return product  # type: ignore[no-any-return]


def literal(node: syntax.Number | syntax.String | syntax.Boolean) -> Scalar | Poison:
    """The value of a literal."""
    return POISON if node.value is None else node.value
