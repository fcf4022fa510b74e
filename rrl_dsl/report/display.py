"""The display of graphs and programs in notebooks and terminals."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from rich.console import Console

from rrl_dsl.backends.program import Program
from rrl_dsl.data import digits
from rrl_dsl.data.columns import Columns
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.text import text_of
from rrl_dsl.language.diagnostics import RRLError, printable
from rrl_dsl.language.format import format_text
from rrl_dsl.language.span import Source
from rrl_dsl.report.figures import figures_of, in_words
from rrl_dsl.report.recipe import facts_of
from rrl_dsl.report.sample import lacking, sample_of
from rrl_dsl.report.tree import tree_of
from rrl_dsl.show.sample import GraphSample
from rrl_dsl.show.svg import matrix_svg
from rrl_dsl.show.terminal import matrix_text
from rrl_dsl.show.tree import tree_lines

_ROWS: Final = 64
_WIDTH: Final = 120
_BATCH: Final = 256


def show(graph: Graph, seed: int = 0) -> None:
    """Prints the graph over a sample of the digits, and the tree of the recipe.

    Args:
        graph: The recipe.
        seed: The seed of the recipe.

    Raises:
        RRLError: RRL401 or RRL417 if the recipe reads a column that the digits lack.
    """
    columns = digits.columns()
    if faults := lacking(graph, columns):
        raise RRLError(faults)
    console = Console(highlight=False)
    console.print(matrix_text(_sample(graph, columns, seed), width=min(console.width, _WIDTH)))
    tree = printable("\n".join(tree_lines(tree_of(graph))), but="\n")
    console.print(tree, markup=False, soft_wrap=True)


def html_of(graph: Graph, seed: int = 0) -> str:
    """Returns the text, type and needs of a recipe, and its picture and figures on the digits.

    Args:
        graph: The recipe.
        seed: The seed of the recipe.

    Returns:
        HTML without scripts. If the digits lack a column that the recipe reads, it has the errors
        in place of the picture.
    """
    facts = facts_of(Program(graph, seed=seed)) | {"identity": graph.identity[:12]}
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in facts.items()
    )
    return (
        "<div style='display:flex;gap:1.5em;flex-wrap:wrap;align-items:flex-start'>"
        f"<div>{_picture(graph, seed)}</div>"
        f"<div><pre>{escape(format_text(Source(text_of(graph))))}</pre><table>{rows}</table>"
        f"{''.join(_figures(graph, seed))}</div></div>"
    )


def _picture(graph: Graph, seed: int) -> str:
    columns = digits.columns()
    if lacking(graph, columns):
        return ""
    try:
        return matrix_svg(_sample(graph, columns, seed))
    except RRLError as problem:
        return f"<pre>{escape(str(problem))}</pre>"


def _sample(graph: Graph, columns: Columns, seed: int) -> GraphSample:
    requires = requires_of(graph)
    sample = sample_of(graph, columns, samples=_ROWS // requires.views, seed=seed)
    title = "raw pixels in place of embeddings" if sample.from_pixels else "on the digits"
    return sample.picture(title, "", (*requires.labels, "label")[0])


def _figures(graph: Graph, seed: int) -> Iterator[str]:
    columns = digits.columns()
    faults = lacking(graph, columns)
    for fault in faults:
        yield f"<p>No picture: {escape(fault.message)}.</p>"
    if not faults:
        for line in in_words(figures_of(graph, columns, samples=_BATCH, seed=seed)):
            yield f"<div>{escape(line)}</div>"
