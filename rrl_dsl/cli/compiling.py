"""`compile`: check a recipe, say what it is, draw its graph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rrl_dsl.backends.program import Program
from rrl_dsl.backends.program import compile as compile_graph
from rrl_dsl.cli.output import OUTPUT, print_diagnostic, print_json
from rrl_dsl.cli.recipes import (
    Expression,
    Parameters,
    RecipeFile,
    graph_of,
    parameters_of,
    source_of,
)
from rrl_dsl.graph.requires import Requires
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.span import Source

if TYPE_CHECKING:
    from rrl_dsl.data.dataset import DataSet

_DATASET = "digits"


def compile_recipe(
    recipe: RecipeFile = None,
    expression: Expression = None,
    param: Parameters = None,
    show: Annotated[bool, typer.Option("--show", help="Draw the graph.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Where the picture goes, .png or .svg.", show_default=False)
    ] = None,
    nodes: Annotated[str, typer.Option(help="The data set to sample rows from.")] = _DATASET,
    batch: Annotated[int, typer.Option(min=2, help="Samples a batch.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="The recipe's seed.")] = 0,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where data sets are looked for.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for tools.")] = False,
) -> None:
    """Check a recipe, print what it is and needs, and draw its graph.

    Examples: `rrl-dsl compile recipes/semi_coarse.rrl --show`,
    `rrl-dsl compile -e 'ssl(views=2)' --out graph.png`
    """
    source = source_of(recipe, expression)
    program = compile_graph(graph_of(source, parameters_of(param)), seed=seed)
    if not json:
        _print_facts(source, program)
    drawn = show or out is not None
    try:
        dataset = _dataset(program, nodes, data_dir)
    except RRLError as problem:
        if drawn or nodes != _DATASET:
            raise
        for diagnostic in problem.diagnostics:
            print_diagnostic(diagnostic.as_warning())
        figures = None
    else:
        figures = _figures(program, dataset, batch, seed)
    if json:
        print_json(_record(program, figures))
    elif figures is not None:
        samples = min(batch, len(dataset.train))
        _print_figures(figures, nodes, samples, program.requires.views)
    if drawn:
        _draw(source, program, dataset, batch, seed, show and not json, out)


def _dataset(program: Program, spec: str, data_dir: Path | None) -> DataSet:
    from rrl_dsl.training.checks import check_labels
    from rrl_dsl.training.config import Config
    from rrl_dsl.training.train import load_data

    config = Config(dataset=spec) if data_dir is None else Config(dataset=spec, data_dir=data_dir)
    dataset = load_data(config)
    check_labels(program, dataset)
    if program.requires.bound:
        program.bind(dataset.train)
    return dataset


def _figures(program: Program, dataset: DataSet, batch: int, seed: int) -> dict[str, float]:
    from rrl_dsl.training.statistics import expected_figures

    return expected_figures(program, dataset, batch, seed=seed)


def _draw(
    source: Source,
    program: Program,
    dataset: DataSet,
    batch: int,
    seed: int,
    in_terminal: bool,
    out: Path | None,
) -> None:
    from rrl_dsl.cli.picture import PICTURE_SAMPLES, sample_of, tree_of
    from rrl_dsl.show import figure, terminal
    from rrl_dsl.show.tree import tree_lines

    sample = sample_of(source, program, dataset, min(batch, PICTURE_SAMPLES), seed)
    tree = tree_of(program.graph)
    if in_terminal:
        OUTPUT.print()
        OUTPUT.print(terminal.matrix_text(sample, width=min(OUTPUT.width, 120)))
        OUTPUT.print()
        OUTPUT.print("\n".join(tree_lines(tree)), markup=False)
    path = out or Path(f"{Path(source.name).stem if source.name != '-e' else 'graph'}.png")
    figure.save(figure.draw(sample, tree), path)
    if in_terminal or out:
        OUTPUT.print(f"\npicture   {path}", markup=False)


def _print_facts(source: Source, program: Program) -> None:
    requires = program.requires
    kind = "binary" if program.binary else "weighted"
    facts = {
        "recipe": source.name,
        "type": f"{kind} graph{', random' if requires.draws else ''}",
        "needs": _needs(requires),
        "identity": program.identity,
    }
    for name, value in facts.items():
        OUTPUT.print(f"{name:<10}{value}", markup=False, soft_wrap=True)


def _needs(requires: Requires) -> str:
    views = f"{requires.views} view{'s' if requires.views > 1 else ''} of each sample"
    needs = [views, *(f"the label field `{name}`" for name in requires.labels)]
    if requires.bound:
        needs.append("the labels of the whole data set")
    return ", ".join(needs)


def _print_figures(figures: dict[str, float], nodes: str, batch: int, views: int) -> None:
    OUTPUT.print(f"expected  on {nodes}, {batch} samples x {views} views a batch:", markup=False)
    lines = [
        f"degree    {figures['edges/per_row']:.2f} edges a row",
        f"density   {figures['edges/density']:.2%} of all pairs",
        f"beyond    {figures['edges/beyond_views']:.1%} of the rows have an edge to another sample",
    ]
    if figures["edges/isolated"]:
        lines.append(f"isolated  {figures['edges/isolated']:.1%} of the rows have no edge")
    if "edges/false" in figures:
        lines.append(f"false     {figures['edges/false']:.1%} of the edges are added by noise")
    for line in lines:
        OUTPUT.print(line, markup=False)


def _record(program: Program, figures: dict[str, float] | None) -> dict[str, Any]:
    requires = program.requires
    return {
        "identity": program.identity,
        "binary": program.binary,
        "requires": {
            "views": requires.views,
            "labels": list(requires.labels),
            "bound": requires.bound,
        },
        "expected": figures,
    }
