"""Syntax tree -> graph: names are looked up, types are checked, parameters are substituted.

Every independent error of a file is reported. What depends on something already reported becomes
`POISON`, which nothing complains about twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from rrl_dsl.graph.algebra import (
    Call,
    Complement,
    Graph,
    Operator,
    Source,
    Transform,
    apply,
    combine,
    compose,
    operand,
    times,
)
from rrl_dsl.graph.registry import bind, lookup, signatures
from rrl_dsl.graph.types import Choice, Field, Refusal, Scalar, Type, described
from rrl_dsl.language import syntax
from rrl_dsl.language.diagnostics import MAX_DIAGNOSTICS, Diagnostic, did_you_mean
from rrl_dsl.language.span import Source as Text
from rrl_dsl.language.span import Span


class _Poison:
    """The value of what was already reported."""


POISON: Final = _Poison()

_OF_THE_VALUE = frozenset({"RRL202", "RRL301"})  # refusals that blame what an argument holds

_Places = dict[int | str | None, Span]
Value = Graph | Transform | bool | int | float | str | _Poison


def resolve(
    recipe: syntax.Recipe, params: Mapping[str, Scalar]
) -> tuple[Graph | None, list[Diagnostic]]:
    """The graph of a parsed file, or None, and every error of its names, types and values."""
    resolver = _Resolver(recipe.source, params)
    return resolver.recipe(recipe), resolver.faults


@dataclass
class _Resolver:
    source: Text
    params: Mapping[str, Scalar]
    faults: list[Diagnostic] = field(default_factory=list)
    parameters: dict[str, Value] = field(default_factory=dict)
    names: dict[str, Value] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)  # anywhere in the file

    def recipe(self, recipe: syntax.Recipe) -> Graph | None:
        """The graph of a whole file, or None where something was reported."""
        result: Value | None = None
        graphs = 0
        lets = [each for each in recipe.statements if isinstance(each, syntax.Param | syntax.Let)]
        self.defined = {each.name.text for each in lets}
        for index, statement in enumerate(recipe.statements):
            match statement:
                case syntax.Version():
                    again = isinstance(recipe.statements[0], syntax.Version)
                    self.version(statement, first=index == 0, again=again)
                case syntax.Param():
                    self.param(statement, late=graphs > 0)
                case syntax.Let():
                    self.let(statement, late=graphs > 0)
                case syntax.Result():
                    graphs += 1
                    result = self.result(statement, again=graphs > 1)
                case syntax.Broken(name=name):
                    if name is None:
                        result = POISON
                    else:
                        self.names[name] = POISON
        self.unknown_params()
        if result is None:
            self.missing_result(recipe)
        return result if isinstance(result, Graph) else None

    # statements

    def version(self, statement: syntax.Version, *, first: bool, again: bool) -> None:
        if not first:
            hint = "remove it" if again else "move it to the first line"
            self.report("RRL017", "`rrl` comes first, and once", statement.span, hint)
        elif statement.number.value not in (1, None):
            message = f"this release reads version 1 of the language, not {statement.number.value}"
            self.report("RRL018", message, statement.number.span, "write `rrl 1`")

    def param(self, statement: syntax.Param, *, late: bool) -> None:
        value: Value = _literal(statement.value)
        name = statement.name.text
        if not self.may_define(statement.name, late):
            return
        if name in self.params and not isinstance(value, _Poison):
            value = self.overridden(name, value, statement)
        self.parameters[name] = self.names[name] = value

    def overridden(self, name: str, value: Value, statement: syntax.Param) -> Value:
        given = self.params[name]
        if _sort(given) == _sort(value):
            return given
        message = f"the parameter `{name}` is {described(value)} and was given {described(given)}"
        self.report("RRL211", message, statement.span)
        return POISON

    def let(self, statement: syntax.Let, *, late: bool) -> None:
        value = self.value(statement.value)
        if self.may_define(statement.name, late):
            self.names[statement.name.text] = value

    def may_define(self, name: syntax.Name, late: bool) -> bool:
        if not name.valid:
            return False
        if name.text in signatures():
            message = f"`{name.text}` is a built-in and cannot be defined"
            self.report("RRL104", message, name.span, f"another name: `{name.text}_`")
            self.names[name.text] = POISON
            return False
        if name.text in self.names:
            self.report("RRL103", f"`{name.text}` is already defined", name.span)
            return False
        if late:
            message = "the graph comes last, after every definition"
            self.report("RRL017", message, name.span, "move this above the graph")
        return True

    def result(self, statement: syntax.Result, *, again: bool) -> Value:
        value = self.value(statement.value)
        if again:
            message = "a recipe has one graph, and this is another"
            hint = "join the two with `|`, or name the first with `let`"
            self.report("RRL016", message, statement.span, hint)
            return POISON
        if isinstance(value, Transform):
            message = "a recipe is a graph, and this is a transform"
            shown = value if len(value.calls) < 4 else "transform"
            self.report("RRL204", message, statement.span, f"write `ssl(views=2) | {shown}`")
            return POISON
        if not isinstance(value, Graph | _Poison):
            message = f"a recipe is a graph, and this is {described(value)}"
            self.report("RRL210", message, statement.span, "the smallest recipe is `ssl(views=2)`")
            return POISON
        return value

    def missing_result(self, recipe: syntax.Recipe) -> None:
        end = recipe.statements[-1].span.end if recipe.statements else 0
        message = "this recipe has no graph"
        hint = "end it with an expression, such as `ssl(views=2)`"
        self.report("RRL015", message, Span(end, end + 1), hint)

    def unknown_params(self) -> None:
        for name in self.params:
            if name not in self.parameters and name not in self.names:
                known = list(self.parameters)
                hint = did_you_mean(name, known) or (
                    f"its parameters are {', '.join(known)}"
                    if known
                    else "a recipe declares one with `param NAME = VALUE`"
                )
                fault = Diagnostic("RRL106", f"the recipe has no parameter `{name}`", hint=hint)
                self.faults.append(fault)

    # expressions

    def value(self, node: syntax.Expression) -> Value:
        match node:
            case syntax.Number() | syntax.String() | syntax.Boolean():
                return _literal(node)
            case syntax.Name():
                return self.name(node)
            case syntax.Call():
                return self.call(node)
            case syntax.Complement():
                return self.complement(node)
            case syntax.Chain():
                return self.chain(node)

    def name(self, node: syntax.Name) -> Value:
        if node.text in self.names:
            return self.names[node.text]
        if not node.valid:
            return POISON
        if node.text in signatures():
            message = f"`{node.text}` is a built-in and needs its parentheses"
            hint = f"write `{signatures()[node.text].shortest}`"
            self.report("RRL108", message, node.span, hint)
        else:
            hint = None
            if node.text in self.defined:
                hint = "its definition comes first"
            elif len(self.faults) < MAX_DIAGNOSTICS:  # later ones are not shown
                hint = did_you_mean(node.text, [*signatures(), *self.names])
            self.report("RRL101", f"`{node.text}` is not defined", node.span, hint)
        return POISON

    def call(self, node: syntax.Call) -> Value:
        known = self.names.get(node.name.text)
        if known is not None and not _is_poison(known):
            message = f"`{node.name.text}` is defined here and is not called"
            self.report("RRL107", message, node.span, f"write `{node.name.text}`")
            return POISON
        if not node.name.valid or (known is not None and node.name.text not in signatures()):
            return POISON
        try:
            signature = lookup(node.name.text, suggest=len(self.faults) < MAX_DIAGNOSTICS)
        except Refusal as refusal:
            return self.refused(refusal, node.name.span)
        positional, named, places, dropped = self.arguments(node)
        wanted = [parameter.type for parameter in signature.parameters if parameter.positional]
        by_name = {parameter.name: parameter.type for parameter in signature.parameters}
        values = [
            self.argument(argument, wanted[index] if index < len(wanted) else None)
            for index, argument in enumerate(positional)
        ]
        keywords = {
            name: self.argument(argument, by_name.get(name)) for name, argument in named.items()
        }
        poisoned = any(isinstance(each, _Poison) for each in (*values, *keywords.values()))
        arguments, refusals = bind(signature, values, keywords)
        for each in refusals:
            at = each.at
            value = values[at] if isinstance(at, int) else keywords.get(at) if at else None
            known_fault = each.code in _OF_THE_VALUE and isinstance(value, _Poison)
            if not (known_fault or (dropped and each.code == "RRL208")):
                self.refused(each, places.get(each.at, node.span))
        if refusals or poisoned or dropped:
            return POISON
        call = Call(signature, arguments)
        return Source(call) if signature.kind == "source" else Transform((call,))

    def arguments(
        self, node: syntax.Call
    ) -> tuple[list[syntax.Argument], dict[str, syntax.Argument], _Places, bool]:
        """Positional and named arguments, where each stands, and whether any was left out."""
        positional: list[syntax.Argument] = []
        named: dict[str, syntax.Argument] = {}
        places: _Places = {}
        dropped = False
        for argument in node.arguments:
            if argument.name is None:
                if named:
                    dropped = True
                    message = "a positional argument stands after a named one"
                    hint = "give this one by name as well"
                    self.report("RRL209", message, argument.span, hint)
                    continue
                places[len(positional)] = argument.span
                positional.append(argument)
            elif not argument.name.valid:
                dropped = True  # its spelling was reported
            elif argument.name.text in named:
                message = f"`{argument.name.text}` is given twice"
                self.report("RRL207", message, argument.span, "remove one of them")
            else:
                unknown = signatures()[node.name.text].parameter(argument.name.text) is None
                span = argument.name.span if unknown else argument.value.span
                places[argument.name.text] = span
                named[argument.name.text] = argument
        return positional, named, places, dropped

    def argument(self, node: syntax.Argument, wanted: Type | None) -> Value:
        """An argument's value; a bare name may be a word where a field or a choice is wanted.

        Where nothing is known to be wanted, the argument itself is the error, not the word.
        """
        bare = isinstance(node.value, syntax.Name)
        if bare and (wanted is None or isinstance(wanted, Field | Choice)):
            name = cast(syntax.Name, node.value)
            return self.parameters.get(name.text, name.text if name.valid else POISON)
        return self.value(node.value)

    def complement(self, node: syntax.Complement) -> Value:
        value = self.value(node.operand)
        if isinstance(value, _Poison):
            return POISON
        if not isinstance(value, Graph):
            message = f"`~` complements a graph, not {described(value)}"
            self.report("RRL201", message, node.operand.span)
            return POISON
        try:
            return Complement(value)
        except Refusal as refusal:
            return self.refused(refusal, node.span)

    def chain(self, node: syntax.Chain) -> Value:
        values = [self.value(operand) for operand in node.operands]
        if node.operators[0] == "*":
            return self.product(node, values)
        if not self.operands_fit(node, values):
            return POISON
        left = values[0]
        run: list[Graph] = []  # operands of one operator, joined in one go to keep chains linear
        for index, (sign, value) in enumerate(zip(node.operators, values[1:], strict=True)):
            try:
                if sign == "|" and isinstance(value, Transform):
                    left = self.flush(left, node.operators[index - 1], run)
                    if isinstance(left, Transform):
                        left = compose(left, value)
                    else:
                        left = apply(left, value)
                    continue
                run.append(cast(Graph, value))
                if index + 1 == len(node.operators) or node.operators[index + 1] != sign:
                    left = self.flush(left, sign, run)
            except Refusal as refusal:
                return self.refused(refusal, node.operands[index + 1].span)
        return left

    def flush(self, left: Value, sign: str, run: list[Graph]) -> Graph | Transform:
        assert isinstance(left, Graph | Transform)
        if run:
            assert isinstance(left, Graph)
            left = combine(cast(Operator, sign), left, *run)
            run.clear()
        return left

    def operands_fit(self, node: syntax.Chain, values: list[Value]) -> bool:
        """Whether each operand may stand where it does; every one that may not is reported."""
        fit = self.may_lead(node, values) and not any(map(_is_poison, values))
        for sign, value, place in zip(node.operators, values[1:], node.operands[1:], strict=True):
            if isinstance(value, _Poison) or (sign == "|" and isinstance(value, Transform)):
                continue
            try:
                operand(cast(Operator, sign), value)
            except Refusal as refusal:
                self.refused(refusal, place.span)
                fit = False
        return fit

    def may_lead(self, node: syntax.Chain, values: list[Value]) -> bool:
        """Whether the first value may stand at the left end of a chain."""
        left, sign, span = values[0], node.operators[0], node.operands[0].span
        if isinstance(left, Graph | _Poison):
            return True
        if isinstance(left, Transform) and sign == "|":
            graph = next((at for at, value in enumerate(values) if isinstance(value, Graph)), None)
            if graph is not None:
                name = left.calls[0].signature.name
                message = f"`{name}` is a transform and needs a graph on its left"
                span = span.to(node.operands[graph - 1].span)
                first = self.quoted(node.operands[graph].span, "graph")
                hint = f"write `{first} | {self.quoted(span, f'{name}(…)')}`"
                self.report("RRL203", message, span, hint)
            return graph is None
        self.report("RRL201", f"`{sign}` joins two graphs, not {described(left)}", span)
        return False

    def product(self, node: syntax.Chain, values: list[Value]) -> Value:
        if any(map(_is_poison, values)):
            return POISON
        result = values[0]
        for operand_node, value in zip(node.operands[1:], values[1:], strict=True):
            try:
                result = times(result, value)
            except Refusal as refusal:
                left_is_odd = isinstance(result, Transform | bool | str)
                number_first = isinstance(value, Graph) and not isinstance(result, Graph)
                at_fault = node.operands[0] if left_is_odd or number_first else operand_node
                return self.refused(refusal, at_fault.span)
        return result

    # reports

    def quoted(self, span: Span, otherwise: str) -> str:
        """What was written, for a hint; something else where it is long or fills several lines."""
        text = self.source.text[span.start : span.end]
        return text if len(text) <= 60 and text.isprintable() else otherwise

    def refused(self, refusal: Refusal, span: Span) -> _Poison:
        self.report(refusal.code, refusal.message, span, refusal.hint)
        return POISON

    def report(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.faults.append(Diagnostic(code, message, span, self.source, hint))


def _literal(node: syntax.Number | syntax.String | syntax.Boolean) -> Scalar | _Poison:
    return POISON if node.value is None else node.value


def _is_poison(value: Value) -> bool:
    return isinstance(value, _Poison)


def _sort(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    return "string" if isinstance(value, str) else "number"
