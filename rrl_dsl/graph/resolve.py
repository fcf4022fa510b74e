"""Syntax tree -> graph: the statements of a file, and the files it imports.

Every independent error of a file is reported. An expression with a reported error becomes `POISON`,
and no further error is reported for it.
"""

from __future__ import annotations

import numbers
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rrl_dsl.graph.algebra import Graph, contrasted
from rrl_dsl.graph.call import Transform
from rrl_dsl.graph.expressions import Expressions, literal
from rrl_dsl.graph.imports import Library
from rrl_dsl.graph.registry import registered
from rrl_dsl.graph.reports import replaced
from rrl_dsl.graph.symbols import POISON, Definition, Kind, Meaning, Poison, Resolution
from rrl_dsl.graph.types import Refusal, Scalar, described
from rrl_dsl.language import syntax
from rrl_dsl.language.diagnostics import Diagnostic, Edit, RRLError, nearest
from rrl_dsl.language.span import Span

_EXAMPLE = "ssl(views=2)"


def resolve(recipe: syntax.Recipe, params: Mapping[str, Scalar], library: Library) -> Resolution:
    """Resolves a parsed file, with all errors of its names, types and values.

    Args:
        recipe: The file.
        params: New values for its parameters.
        library: The files that it may import.
    """
    resolver = _Resolver(recipe, params, library)
    resolver.run()
    return resolver.resolution


