"""The gallery: published methods as pairs of a recipe and a loss.

A header is the comment at the top of a recipe: what the method does, then lines that start with
`paper:`, `method:` and `loss:`, then what else there is to say.
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
    """What a recipe of the gallery says of itself.

    Attributes:
        what: What the method does.
        paper: Where it was published.
        method: What it is called.
        loss: The loss that it is trained with, as `--loss` takes it.
        notes: What else there is to say.
    """

    what: str
    paper: str
    method: str
    loss: str
    notes: str


def header_of(text: str) -> Header:
    """The header of a recipe's text."""
    found = {"what": "", **dict.fromkeys(_FIELDS, ""), "notes": ""}
    part = "what"
    for line in comment_of(text):
        name, colon, rest = line.partition(": ")
        if colon and name in _FIELDS and not found[name]:
            part, line = name, rest
        elif part in ("method", "loss"):  # one line each
            part = "notes"
        found[part] = f"{found[part]} {line}".strip()
    return Header(**found)


def recipes() -> dict[str, str]:
    """Name -> text of the gallery's recipes."""
    found = sorted(
        (each for each in files("rrl_dsl.recipes").iterdir() if each.name.endswith(".rrl")),
        key=lambda each: each.name,
    )
    return {PurePath(each.name).stem: each.read_text(encoding="utf-8") for each in found}


def path_of(name: str) -> Path:
    """The file of a recipe of the gallery."""
    return Path(str(files("rrl_dsl.recipes").joinpath(f"{name}.rrl")))


def recipe(name: str) -> Graph:
    """A recipe of the gallery."""
    return load(path_of(name))


def comment_of(text: str) -> list[str]:
    """The comment at the head of a recipe, without its signs."""
    lines = text.split("\n")
    size = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return [line.removeprefix("#").strip() for line in lines[:size]]
