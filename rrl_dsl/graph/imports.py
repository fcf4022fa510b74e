"""Recipe files that other recipes import: below the importing file, each read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rrl_dsl.graph import links
from rrl_dsl.graph.links import Links
from rrl_dsl.graph.streams import finished
from rrl_dsl.graph.types import Refusal, Scalar
from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.files import resolved
from rrl_dsl.language.span import Source
from rrl_dsl.language.syntax import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rrl_dsl.graph.symbols import Resolution

MAX_IMPORTS: Final = 256
"""The most imports below one file, counting each set of parameters."""

_Key = tuple[Path, tuple[tuple[str, str, Scalar], ...]]
Resolve = Callable[[Recipe, Mapping[str, Scalar], "Library"], "Resolution"]


@dataclass
class Library:
    """The files below one recipe.

    Attributes:
        overlay: Texts that replace files, such as unsaved ones in an editor.
        within: The folder that must contain all files; None for the folder of the importing text.
        read_pairs: Reads a file of pairs, from its path and its names in the text and in messages;
            see `links.read`.
    """

    overlay: Mapping[Path, str] = field(default_factory=dict)
    within: Path | None = None
    read_pairs: Callable[[Path, str, str], Links] = links.read
    _texts: dict[Path, tuple[Recipe | None, list[Diagnostic]]] = field(default_factory=dict)
    _known: dict[_Key, Resolution] = field(default_factory=dict)
    _names: dict[Path, str] = field(default_factory=dict)  # file -> its name in messages
    _open: list[Path] = field(default_factory=list)  # the files that are being resolved

    def find(self, written: str, source: Source) -> Path:
        """The file that a text imports or reads.

        Raises:
            Refusal: RRL022 if it is not below the folder of the text, RRL024 if the text is not in
                a folder.
        """
        if source.directory is None and not (self.within and Path(written).is_absolute()):
            if Path(written).is_absolute():
                message = f'"{written}" is an absolute path, and this recipe is not in a folder'
                hint = "pass `allow_outside=True`, or save the recipe in a folder above that file"
            else:
                message = f'"{written}" is a relative path, and this recipe is not in a file'
                hint = "save the recipe as a file, or pass its `directory`"
            raise Refusal("RRL024", message, hint)
        folder = resolved(source.directory or Path())
        path = resolved(folder / written)
        if not path.is_relative_to(resolved(self.within or folder)):
            message = f'"{written}" is outside the folder of the recipe that names it'
            hint = "move it into that folder or below, or allow it with `--allow-outside`"
            raise Refusal("RRL022", message, hint)
        self._names.setdefault(path, str(Path(source.name).parent / written))
        return path

    def resolve(self, path: Path, params: Mapping[str, Scalar], resolve: Resolve) -> Resolution:
        """The recipe in a file. Its calls keep the streams that they have without the import.

        Raises:
            Refusal: RRL023 if the file is importing this one, RRL025 if there are too many.
            RRLError: If the file cannot be read.
        """
        if path in self._open:
            circle = [*self._open[self._open.index(path) :], path]
            round_trip = " -> ".join(f"`{file.name}`" for file in circle)
            raise Refusal("RRL023", f"these recipes import each other: {round_trip}")
        # `true` and 1 are equal, and two values
        given = sorted((name, type(value).__name__, value) for name, value in params.items())
        key = (path, tuple(given))
        if key not in self._known:
            if len(self._known) >= MAX_IMPORTS:
                message = f"this recipe and its imports import more than {MAX_IMPORTS} recipes"
                hint = "import fewer recipes, or use fewer sets of parameters"
                raise Refusal("RRL025", message, hint)
            recipe, faults = self._parsed(path)
            if recipe is None:
                raise RRLError(faults)
            with self.opened(path):
                resolution = resolve(recipe, params, self)
            resolution.faults[:0] = faults
            if resolution.graph is not None:
                graph = resolution.graph
                if graph.contrast is not None:  # it is not imported
                    graph = graph.operand
                resolution.graph = None if resolution.faults else finished(graph)
            self._known[key] = resolution
        return self._known[key]

    @contextmanager
    def opened(self, path: Path) -> Iterator[None]:
        """Marks a file as being resolved."""
        self._open.append(path)
        try:
            yield
        finally:
            self._open.pop()

    def _parsed(self, path: Path) -> tuple[Recipe | None, list[Diagnostic]]:
        if path not in self._texts:
            text = self.overlay.get(path)
            try:
                name = self._names[path]
                source = (
                    parser.read(path, name) if text is None else Source(text, name, path.parent)
                )
                self._texts[path] = parser.parse(source)
            except RRLError as problem:
                self._texts[path] = None, list(problem.diagnostics)
        return self._texts[path]