class _Resolver:
    def __init__(
        self, recipe: syntax.Recipe, params: Mapping[str, Scalar], library: Library
    ) -> None:
        self.recipe = recipe
        self.params = params
        self.library = library
        self.resolution = Resolution()
        self.expressions = Expressions(recipe.source, self.resolution, library, self.import_with)
        self.report = self.expressions.report
        self.graphs = 0  # statements that parsed as the graph
        self.result: Meaning | None = None
        self.contrast: Meaning | None = None
        self.early: syntax.Contrast | None = None  # a contrast before the graph

    def run(self) -> None:
        statements = self.recipe.statements
        definitions = (syntax.Param, syntax.Let, syntax.Import)
        named = (statement for statement in statements if isinstance(statement, definitions))
        self.expressions.defined = {definition.name.text for definition in named}
        for index, statement in enumerate(statements):
            match statement:
                case syntax.Version():
                    self.version(statement, first=index == 0)
                case syntax.Param():
                    self.param(statement)
                case syntax.Let():
                    self.let(statement)
                case syntax.Import():
                    self.imported(statement)
                case syntax.Result():
                    self.graph(statement)
                case syntax.Contrast():
                    self.contrast_with(statement)
                case syntax.Broken():
                    self.broken(statement)
        self.unknown_params()
        if self.result is None:
            self.missing_graph()
        if isinstance(self.result, Graph) and not isinstance(self.contrast, Poison):
            self.resolution.graph = self.result
            if self.contrast is not None:
                self.resolution.graph = contrasted(self.result, self.contrast)

    # statements

    def version(self, statement: syntax.Version, *, first: bool) -> None:
        if not first:
            again = isinstance(self.recipe.statements[0], syntax.Version)
            hint = "remove it" if again else "move it to the first line"
            message = "`rrl` must be the first statement, and occur only once"
            self.report("RRL017", message, statement.span, hint)
        elif statement.number.value is not None and str(statement.number.value) != "1":
            number, span = statement.number.value, statement.number.span
            message = f"this release supports version 1 of the language, not {number}"
            self.report("RRL018", message, span, "write `rrl 1`", replaced(span, "1"))

    def param(self, statement: syntax.Param) -> None:
        if not self.may_define(statement.name):
            return
        name, value = statement.name.text, literal(statement.value)
        default = None if isinstance(value, Poison) else value
        span = None if name in self.params else statement.value.span
        if name in self.params and default is not None:
            given = self.params[name]
            value = given if self.same_type(name, default, given, statement.span) else POISON
        self.define(statement.name, "param", value, default=default, literal=span)

    def same_type(self, name: str, default: Scalar, given: Scalar, span: Span) -> bool:
        """Whether a parameter and its new value have the same type; reports an error if not."""
        kinds = (bool, str, numbers.Real)
        if all(isinstance(default, kind) == isinstance(given, kind) for kind in kinds):
            return True
        declared = f"the parameter `{name}` is declared as {described(default)}"
        self.report("RRL211", f"{declared} and cannot be {described(given)}", span)
        return False

    def let(self, statement: syntax.Let) -> None:
        value = self.expressions.value(statement.value)
        if self.may_define(statement.name):
            literals = syntax.Number | syntax.String | syntax.Boolean
            span = statement.value.span if isinstance(statement.value, literals) else None
            self.define(statement.name, "let", value, literal=span)

    def imported(self, statement: syntax.Import) -> None:
        if not self.may_define(statement.name):
            return
        written = statement.file.value
        meaning: Meaning = POISON
        target = None
        if written is not None:
            try:
                target = self.library.find(written, self.recipe.source)
                meaning = self.imported_graph(target, statement.file.span)
            except Refusal as refusal:
                self.expressions.refused(refusal, statement.file.span)
        self.define(statement.name, "import", meaning, target=target)

    def graph(self, statement: syntax.Result) -> None:
        value = self.expressions.value(statement.value)
        span = statement.span
        self.graphs += 1
        if self.graphs > 1:
            message = "a recipe must have only one graph, and this is a second one"
            hint = "join the two with `|`, or name the first with `let`"
            statements = self.recipe.statements
            at = bisect_left(statements, span.start, key=lambda other: other.span.start)
            follows = isinstance(statements[at - 1], syntax.Result)
            joined = follows and isinstance(value, Graph) and isinstance(self.result, Graph)
            edits = (Edit(Span(span.start, span.start), "| "),) if joined else ()
            value = self.report("RRL016", message, span, hint, edits)
        elif self.early is not None:
            message = "the contrast must come after the graph"
            self.report("RRL017", message, self.early.span, "move this below the graph")
        elif isinstance(value, Transform):
            message = "a recipe must be a graph, not a transform"
            hint = f"write `{_EXAMPLE} | {self.expressions.quoted(span, '…')}`"
            edits = (Edit(Span(span.start, span.start), f"{_EXAMPLE} | "),)
            value = self.report("RRL204", message, span, hint, edits)
        elif not isinstance(value, Graph | Poison):
            message = f"a recipe must be a graph, not {described(value)}"
            value = self.report("RRL210", message, span, f"a minimal recipe is `{_EXAMPLE}`")
        self.result = value

    def contrast_with(self, statement: syntax.Contrast) -> None:
        value = self.expressions.value(statement.value)
        if not self.graphs:
            self.early = self.early or statement
        if self.contrast is not None:
            message = "a recipe must have only one contrast, and this is a second one"
            value = self.report("RRL016", message, statement.span, "join the two with `|` or `&`")
        elif not isinstance(value, Graph | Poison):
            message = f"a contrast must be a graph, not {described(value)}"
            value = self.report("RRL201", message, statement.value.span)
        self.contrast = value

    def broken(self, statement: syntax.Broken) -> None:
        for name in statement.names - self.expressions.names.keys():
            self.expressions.names[name] = POISON
        if statement.kind == "definition" and not statement.names:
            self.expressions.lost = True
        if statement.kind == "contrast":
            self.contrast = POISON
        if statement.kind == "graph" or (
            statement.open and statement is self.recipe.statements[-1]
        ):
            self.result = POISON

    # definitions

    def may_define(self, name: syntax.Name) -> bool:
        if not name.valid:
            return False
        other = f"{name.text}_"
        if name.text in registered():
            message = f"`{name.text}` is a built-in and cannot be redefined"
            hint = f"use another name, such as `{other}`"
            uses = (use.span for use in syntax.names_in(self.recipe) if use.text == name.text)
            edits = tuple(Edit(span, other) for span in (name.span, *uses))
            self.report("RRL104", message, name.span, hint, edits)
            self.expressions.names[name.text] = POISON
            return False
        if name.text in self.expressions.names:
            self.report("RRL103", f"`{name.text}` is already defined", name.span, self.first(name))
            self.expressions.names[name.text] = POISON
            return False
        if self.graphs:
            message = "the graph must come after all definitions"
            self.report("RRL017", message, name.span, "move this above the graph")
        return True

    def first(self, name: syntax.Name) -> str | None:
        """The place of the first definition of a name, for a hint."""
        definition = self.resolution.definitions.get(name.text)
        if definition is None:  # the first definition has an error
            return None
        line, _ = self.recipe.source.position(definition.span.start)
        return f"the first is on line {line}"

    def define(self, name: syntax.Name, kind: Kind, meaning: Meaning, **known: Any) -> None:
        definition = Definition(name.text, kind, name.span, self.recipe.source, meaning, **known)
        self.resolution.definitions[name.text] = definition
        self.expressions.names[name.text] = meaning

    # imports

    def imported_graph(self, path: Path, span: Span) -> Meaning:
        """The graph of a file with its default parameters. Errors are reported in that file."""
        try:
            other = self.library.resolve(path, {}, resolve)
        except RRLError as problem:
            self.expressions.adopt(problem.diagnostics, span, path, span)
            return POISON
        self.resolution.files |= {path, *other.files}
        self.resolution.faults += other.faults
        return POISON if other.graph is None else other.graph

    def import_with(
        self,
        definition: Definition,
        params: Mapping[str, tuple[Scalar, syntax.Argument]],
        span: Span,
    ) -> Meaning:
        """The graph of an imported recipe with other parameters."""
        path = definition.target
        if path is None or isinstance(definition.meaning, Poison):
            return POISON
        known = self.library.resolve(path, {}, resolve).definitions
        parameters = {
            parameter.name: parameter.default
            for parameter in known.values()
            if parameter.kind == "param"
        }
        fit = [self.parameter_fits(definition, parameters, name, *params[name]) for name in params]
        if not all(fit):
            return POISON
        try:
            return self.graph_with(path, params, span)
        except Refusal as refusal:
            return self.expressions.refused(refusal, span)

    def parameter_fits(
        self,
        definition: Definition,
        parameters: Mapping[str, Scalar | None],
        name: str,
        value: Scalar,
        argument: syntax.Argument,
    ) -> bool:
        """Whether an imported recipe has this parameter with this type; reports an error if not."""
        default = parameters.get(name)
        if default is not None:
            return self.same_type(name, default, value, argument.value.span)
        meant = nearest(name, list(parameters))
        hint = f"did you mean `{meant}`?" if meant else _declared(parameters)
        message = f"the recipe `{definition.name}` has no parameter `{name}`"
        place = argument.name.span if argument.name else argument.span
        self.report("RRL106", message, place, hint, replaced(place, meant))
        return False

    def graph_with(
        self, path: Path, params: Mapping[str, tuple[Scalar, syntax.Argument]], span: Span
    ) -> Meaning:
        """The graph of a valid recipe with new parameters; reports errors at their values."""
        values = {name: value for name, (value, _) in params.items()}
        other = self.library.resolve(path, values, resolve)
        self.resolution.files |= other.files
        if other.graph is not None:
            return other.graph
        blamed = False
        for name, (value, argument) in params.items():
            alone = self.library.resolve(path, {name: value}, resolve)
            for fault in alone.faults:
                blamed = True
                message = f"{fault.message}, in `{path.name}`"
                self.report(fault.code, message, argument.value.span, fault.hint)
        for fault in () if blamed else other.faults:  # each parameter is valid alone
            self.report(fault.code, f"{fault.message}, in `{path.name}`", span, fault.hint)
        return POISON

    # reports

    def missing_graph(self) -> None:
        statements = self.recipe.statements
        end = statements[-1].span.end if statements else 0
        message = "this recipe has no graph"
        hint = f"end it with an expression, such as `{_EXAMPLE}`"
        self.report("RRL015", message, Span(end, end + 1), hint)

    def unknown_params(self) -> None:
        definitions = self.resolution.definitions
        known = [
            definition.name for definition in definitions.values() if definition.kind == "param"
        ]
        for name in self.params:
            if name in known or (name in self.expressions.names and name not in definitions):
                continue  # reported already: it has a name and no definition
            if name in definitions:
                kind = "an import" if definitions[name].kind == "import" else "a `let`"
                message = f"`{name}` is {kind}, not a parameter"
                hint = f"declare it with `param {name} = …`"
            else:
                file = self.recipe.source.file_name
                message = f"the recipe {f'`{file}` ' if file else ''}has no parameter `{name}`"
                meant = nearest(name, known)
                hint = f"did you mean `{meant}`?" if meant else _declared(known)
            fault = Diagnostic("RRL106", message, hint=hint, settings=(f"params.{name}",))
            self.resolution.faults.append(fault)


def _declared(parameters: Mapping[str, object] | list[str]) -> str:
    if parameters:
        return f"its parameters are {', '.join(parameters)}"
    return "declare one with `param NAME = VALUE`"
