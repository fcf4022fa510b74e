"""Checks whether a word fits at a position, by resolving the statement with the word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.place import Place
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.expressions import Expressions
from rrl_dsl.graph.symbols import POISON, Definition, Meaning, Poison, Resolution
from rrl_dsl.graph.types import Scalar
from rrl_dsl.language import syntax
from rrl_dsl.language.span import Span

MAX_TOKENS: Final = 1000
"""Statements with more tokens before the place are not read again for each word."""

_UNKNOWN: Final = "_anything_"
_Faults = set[tuple[str, str]]


class Fitting:
    """A position at which words are tried.

    A word fits if it adds no error of type or value to those of an unknown word. If the statement
    does not parse, every word fits.
    """

    def __init__(
        self,
        analysis: Analysis,
        place: Place,
        names: Mapping[str, Definition | None],
    ) -> None:
        """Resolves the statement with an unknown word.

        Args:
            analysis: The document.
            place: The position.
            names: The names that are defined before it; None if the definition is unknown.
        """
        self._analysis = analysis
        self._place = place
        self._names = names
        self._known: _Faults | None = None
        if len(place.before) <= MAX_TOKENS:
            self._known = self._faults(_UNKNOWN)

    def fits(self, text: str) -> bool:
        """Whether a text fits, as an operand or as the value of an argument."""
        return not self._misfits(text) & {*"23"}

    def fits_in_kind(self, text: str) -> bool:
        """Like `fits`, but ignores errors of value, because the values are placeholders."""
        return "2" not in self._misfits(text)

    def _misfits(self, text: str) -> set[str]:
        """The hundreds digits of the codes of the errors that a text adds."""
        faults = None if self._known is None else self._faults(text)
        return set() if faults is None else {code[3] for code, _ in faults - (self._known or set())}

    def _faults(self, text: str) -> _Faults | None:
        """The errors of the statement with a text; None if it does not parse."""
        recipe = self._place.closed(self._analysis.source, text)
        if recipe is None:
            return None
        faults: _Faults = set()

        def import_with(
            definition: Definition, params: Mapping[str, tuple[Scalar, syntax.Argument]], span: Span
        ) -> Meaning:
            defaults = self._analysis.parameters_of(definition)
            for name, (value, _) in params.items():
                if name in defaults and not _alike(value, defaults[name].default):
                    faults.add(("RRL211", name))
            return definition.meaning

        definitions = {
            name: definition for name, definition in self._names.items() if definition is not None
        }
        resolution = Resolution(definitions=definitions)
        expressions = Expressions(recipe.source, resolution, self._analysis.library, import_with)
        expressions.names = {
            name: POISON if definition is None else definition.meaning
            for name, definition in self._names.items()
        }
        expressions.names[_UNKNOWN] = POISON
        match recipe.statements[0]:
            case syntax.Let(value=value):
                expressions.value(value)
            case syntax.Result(value=value) | syntax.Contrast(value=value):
                found_graph = isinstance(expressions.value(value), Graph | Poison)
                if not found_graph and self._place.call is None:  # an argument decides no type
                    faults.add(("RRL210", "a recipe and a contrast must be graphs"))
            case _:
                return None
        return faults | {(fault.code, fault.message) for fault in resolution.faults}


def _alike(one: object, other: object) -> bool:
    """Whether two values are both flags, both words or both numbers."""
    return all(isinstance(one, sort) == isinstance(other, sort) for sort in (bool, str))
