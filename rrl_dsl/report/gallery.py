"""The gallery: published methods, each as a recipe and a loss.

The header is the comment at the top of a recipe: a description of the method, lines that start with
`paper:`, `method:` and `loss:`, and notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Final

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.recipe import load

_FIELDS: Final = ("paper", "method", "loss")


@dataclass(frozen=True)
class Header:
    """The header of a recipe of the gallery.

    Attributes:
        what: The description of the method.
        paper: The publication.
        method: The name of the method.
        loss: The loss, as `--loss` takes it.
        notes: Further notes.
    """

    what: str
    paper: str
    method: str
    loss: str
    notes: str


def header_of(text: str) -> Header:
    """Parses the header of a recipe."""
    header = {"what": "", **dict.fromkeys(_FIELDS, ""), "notes": ""}
    current = "what"
    for line in comment_of(text):
        name, colon, rest = line.partition(": ")
        if colon and name in _FIELDS and not header[name]:
            current, line = name, rest
        elif current in ("method", "loss"):  # these have a single line
            current = "notes"
        header[current] = f"{header[current]} {line}".strip()
    return Header(**header)


def recipes() -> dict[str, str]:
    """Returns the texts of the recipes of the gallery by name."""
    paths = (path for path in files("rrl_dsl.recipes").iterdir() if path.name.endswith(".rrl"))
    return {
        PurePath(path.name).stem: path.read_text(encoding="utf-8")
        for path in sorted(paths, key=lambda path: path.name)
    }


def path_of(name: str) -> Path:
    """Returns the file of a recipe of the gallery."""
    return Path(str(files("rrl_dsl.recipes").joinpath(f"{name}.rrl")))


def recipe(name: str) -> Graph:
    """Loads a recipe of the gallery."""
    return load(path_of(name))


def comment_of(text: str) -> list[str]:
    """Returns the lines of the comment at the top of a recipe, without `#`."""
    lines = text.split("\n")
    size = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return [line.removeprefix("#").strip() for line in lines[:size]]
