"""`compile`: check a recipe, say what it is, draw its graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rrl_dsl.cli.output import errors, output, print_diagnostic, print_json, print_text
from rrl_dsl.cli.recipes import (
    AllowOutside,
    BatchSize,
    DataDirectory,
    DataSetName,
    Download,
    Epoch,
    Expression,
    Json,
    Parameters,
    RecipeFile,
    Seed,
    columns_of,
    parameters_of,
    print_program,
    source_of,
)
from rrl_dsl.cli.writing import check_not_read
from rrl_dsl.language.diagnostics import RRLError, error, listing, printable

if TYPE_CHECKING:
    from rich.console import Console

    from rrl_dsl.backends.program import Program
    from rrl_dsl.data.columns import Columns
    from rrl_dsl.graph.algebra import Graph
    from rrl_dsl.language.diagnostics import Diagnostic
    from rrl_dsl.report.figures import Figures
    from rrl_dsl.show.sample import GraphSample

_DATASET: Final = "digits"
_GRAPH_FILES: Final = (".npz", ".graphml", ".dot")
"""The suffixes of graph files."""


def compile_recipe(
    recipe: RecipeFile = None,
    expression: Expression = None,
    param: Parameters = None,
    allow_outside: AllowOutside = False,
    show: Annotated[bool, typer.Option("--show", help="Draw the graph in the terminal.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The file to write: a picture (.png, .pdf, .svg, .html) or a graph file (.npz, "
            ".graphml, .dot).",
            show_default=False,
        ),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="Write the graph of the whole dataset, one row per sample, to a graph file; "
            "`scipy.sparse.load_npz` reads an .npz file.",
        ),
    ] = False,
    dataset: DataSetName = _DATASET,
    batch_size: BatchSize = 256,
    epoch: Epoch = 0,
    seed: Seed = 0,
    data_dir: DataDirectory = None,
    download: Download = False,
    json: Json = False,
) -> None:
    """Check a recipe, print its type and needs, and draw its graph.

    Examples:
    - `rrl-dsl compile recipes/semi_coarse.rrl --show`
    - `rrl-dsl compile recipes/semi_supervised.rrl --param frac=0.1`
    - `rrl-dsl compile -e 'ssl(views=2)' --batch-size 32 --out graph.png`
    - `rrl-dsl compile -e 'supervised()' --whole --out graph.npz`
    """
    from rrl_dsl.backends.program import compile as compile_graph
    from rrl_dsl.graph.recipe import analyze, graph_of
    from rrl_dsl.report.sample import lacking

    if whole and (out is None or out.suffix.lower() not in _GRAPH_FILES):
        message = f"use `--out` with a {listing(_GRAPH_FILES)} file"
        raise typer.BadParameter(message, param_hint="'--whole'")
    source = source_of(recipe, expression, allow_outside=allow_outside)
    program = compile_graph(graph_of(source, parameters_of(param)), seed=seed)
    if not json:
        print_program(source, program)
    columns = columns_of(dataset, data_dir, download)
    if out is not None:
        check_not_read(out, dataset, analyze(source, parameters_of(param)).files)
    drawn = show or out is not None
    faults = lacking(program.graph, columns)
    if faults and (drawn or dataset != _DATASET):
        raise RRLError(faults)
    figures = None if faults else _figures(program, columns, batch_size, epoch)
    if not json:
        for fault in faults:
            print_diagnostic(fault.as_warning())
        if figures is not None:
            _print_figures(figures)
    console = errors() if json else output()
    picture = out
    if whole and out is not None:
        _save_whole(program, columns, epoch, out, console)
        picture = None
    elif out is not None and _exported(program, columns, batch_size, epoch, out, console):
        picture = None
    if show or picture:
        from rrl_dsl.report.picture import picture_of

        sample = picture_of(source, program.graph, columns, batch_size, seed=seed, epoch=epoch)
        _draw(program.graph, sample, show, picture, console)
    if json:
        print_json(_record(program, figures, faults))


def _figures(program: Program, columns: Columns, batch: int, epoch: int) -> Figures:
    from rrl_dsl.report.figures import figures_of

    return figures_of(program.graph, columns, samples=batch, seed=program.seed, epoch=epoch)


def _exported(
    program: Program, columns: Columns, batch: int, epoch: int, path: Path, console: Console
) -> bool:
    """Writes the graph of a batch as data, if the suffix of the file is one for data.

    Returns:
        Whether it is.

    Raises:
        RRLError: RRL507 if the suffix is for neither data nor pictures, or the file cannot be
            written.
    """
    from rrl_dsl.report import export
    from rrl_dsl.report.sample import sample_of
    from rrl_dsl.show import figure

    formats = (*figure.FORMATS, *_GRAPH_FILES)
    if path.suffix.lower() not in formats:
        hint = f"use one of the suffixes {listing(formats)}"
        raise error("RRL507", f"`{path}` has no suffix of a picture or a graph file", hint=hint)
    if path.suffix.lower() not in _GRAPH_FILES:
        return False
    export.save(
        sample_of(program.graph, columns, samples=batch, seed=program.seed, epoch=epoch), path
    )
    console.print(f"\nwritten   {printable(str(path))}", markup=False, soft_wrap=True)
    return True


def _save_whole(
    program: Program, columns: Columns, epoch: int, path: Path, console: Console
) -> None:
    """Writes the graph of the whole dataset and shows a progress bar."""
    from rich.progress import track

    from rrl_dsl.report import whole

    def progress(bands: Sequence[slice]) -> Iterable[slice]:
        return track(
            bands, "graph", console=console, transient=True, disable=not console.is_terminal
        )

    edges = whole.save(program, columns, path, epoch=epoch, progress=progress)
    text = f"\nwritten   {printable(str(path))}: {len(columns.sample):,} rows, {edges:,} edges"
    console.print(text, markup=False, soft_wrap=True)


def _draw(
    graph: Graph, sample: GraphSample, in_terminal: bool, path: Path | None, console: Console
) -> None:
    """Draws a graph in the terminal, and as a picture where there is a path for one."""
    from rrl_dsl.report.tree import tree_of
    from rrl_dsl.show import figure, terminal
    from rrl_dsl.show.tree import tree_lines

    tree = tree_of(graph)
    if in_terminal:
        console.print()
        console.print(terminal.matrix_text(sample, width=min(console.width, 120)))
        console.print()
        console.print("\n".join(tree_lines(tree)), markup=False, soft_wrap=True)
    if path is not None:
        figure.save(figure.draw(sample, tree), path)
        console.print(f"\npicture   {printable(str(path))}", markup=False, soft_wrap=True)


def _print_figures(figures: Figures) -> None:
    from rrl_dsl.report.figures import in_words

    first, *others = in_words(figures)
    print_text(f"graph     {first}")
    for line in others:
        print_text(f"          {line}")


def _record(
    program: Program, figures: Figures | None, faults: Sequence[Diagnostic]
) -> dict[str, Any]:
    return {
        "identity": program.identity,
        "binary": program.binary,
        "scope": program.graph.scope,
        "requires": asdict(program.requires),
        "figures": None if figures is None else figures.to_dict(),
        "faults": [fault.as_warning().to_dict() for fault in faults],
    }
