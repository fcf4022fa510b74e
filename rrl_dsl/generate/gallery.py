"""Generates the pages of the gallery: published methods with recipe, graph and loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, get_args

import numpy as np

from rrl_dsl.data import digits
from rrl_dsl.data.columns import Columns
from rrl_dsl.generate.pages import NOTE, with_tables
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.traversal import calls_of
from rrl_dsl.losses import create
from rrl_dsl.losses.outputs import Part
from rrl_dsl.models.requirements import parts_of
from rrl_dsl.report.gallery import comment_of, header_of, recipe, recipes
from rrl_dsl.report.recipe import needs_in_words, scope_in_words
from rrl_dsl.report.sample import sample_of
from rrl_dsl.show.svg import matrix_svg

_ROWS: Final = 64


def readme() -> str:
    """Returns `README.md` with an up-to-date table of methods."""
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
    """Returns `docs/gallery.md`: the recipes of the gallery with their graphs."""
    lines = [
        NOTE,
        "# Gallery",
        "",
        "This page lists published methods as recipes. Each picture shows the graph of the recipe "
        f"over {_ROWS} rows of the digits dataset, grouped by class.",
        "`rrl-dsl compile recipes/NAME.rrl --out NAME.png` draws a larger batch.",
        "",
    ]
    for name, text in recipes().items():
        graph = recipe(name)
        header = header_of(text)
        body = text.rstrip("\n").split("\n")[len(comment_of(text)) :]
        lines += [
            f"## {header.method}",
            "",
            header.what,
            "",
            f"*{header.paper}*",
            "",
            *([header.notes, ""] if header.notes else []),
            f"Train it with `rrl-dsl train recipes/{name}.rrl`; the loss is `{header.loss}`.",
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


def pictured(name: str) -> str:
    """Returns the first recipe of the gallery with the same graph; they share a picture."""
    identity = recipe(name).identity
    return next(other for other in recipes() if recipe(other).identity == identity)


def gallery_picture(name: str) -> str:
    """Returns the graph of a recipe of the gallery over a sample of the digits, as SVG."""
    graph = recipe(name)
    requires = requires_of(graph)
    columns, labels = _linked(digits.columns(), graph), requires.labels
    samples = _ROWS // requires.views
    epoch = 10  # halfway through the curriculum
    sample = sample_of(graph, columns, samples=samples, seed=1, epoch=epoch)
    title = f"{name}, raw pixels in place of embeddings" if sample.from_pixels else name
    return matrix_svg(sample.picture(title, "", labels[0] if labels else "label"))


def _linked(columns: Columns, graph: Graph) -> Columns:
    """The first samples in the file of pairs of a recipe, so that a picture shows edges."""
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


def _parts(graph: Graph, loss: str) -> list[str]:
    """The parts that a model has for a recipe and a loss, in the order of `Part`."""
    needed = parts_of(requires_of(graph), create(loss))
    return [part for part in get_args(Part) if part in needed]
