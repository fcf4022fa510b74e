"""Recipe files that the user names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, nearest
from rrl_dsl.language.span import Source


def read(path: Path) -> Source:
    """The text of a recipe file.

    Raises:
        RRLError: As `rrl_dsl.language.parser.read`, with the file as the place; where there is
            none, with the one that may be meant.
    """
    try:
        return parser.read(path)
    except RRLError as problem:
        faults = at_file(path, problem.diagnostics)
        if not os.path.exists(path) and (meant := meant_by(path)):
            faults = [replace(each, hint=f"did you mean `{meant}`?") for each in faults]
        raise RRLError(faults) from None


def at_file(path: Path, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics of which those without a place stand at a file."""
    place = Source("", str(path))
    return [each if each.source else replace(each, source=place) for each in diagnostics]


def meant_by(path: Path) -> Path | None:
    """The recipe of the same folder whose name is nearest, however it ends; None without one."""
    recipes = recipes_beside(path)
    return recipes.get(nearest(path.stem, list(recipes)) or "")


def recipes_beside(path: Path) -> dict[str, Path]:
    """The recipes of a file's folder, by their names in lower case and without the ending."""
    with suppress(OSError, ValueError):  # no such folder, a name with a null character
        return {each.stem.lower(): each for each in sorted(path.parent.glob("*.rrl"))}
    return {}
