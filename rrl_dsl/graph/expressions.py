"""Expressions -> what they denote: names are looked up, calls bound, operators type-checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from rrl_dsl.graph import links
from rrl_dsl.graph.algebra import (
    Complement,
    Graph,
    Operator,
    apply,
    combine,
    mismatched,
    operand,
    times,
    unfinished,
)
from rrl_dsl.graph.call import Transform, compose
from rrl_dsl.graph.functions import make
from rrl_dsl.graph.mends import mends_of, without
from rrl_dsl.graph.registry import Signature, bind, lookup, signatures
from rrl_dsl.graph.reports import Reports, replaced
from rrl_dsl.graph.symbols import POISON, Definition, Meaning, Poison, Reference
from rrl_dsl.graph.types import Choice, Field, File, Refusal, Scalar, Type, described
from rrl_dsl.language import syntax
from rrl_dsl.language.diagnostics import (
    MAX_DIAGNOSTICS,
    RRLError,
    nearest,
)
from rrl_dsl.language.span import Span

_OF_THE_VALUE: Final = frozenset({"RRL202", "RRL301"})  # refusals of what an argument holds

_Places = dict[int | str | None, Span]
ImportWith = Callable[[Definition, Mapping[str, tuple[Scalar, syntax.Argument]], Span], Meaning]
"""The graph of an imported recipe with other parameters, each with where it is given."""


@dataclass
class Expressions(Reports):
    """Evaluates the expressions of one file, top to bottom.

    Attributes:
        import_with: What a call of an imported recipe denotes.
        names: What each name denotes that was defined so far, or was reported.
        defined: The names that the file defines anywhere.
    """

    import_with: ImportWith
    names: dict[str, Meaning] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)

    def value(self, node: syntax.Expression) -> Meaning:
        """What an expression denotes; `POISON` where something in it was reported."""
        match node:
            case syntax.Number() | syntax.String() | syntax.Boolean():
                return literal(node)
            case syntax.Group():
                return self.value(node.inner)
            case syntax.Name():
                return self.noted(node.span, self.name(node))
            case syntax.Call():
                return self.noted(node.span, self.call(node))
            case syntax.Complement():
                return self.complement(node)
            case syntax.Chain():
                return self.chain(node)

    # names

    def name(self, node: syntax.Name) -> Meaning:
        if node.text in self.names:
            self.refer(node)
            return self.names[node.text]
        if not node.valid:
            return POISON
        if node.text in signatures():
            message = f"`{node.text}` is a built-in and needs its parentheses"
            call = signatures()[node.text].shortest
            self.report("RRL108", message, node.span, f"write `{call}`", replaced(node.span, call))
        else:
            meant: str | None = None
            hint: str | None = None
            if node.text in self.defined:
                hint = "its definition comes first"
            elif len(self.found.faults) < MAX_DIAGNOSTICS:  # later ones are not shown
                meant = nearest(node.text, [*signatures(), *self.names])
                hint = f"did you mean `{meant}`?" if meant else None
            built_in = signatures().get(meant) if meant else None
            instead = built_in.shortest if built_in else meant
            self.report(
                "RRL101",
                f"`{node.text}` is not defined",
                node.span,
                hint,
                replaced(node.span, instead),
            )
        return POISON

    def refer(self, node: syntax.Name) -> None:
        """Notes that a defined name is used."""
        if node.text in self.found.definitions:
            reference = Reference(node.span, self.found.definitions[node.text])
            self.found.references.append(reference)

    # calls

    def call(self, node: syntax.Call) -> Meaning:
        definition = self.found.definitions.get(node.name.text)
        if definition is not None and definition.kind == "import":
            return self.imported(node, definition)
        known = self.names.get(node.name.text)
        if known is not None and not isinstance(known, Poison):
            self.refer(node.name)
            message = f"`{node.name.text}` is defined here and is not called"
            edits = replaced(node.span, node.name.text)
            self.report("RRL107", message, node.span, f"write `{node.name.text}`", edits)
            return POISON
        if not node.name.valid or (known is not None and node.name.text not in signatures()):
            return POISON
        try:
            suggest = len(self.found.faults) < MAX_DIAGNOSTICS
            signature = lookup(node.name.text, suggest=suggest)
        except Refusal as refusal:
            return self.refused(refusal, node.name.span)
        arguments = self.bound(node, signature)
        if arguments is None:
            return POISON
        return make(signature, arguments)

    def bound(self, node: syntax.Call, signature: Signature) -> Mapping[str, object] | None:
        """The arguments of a call, or None where something was reported."""
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
        poisoned = any(isinstance(each, Poison) for each in (*values, *keywords.values()))
        arguments, refusals = bind(signature, values, keywords)
        for each in refusals:
            at = each.at
            value = values[at] if isinstance(at, int) else keywords.get(at) if at else None
            known_fault = each.code in _OF_THE_VALUE and isinstance(value, Poison)
            if not (known_fault or (dropped and each.code == "RRL208")):
                place = places.get(each.at, node.span)
                self.report(each.code, each.message, place, each.hint, mends_of(each, node, place))
        return None if refusals or poisoned or dropped else arguments

    def arguments(
        self, node: syntax.Call
    ) -> tuple[list[syntax.Argument], dict[str, syntax.Argument], _Places, bool]:
        """Positional and named arguments, where each stands, and whether any was left out."""
        positional: list[syntax.Argument] = []
        named: dict[str, syntax.Argument] = {}
        places: _Places = {}
        dropped = False
        known = {each.name for each in signatures()[node.name.text].parameters}
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
                self.report(
                    "RRL207",
                    message,
                    argument.span,
                    "remove one of them",
                    (without(argument, node),),
                )
            else:
                unknown = argument.name.text not in known
                span = argument.name.span if unknown else argument.value.span
                places[argument.name.text] = span
                named[argument.name.text] = argument
        return positional, named, places, dropped

    def argument(self, node: syntax.Argument, wanted: Type | None) -> object:
        """An argument's value; a bare name may be a word where a field or a choice is wanted.

        Where nothing is known to be wanted, the argument itself is the error, not the word.
        """
        if isinstance(node.value, syntax.Name) and (
            wanted is None or isinstance(wanted, Field | Choice)
        ):
            return self.word(node.value)
        if isinstance(wanted, File):
            return self.file(node.value)
        return self.value(node.value)

    def word(self, node: syntax.Name) -> Meaning:
        """A bare name: the parameter of that name, or else the name itself."""
        definition = self.found.definitions.get(node.text)
        if definition is not None and definition.kind == "param":
            self.refer(node)
            return self.noted(node.span, definition.meaning)
        return node.text if node.valid else POISON

    def file(self, node: syntax.Expression) -> object:
        """The pairs of a file, whose path is relative to the recipe's folder."""
        if isinstance(node, syntax.Name) and node.valid and node.text not in self.names:
            quoted = f'"{node.text}.csv"'
            message = f"`{node.text}` is not defined, and a file is written in quotes"
            edits = replaced(node.span, quoted)
            self.report("RRL101", message, node.span, f"write `{quoted}`", edits)
            return POISON
        written, span = self.value(node), node.span
        if not isinstance(written, str):
            return written
        if self.source.directory is None and not Path(written).is_absolute():
            message = f'"{written}" is relative to a file, and this text is in none'
            hint = "save the recipe as a file, or give its directory"
            self.report("RRL024", message, span, hint)
            return POISON
        path = (self.source.directory or Path()) / written
        try:
            name = str(Path(self.source.name).parent / written)
            pairs = links.read(path, written, name)
        except RRLError as problem:
            self.adopt(problem.diagnostics, span)
            return POISON
        self.found.files.add(path)
        return pairs

    def imported(self, node: syntax.Call, definition: Definition) -> Meaning:
        """The graph of an imported recipe with other parameters."""
        self.refer(node.name)
        params: dict[str, tuple[Scalar, syntax.Argument]] = {}
        known = True
        for argument in node.arguments:
            if argument.name is None:
                message = f"`{node.name.text}` takes its parameters by name"
                hint = f"write `{node.name.text}(frac=0.5)`"
                self.report("RRL206", message, argument.span, hint)
                known = False
                continue
            value = self.parameter(argument.value)
            if argument.name.text in params:
                message = f"`{argument.name.text}` is given twice"
                self.report(
                    "RRL207",
                    message,
                    argument.span,
                    "remove one of them",
                    (without(argument, node),),
                )
                known = False
            elif isinstance(value, bool | int | float | str):
                params[argument.name.text] = value, argument
            else:
                known = False
                if not isinstance(value, Poison):
                    message = f"a parameter is a number, a string or a flag, not {described(value)}"
                    self.report("RRL202", message, argument.value.span)
        return self.import_with(definition, params, node.span) if known else POISON

    def parameter(self, node: syntax.Expression) -> Meaning:
        """The value of an imported recipe's parameter; an undefined bare name is a word."""
        if isinstance(node, syntax.Name) and node.text not in self.names:
            return self.word(node)
        return self.value(node)

    # operators

    def complement(self, node: syntax.Complement) -> Meaning:
        value = self.value(node.operand)
        if isinstance(value, Poison):
            return POISON
        if not isinstance(value, Graph):
            message = f"`~` complements a graph, not {described(value)}"
            self.report("RRL201", message, node.operand.span)
            return POISON
        try:
            return Complement(unfinished(value))
        except Refusal as refusal:
            return self.refused(refusal, node.span)

    def chain(self, node: syntax.Chain) -> Meaning:
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

    def flush(self, left: Meaning, sign: str, run: list[Graph]) -> Graph | Transform:
        assert isinstance(left, Graph | Transform)
        if run:
            assert isinstance(left, Graph)
            left = combine(cast(Operator, sign), left, *run)
            run.clear()
        return left

    def operands_fit(self, node: syntax.Chain, values: list[Meaning]) -> bool:
        """Whether each operand may stand where it does; every one that may not is reported."""
        fit = self.may_lead(node, values) and not any(isinstance(each, Poison) for each in values)
        for sign, value, place in zip(node.operators, values[1:], node.operands[1:], strict=True):
            if isinstance(value, Poison) or (sign == "|" and isinstance(value, Transform)):
                continue
            try:
                operand(cast(Operator, sign), value)
            except Refusal as refusal:
                if refusal.code == "RRL205":
                    inner = self.source.text[place.span.start : place.span.end]
                    self.refused(refusal, place.span, f"({inner} | threshold(0))")
                else:
                    self.refused(refusal, place.span)
                fit = False
        return fit

    def may_lead(self, node: syntax.Chain, values: list[Meaning]) -> bool:
        """Whether the first value may stand at the left end of a chain."""
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
                text = self.source.text
                swapped = f"{text[first.start : first.end]} | {text[span.start : span.end]}"
                self.report("RRL203", message, span, hint, replaced(span.to(first), swapped))
            return graph is None
        self.refused(mismatched(sign, left), span)
        return False

    def product(self, node: syntax.Chain, values: list[Meaning]) -> Meaning:
        if any(isinstance(each, Poison) for each in values):
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


def literal(node: syntax.Number | syntax.String | syntax.Boolean) -> Scalar | Poison:
    """What a literal denotes."""
    return POISON if node.value is None else node.value
