"""The analysis of a document: its tokens, statements, meanings and errors."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from lark import Token

from rrl_dsl.editor.positions import Encoding, Positions
from rrl_dsl.editor.reading import Reading, ReadPairs, read_at_once, state_of
from rrl_dsl.graph.imports import Library, Resolve
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.recipe import analyze
from rrl_dsl.graph.resolve import resolve
from rrl_dsl.graph.symbols import Definition, Meaning, Resolution
from rrl_dsl.graph.types import Refusal, Scalar
from rrl_dsl.language import syntax
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.files import resolved
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.parser import parse
from rrl_dsl.language.span import Source, Span
from rrl_dsl.language.spelling import span_of

_BOM = "\ufeff"


class Analysis:
    """The analysis of a document and of the files that it reads.

    Attributes:
        source: The text; a byte order mark is replaced by a space.
        positions: Converts between offsets and the editor's positions.
        resolution: The names, meanings and errors.
        files: The files that the text names, with the state of each at the time of the analysis.
        library: Reads these files.
        readings: The files of pairs that the text names.
        unread: Those that had not been read yet. A call that names one has no meaning, but also
            no error.
    """

    def __init__(
        self,
        source: Source,
        encoding: Encoding,
        texts: Mapping[Path, str],
        read_pairs: ReadPairs = read_at_once,
    ) -> None:
        """Analyzes a text.

        Args:
            source: The text in the editor.
            encoding: The code units in which the editor counts columns.
            texts: The texts that replace files on disk, by resolved path.
            read_pairs: Reads a file of pairs.
        """
        self.positions = Positions(source, encoding)
        self._written = source
        self.source = readable(source)
        self.readings: list[Reading] = []
        self.unread: list[Reading] = []
        self._read_pairs = read_pairs
        overlay = _Asked(texts)
        self.library = _Noting(overlay, source.within, self._pairs)
        self.resolution: Resolution = analyze(self.source, library=self.library)
        named = _named_in(self.source, self.statements)
        read = overlay.asked | self.resolution.files | self.library.named | set(named)
        self.files = {path: state_of(path, texts) for path in read}

    def _pairs(self, path: Path, written: str, name: str) -> Links:
        reading = self._read_pairs(path, written, name)
        self.readings.append(reading)
        if not reading.future.done():
            self.unread.append(reading)
            raise RRLError(())
        result = reading.future.result()
        if isinstance(result, Exception):
            raise result
        return result

    @property
    def path(self) -> Path | None:
        """The resolved path; None if the text is not a file."""
        folder = self.source.directory
        return None if folder is None else resolved(folder / self.source.name)

    def is_current(self, source: Source, texts: Mapping[Path, str]) -> bool:
        """Whether this is the analysis of a text, and no file has changed since."""
        files = self.files.items()
        return (
            source is self._written
            and not any(reading.future.done() for reading in self.unread)
            and all(state_of(path, texts) == state for path, state in files)
        )

    # the text

    @cached_property
    def tokens(self) -> list[Token]:
        """The tokens, with line breaks and comments; empty if the text exceeds the limits."""
        try:
            return tokens_of(self.source)
        except RRLError:
            return []

    def token_at(self, offset: int) -> Token | None:
        """Returns the token at an offset. At the end of a word, this is the word."""
        around = [
            token for token in self.tokens if span_of(token).start <= offset <= span_of(token).end
        ]
        words = [token for token in around if token.type == "NAME" or token.isalpha()]
        covering = [token for token in around if offset < span_of(token).end]
        return next(iter([*words[::-1], *covering, *around]), None)

    @cached_property
    def statements(self) -> tuple[syntax.Statement, ...]:
        """The statements."""
        try:
            return parse(self.source)[0].statements
        except RRLError:
            return ()

    def statement_at(self, offset: int) -> syntax.Statement | None:
        """Returns the statement that contains an offset."""
        at = bisect_right(self.statements, offset, key=lambda statement: statement.span.start)
        statement = self.statements[at - 1] if at else None
        return statement if statement is not None and offset < statement.span.end else None

    def expressions(self) -> Iterator[syntax.Expression]:
        """Iterates over all expressions, outer expressions first."""
        return expressions_in(self.statements)

    # what it means

    @cached_property
    def names(self) -> dict[Span, Definition]:
        """The definition of each name, by the spans where it is defined or used."""
        defined = {
            definition.span: definition for definition in self.resolution.definitions.values()
        }
        return defined | {
            reference.span: reference.definition for reference in self.resolution.references
        }

    @cached_property
    def _longest(self) -> dict[int, Span]:
        longest: dict[int, Span] = {}
        for span in self.resolution.meanings:
            longest[span.start] = max(span, longest.get(span.start, span))
        return longest

    def meaning_from(self, start: int) -> Meaning | None:
        """Returns the meaning of the longest call or name that starts at an offset."""
        span = self._longest.get(start)
        return None if span is None else self.resolution.meanings[span]

    def imported(self, definition: Definition) -> Resolution | None:
        """Returns the resolution of an imported file; None if it cannot be read."""
        if definition.target is None:
            return None
        try:
            return self.library.resolve(definition.target, {}, resolve)
        except (RRLError, Refusal):
            return None

    def parameters_of(self, definition: Definition) -> dict[str, Definition]:
        """Returns the parameters of an imported recipe."""
        imported = self.imported(definition)
        known = imported.definitions if imported is not None else {}
        return {
            name: definition for name, definition in known.items() if definition.kind == "param"
        }


class _Asked(dict[Path, str]):
    """The texts that replace files on disk. It records the paths that were looked up."""

    def __init__(self, texts: Mapping[Path, str]) -> None:
        super().__init__(texts)
        self.asked: set[Path] = set()

    # `dict` declares three overloads; a library calls only this one
    def get(self, path: Path, otherwise: str | None = None) -> str | None:  # type: ignore[override]
        self.asked.add(path)
        return super().get(path, otherwise)


class _Noting(Library):
    """A library that records every file that an imported recipe may name.

    A resolution lists only the files that could be read.
    """

    def __init__(
        self,
        overlay: Mapping[Path, str],
        within: Path | None,
        read_pairs: Callable[[Path, str, str], Links],
    ) -> None:
        super().__init__(overlay, within, read_pairs)
        self.named: set[Path] = set()

    def resolve(self, path: Path, params: Mapping[str, Scalar], resolve: Resolve) -> Resolution:
        def noting(
            recipe: syntax.Recipe, params: Mapping[str, Scalar], library: Library
        ) -> Resolution:
            words = [value for value in params.values() if isinstance(value, str)]
            self.named.update(_named_in(recipe.source, recipe.statements, words))
            return resolve(recipe, params, library)

        return super().resolve(path, params, noting)


def expressions_in(statements: Iterable[syntax.Statement]) -> Iterator[syntax.Expression]:
    """Iterates over the expressions in statements, outer expressions first."""
    for statement in statements:
        if isinstance(statement, syntax.Let | syntax.Contrast | syntax.Result | syntax.Param):
            yield from _expressions(statement.value)


def _strings_in(statements: Sequence[syntax.Statement]) -> Iterator[syntax.String]:
    for statement in statements:
        if isinstance(statement, syntax.Import):
            yield statement.file
    for expression in expressions_in(statements):
        if isinstance(expression, syntax.String):
            yield expression


def _named_in(
    source: Source, statements: Sequence[syntax.Statement], words: Iterable[str] = ()
) -> Iterator[Path]:
    """Iterates over the files that a text may name, in strings or in values of parameters."""
    if source.directory is not None:
        for word in (*(string.value for string in _strings_in(statements)), *words):
            if word:
                yield source.directory / word


def readable(source: Source) -> Source:
    """Returns the text with a space in place of a byte order mark."""
    if not source.text.startswith(_BOM):
        return source
    return replace(source, text=f" {source.text[1:]}")


def _expressions(node: syntax.Expression) -> Iterator[syntax.Expression]:
    yield node
    inner: tuple[syntax.Expression, ...] = ()
    match node:
        case syntax.Call():
            inner = tuple(argument.value for argument in node.arguments)
        case syntax.Chain():
            inner = node.operands
        case syntax.Complement():
            inner = (node.operand,)
        case syntax.Group():
            inner = (node.inner,)
    for argument in inner:
        yield from _expressions(argument)
