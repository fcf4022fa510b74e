"""Calls of built-ins and of imported recipes -> their values, with checked arguments."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rrl_dsl.graph.algebra import Called
from rrl_dsl.graph.builtin import make
from rrl_dsl.graph.call import Transform
from rrl_dsl.graph.imports import Library
from rrl_dsl.graph.registry import Parameter, Signature, bind, fits, lookup, signatures
from rrl_dsl.graph.reports import Reports, edits_of, named, replaced, without
from rrl_dsl.graph.symbols import POISON, Definition, Meaning, Poison, Reference
from rrl_dsl.graph.types import Choice, Field, File, Flag, Refusal, Scalar, described
from rrl_dsl.language import syntax
from rrl_dsl.language.diagnostics import MAX_DIAGNOSTICS, Edit, RRLError, nearest
from rrl_dsl.language.span import Span

_OF_THE_VALUE = frozenset({"RRL202", "RRL301"})  # refusals of the value of an argument
_FLAGS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}

_Spans = dict[int | str | None, Span]
ImportWith = Callable[[Definition, Mapping[str, tuple[Scalar, syntax.Argument]], Span], Meaning]
"""The graph of an imported recipe with other parameters, each with its argument."""


@dataclass
class CallExpressions(Reports):
    """Evaluates the calls of one file.

    Attributes:
        library: The files that it may read.
        import_with: Evaluates a call of an imported recipe.
        names: Name -> its value, for names that are defined or reported so far.
        defined: The names that the file defines anywhere.
        lost: Whether the name of a definition does not parse; an unknown name may be this one.
    """

    library: Library
    import_with: ImportWith
    names: dict[str, Meaning] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)
    lost: bool = False

    @abstractmethod
    def value(self, node: syntax.Expression) -> Meaning:
        """The value of an expression; `POISON` if it has a reported error."""

    def refer(self, node: syntax.Name) -> Meaning:
        """The value of a defined name; records the reference."""
        if node.text in self.resolution.definitions:
            reference = Reference(node.span, self.resolution.definitions[node.text])
            self.resolution.references.append(reference)
        return self.noted(node.span, self.names[node.text])

    def call(self, node: syntax.Call) -> Meaning:
        """The value of a call."""
        definition = self.resolution.definitions.get(node.name.text)
        if definition is not None and definition.kind == "import":
            return self.imported(node, definition)
        known = self.names.get(node.name.text)
        if known is not None and not isinstance(known, Poison):
            self.refer(node.name)
            message = f"`{node.name.text}` is defined in this recipe and cannot be called"
            edits = replaced(node.span, node.name.text)
            return self.report("RRL107", message, node.span, f"write `{node.name.text}`", edits)
        reported = known is not None or self.lost
        if not node.name.valid or (reported and node.name.text not in signatures()):
            return self.unknown_call(node)
        try:
            suggest = len(self.resolution.faults) < MAX_DIAGNOSTICS  # later ones are not shown
            imports = [
                definition.name
                for definition in self.resolution.definitions.values()
                if definition.kind == "import"
            ]
            signature = lookup(node.name.text, others=imports, suggest=suggest)
        except Refusal as refusal:
            self.refused(refusal, node.name.span)
            return self.unknown_call(node)
        arguments = self.bound(node, signature)
        return POISON if arguments is None else self.made(node, signature, arguments)

    def made(
        self, node: syntax.Call, signature: Signature, arguments: Mapping[str, object]
    ) -> Meaning:
        """The value of a call with bound arguments. A built-in of another package may fail."""
        value = make(signature, arguments)
        if signature.is_foreign and isinstance(value, Called | Transform):
            (call,) = value.calls if isinstance(value, Transform) else (value.call,)
            try:
                call.facts  # noqa: B018  (calls its function)
            except RRLError as problem:
                (fault,) = problem.diagnostics
                return self.report(fault.code, fault.message, node.span, fault.hint)
        return value

    def unknown_call(self, node: syntax.Call) -> Poison:
        """Reports the errors in the arguments of a call of an unknown name."""
        for argument in node.arguments:
            if not isinstance(argument.value, syntax.Name):
                self.value(argument.value)
        return POISON

    def bound(self, node: syntax.Call, signature: Signature) -> Mapping[str, object] | None:
        """The arguments of a call, or None if they have errors."""
        given, spans, dropped = self.arguments(node, signature)
        slots = (parameter for parameter in signature.parameters if parameter.positional)
        parameters: dict[int | str, Parameter] = dict(enumerate(slots))
        parameters.update((parameter.name, parameter) for parameter in signature.parameters)
        values: dict[int | str | None, object] = {
            key: self.argument(argument, parameters.get(key), node)
            for key, argument in given.items()
        }
        poisoned = any(isinstance(value, Poison) for value in values.values())
        positional = [value for key, value in values.items() if isinstance(key, int)]
        keywords = {key: value for key, value in values.items() if isinstance(key, str)}
        arguments, refusals = bind(signature, positional, keywords)
        for refusal in refusals:
            poison = isinstance(values.get(refusal.at), Poison)
            if (poison and refusal.code in _OF_THE_VALUE) or (dropped and refusal.code == "RRL208"):
                continue
            place = spans.get(refusal.at, node.span)
            written = None if refusal.at is None else given.get(refusal.at)
            definition = None if written is None else self.defined_by(written.value)
            hint, edits = refusal.hint, edits_of(refusal, node, given, place, self.source)
            if refusal.code in _OF_THE_VALUE and definition is not None:
                edits = self.set_to(definition, refusal)
            if refusal.code == "RRL206" and (number := self.decimal_comma(node, place)):
                hint, edits = f"write `{number.text}`", (number,)
            self.report(refusal.code, refusal.message, place, hint, edits)
        return None if refusals or poisoned or dropped else arguments

    def set_to(self, definition: Definition, refusal: Refusal) -> tuple[Edit, ...]:
        """The fix of an invalid value that comes from a definition."""
        text = refusal.replacement
        if definition.literal is None or text is None:
            return ()
        is_word = refusal.code == "RRL301" and isinstance(definition.meaning, str)
        return replaced(definition.literal, f'"{text}"' if is_word else text)

    def decimal_comma(self, call: syntax.Call, surplus: Span) -> Edit | None:
        """The fix of `0,5`, if the `5` is a surplus argument."""
        before = [given.span for given in call.arguments if given.span.end < surplus.start]
        span = before[-1].to(surplus) if before else surplus
        text = self.source.text[span.start : span.end]
        is_number = re.fullmatch(r"\d+,\d+", text, re.ASCII)
        return Edit(span, text.replace(",", ".")) if is_number else None

    def defined_by(self, node: syntax.Expression) -> Definition | None:
        """The definition of a bare name."""
        return self.resolution.definitions.get(node.text) if isinstance(node, syntax.Name) else None

    def arguments(
        self, node: syntax.Call, signature: Signature
    ) -> tuple[dict[int | str, syntax.Argument], _Spans, bool]:
        """The arguments by position or name, their spans, and whether any is dropped."""
        given: dict[int | str, syntax.Argument] = {}
        spans: _Spans = {}
        dropped = after_a_name = False
        for argument in node.arguments:
            if argument.name is None and after_a_name:
                dropped = True
                self.after_named(node, argument)
            elif argument.name is None:
                spans[len(given)] = argument.span
                given[len(given)] = argument
            elif not argument.name.valid:
                dropped = True  # its spelling was reported
            elif argument.name.text in given:
                self.given_twice(node, argument, argument.name)
            else:
                unknown = signature.parameter(argument.name.text) is None
                span = argument.name.span if unknown else argument.value.span
                spans[argument.name.text] = span
                given[argument.name.text] = argument
                after_a_name = True
        return given, spans, dropped

    def after_named(self, node: syntax.Call, argument: syntax.Argument) -> None:
        """Reports a positional argument after a named one."""
        written = argument.value
        value = written.text if isinstance(written, syntax.Name) else self.value(written)
        meant = next(
            (parameter.name for parameter in _free(node, argument) if fits(parameter, value)), None
        )
        message = "a positional argument follows a named one"
        hint = "pass this one by name as well" + (f", `{meant}=`" if meant else "")
        edits = (named(argument, meant),) if meant else ()
        self.report("RRL209", message, argument.span, hint, edits)

    def given_twice(self, node: syntax.Call, argument: syntax.Argument, name: syntax.Name) -> None:
        """Reports an argument whose name occurred before."""
        message = f"`{name.text}` is given twice"
        edits = without(argument, node, self.source)
        self.report("RRL207", message, argument.span, "remove one of them", edits)

    # what an argument holds

    def argument(
        self, node: syntax.Argument, parameter: Parameter | None, call: syntax.Call
    ) -> object:
        """The value of an argument. A bare name is a word if the parameter is a field or a choice.

        Without a parameter, it is a word too, because the argument is the error, not its value.
        """
        wanted = None if parameter is None else parameter.type
        value = node.value
        while isinstance(value, syntax.Group):
            value = value.inner
        if isinstance(wanted, Field | Choice) and isinstance(value, syntax.Call):
            return self.called_word(value, wanted)
        if isinstance(wanted, File):
            return self.file(value)
        if not isinstance(value, syntax.Name):
            return self.value(value)
        if parameter is None or isinstance(wanted, Field | Choice):
            return self.word(value)
        if value.text in self.names or not value.valid:
            return self.value(value)
        return self.undefined(node, value, parameter, call)

    def called_word(self, node: syntax.Call, wanted: Field | Choice) -> Meaning:
        """The value of a call in place of a word; `cosine()` means `cosine`."""
        word = node.name.text
        is_word = word in wanted.values if isinstance(wanted, Choice) else word not in signatures()
        if node.arguments or not is_word or word in self.names:
            return self.value(node)
        message = f"`{word}` is a word here and cannot be called"
        return self.report(
            "RRL202", message, node.span, f"write `{word}`", replaced(node.span, word)
        )

    def word(self, node: syntax.Name) -> Meaning:
        """The value of a bare name: of a `param`, or of a `let` with a string; otherwise a word."""
        definition = self.resolution.definitions.get(node.text)
        is_text = definition is not None and isinstance(definition.meaning, str)
        if definition is not None and (definition.kind == "param" or is_text):
            return self.refer(node)
        return node.text if node.valid else POISON

    def undefined(
        self, argument: syntax.Argument, name: syntax.Name, parameter: Parameter, call: syntax.Call
    ) -> Poison:
        """Reports an undefined name in place of a number or a flag."""
        built_in = signatures().get(name.text)
        if built_in is not None and built_in.kind == "schedule" and parameter.schedulable:
            self.value(name)
        elif built_in is not None:
            wanted = f"`{parameter.name}` must be {parameter.type.described}"
            self.report("RRL202", f"{wanted}, not a {built_in.kind}", name.span)
        elif not self.lost:
            hint, edits = self.instead_of(argument, name, parameter, call)
            self.report("RRL101", f"`{name.text}` is not defined", name.span, hint, edits)
        return POISON

    def instead_of(
        self, argument: syntax.Argument, name: syntax.Name, parameter: Parameter, call: syntax.Call
    ) -> tuple[str, tuple[Edit, ...]]:
        """A suggestion for an undefined name, in words and as edits."""
        word = name.text
        if isinstance(parameter.type, Flag) and word in _FLAGS:
            return f"write `{_FLAGS[word]}`", replaced(name.span, _FLAGS[word])
        if word in self.defined:
            return "move its definition above this line", ()
        known = [name for name, value in self.names.items() if fits(parameter, value)]
        if len(self.resolution.faults) < MAX_DIAGNOSTICS and (meant := nearest(word, known)):
            return f"did you mean `{meant}`?", replaced(name.span, meant)
        for other in _free(call, argument):
            holds_words = isinstance(other.type, Field | Choice)
            if argument.name is None and holds_words and fits(other, word):
                return f"write `{other.name}={word}`", (named(argument, other.name),)
        return f"`{parameter.name}` must be {parameter.type.described}", ()

    def file(self, node: syntax.Expression) -> object:
        """The pairs in a file. Its path is relative to the folder of the recipe."""
        if isinstance(node, syntax.Name) and node.valid and node.text not in self.names:
            if node.text in self.defined:
                hint, edits = "move its definition above this line", replaced(node.span, None)
            else:
                quoted = f'"{node.text}.csv"'
                hint, edits = f"write `{quoted}`", replaced(node.span, quoted)
            message = f"`{node.text}` is not defined; a file name must be in quotes"
            return self.report("RRL101", message, node.span, hint, edits)
        written, span = self.value(node), node.span
        if not isinstance(written, str):
            return written
        try:
            self.library.find(written, self.source)
        except Refusal as refusal:
            return self.refused(refusal, span)
        path = (self.source.directory or Path()) / written
        try:
            name = str(Path(self.source.name).parent / written)
            pairs = self.library.read_pairs(path, written, name)
        except RRLError as problem:
            definition = self.defined_by(node)
            defined = None if definition is None else definition.literal
            literal = span if isinstance(node, syntax.String) else defined
            self.adopt(problem.diagnostics, span, path, literal)
            return POISON
        self.resolution.files.add(path)
        return pairs

    # imported recipes

    def imported(self, node: syntax.Call, definition: Definition) -> Meaning:
        """The graph of an imported recipe with other parameters."""
        self.refer(node.name)
        params: dict[str, tuple[Scalar, syntax.Argument]] = {}
        known = True
        for argument in node.arguments:
            value = self.parameter(argument.value)
            if argument.name is None:
                message = f"the parameters of `{node.name.text}` must be passed by name"
                example = f"`{node.name.text}(name=value)`"
                hint = f"put the name of the parameter before it, as in {example}"
                self.report("RRL206", message, argument.span, hint)
            elif not argument.name.valid:
                known = False  # its spelling was reported
                continue
            elif argument.name.text in params:
                self.given_twice(node, argument, argument.name)
            elif isinstance(value, bool | int | float | str):
                params[argument.name.text] = value, argument
                continue
            elif not isinstance(value, Poison):
                kinds = "a number, a string or a flag"
                message = f"a parameter must be {kinds}, not {described(value)}"
                self.report("RRL202", message, argument.value.span)
            known = False
        graph = self.import_with(definition, params, node.span)
        return graph if known else POISON

    def parameter(self, node: syntax.Expression) -> Meaning:
        """The value of a parameter of an imported recipe; an undefined bare name is a word."""
        if isinstance(node, syntax.Name) and node.text not in self.names:
            return self.word(node)
        return self.value(node)


def _free(call: syntax.Call, argument: syntax.Argument) -> list[Parameter]:
    """The parameters of a built-in that no named and no earlier argument sets."""
    at = next(index for index, other in enumerate(call.arguments) if other is argument)
    taken = {given.name.text for given in call.arguments if given.name is not None}
    parameters = signatures()[call.name.text].parameters
    unnamed = sum(given.name is None for given in call.arguments[:at])
    taken |= {parameter.name for parameter in parameters[:unnamed] if parameter.positional}
    return [parameter for parameter in parameters if parameter.name not in taken]
