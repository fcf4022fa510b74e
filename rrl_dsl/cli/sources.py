"""Recipe files that the user names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import Diagnostic, RRLError
from rrl_dsl.language.files import near_file
from rrl_dsl.language.span import Source


def read(path: Path) -> Source:
    """Reads a recipe file.

    Raises:
        RRLError: As `rrl_dsl.language.parser.read`, with the file as the place. If the file does
            not exist, the hint names the most similar one.
    """
    try:
        return parser.read(path)
    except RRLError as problem:
        faults = at_file(path, problem.diagnostics)
        if not os.path.exists(path) and (meant := meant_by(path)):
            faults = [replace(fault, hint=f"did you mean `{meant}`?") for fault in faults]
        raise RRLError(faults) from None


def at_file(path: Path, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Returns diagnostics; the place of a diagnostic without one is the file."""
    place = Source("", str(path))
    return [
        diagnostic if diagnostic.source else replace(diagnostic, source=place)
        for diagnostic in diagnostics
    ]


def meant_by(path: Path) -> Path | None:
    """The recipe that a path may mean.

    It is the one beside it that differs in its ending, else the one of the nearest name, else the
    gallery's of that name.
    """
    from rrl_dsl.report.gallery import path_of

    if not path.name:
        return None
    recipe = path.with_suffix(".rrl")
    if os.path.exists(recipe):
        return recipe
    published = path_of(path.stem)
    return near_file(recipe) or (published if os.path.exists(published) else None)
