"""The gallery: published methods as pairs of a recipe and a loss, from the headers of the recipes.

A header is the comment at the top of a recipe: what the method does, then lines that start with
`paper:`, `method:` and `loss:`, then what else there is to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import PurePath
from typing import Final, get_args

import numpy as np

from rrl_dsl.data import digits
from rrl_dsl.data.table import Columns
from rrl_dsl.generate.marked import with_tables
from rrl_dsl.generate.pages import NOTE
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.recipe import load
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.traverse import calls_of
from rrl_dsl.losses import create
from rrl_dsl.losses.outputs import Part
from rrl_dsl.report.recipe import needs_in_words, scope_in_words
from rrl_dsl.report.sample import sample_of
from rrl_dsl.show.svg import matrix_svg
from rrl_dsl.training.parts import parts_of

_ROWS: Final = 64
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
    for line in _comment(text):
        name, colon, rest = line.partition(": ")
        if colon and name in _FIELDS:
            part, line = name, rest
        elif part in ("method", "loss"):  # one line each
            part = "notes"
        found[part] = f"{found[part]} {line}".strip()
    return Header(**found)


def readme() -> str:
    """`README.md` with its table of methods as it should be."""
    return with_tables("README.md", lambda _: _methods())


def _methods() -> Iterator[str]:
    yield "| method | recipe | loss | parts of the model | paper |"
    yield "|---|---|---|---|---|"
    for name, text in recipes().items():
        header = header_of(text)
        cells = [
            header.method,
            f"[`{name}.rrl`](recipes/{name}.rrl)",
            f"`{header.loss}`",
            ", ".join(_parts(recipe(name), header.loss)) or "-",
            header.paper.removesuffix("."),
        ]
        yield f"| {' | '.join(cells)} |"


def gallery() -> str:
    """`docs/gallery.md`: every recipe of the gallery with its graph."""
    lines = [
        NOTE,
        "# Gallery",
        "",
        f"Published methods as recipes, each with its graph over {_ROWS} rows of digits, "
        "grouped by class.",
        "`rrl-dsl compile recipes/NAME.rrl --show` draws it over a larger batch.",
        "",
    ]
    for name, text in recipes().items():
        graph = recipe(name)
        header = header_of(text)
        body = text.rstrip("\n").split("\n")[len(_comment(text)) :]
        lines += [
            f"## {header.method}",
            "",
            header.what,
            "",
            f"*{header.paper}*",
            "",
            *([header.notes, ""] if header.notes else []),
            f"`rrl-dsl train recipes/{name}.rrl --loss {_quoted(header.loss)}`",
            "",
            "```rrl",
            *body,
            "```",
            "",
            f"- needs {', '.join(needs_in_words(requires_of(graph)))}",
            f"- {scope_in_words(graph.scope)}",
            "",
            f"![the graph of {name}](images/gallery/{pictured(name)}.svg)",
            "",
        ]
    return "\n".join(lines)


def recipes() -> dict[str, str]:
    """Name -> text of the gallery's recipes."""
    found = sorted(
        (each for each in files("rrl_dsl.recipes").iterdir() if each.name.endswith(".rrl")),
        key=lambda each: each.name,
    )
    return {PurePath(each.name).stem: each.read_text(encoding="utf-8") for each in found}


def recipe(name: str) -> Graph:
    """A recipe of the gallery."""
    return load(str(files("rrl_dsl.recipes").joinpath(f"{name}.rrl")))


def pictured(name: str) -> str:
    """The first recipe of the gallery with the graph of another, whose picture serves both."""
    identity = recipe(name).identity
    return next(each for each in recipes() if recipe(each).identity == identity)


def gallery_picture(name: str) -> str:
    """The graph of a recipe of the gallery over some of the digits, as SVG."""
    graph = recipe(name)
    requires = requires_of(graph)
    columns, labels = _linked(digits.columns(), graph), requires.labels
    samples = _ROWS // requires.views
    epoch = 10  # halfway through the curriculum
    found = sample_of(graph, columns, samples=samples, seed=1, epoch=epoch)
    title = f"{name}, raw pixels in place of embeddings" if found.stands_in else name
    return matrix_svg(found.picture(title, "", labels[0] if labels else "label"))


def _linked(columns: Columns, graph: Graph) -> Columns:
    """The samples that a recipe's file of pairs names, of which a picture should show some."""
    listed = [call.arguments["file"] for call in calls_of(graph) if "file" in call.arguments]
    if not listed:
        return columns
    kept = np.isin(columns.sample, [*listed[0].a[:20], *listed[0].b[:20]])
    return replace(
        columns,
        sample=columns.sample[kept],
        labels={name: label[kept] for name, label in columns.labels.items()},
        fields={name: field[kept] for name, field in columns.fields.items()},
    )


def _comment(text: str) -> list[str]:
    """The comment at the head of a recipe, without its signs."""
    lines = text.split("\n")
    size = next(at for at, line in enumerate(lines) if not line.startswith("#"))
    return [line.removeprefix("#").strip() for line in lines[:size]]


def _quoted(loss: str) -> str:
    return loss if loss.isidentifier() else f"'{loss}'"


def _parts(graph: Graph, loss: str) -> list[str]:
    """The parts that a model has for a recipe and a loss, in the order of what they build on."""
    found = parts_of(requires_of(graph), create(loss))
    return [part for part in get_args(Part) if part in found]
