"""`explain`: what a recipe is, and what a name is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rrl_dsl.backends.strategy import WIDTH
from rrl_dsl.cli.names import explain_name, is_name
from rrl_dsl.cli.output import print_json, print_not_known, print_text
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
    Seed,
    columns_of,
    parameters_of,
    print_program,
    source_of,
)
from rrl_dsl.language.machine import bytes_in_words

if TYPE_CHECKING:
    from rrl_dsl.report.cost import Cost
    from rrl_dsl.report.evaluation import Evaluation
    from rrl_dsl.report.recipe import Explanation


def explain(
    what: Annotated[
        str | None,
        typer.Argument(help="What to explain.", metavar="CODE|NAME|RECIPE", show_default=False),
    ] = None,
    expression: Expression = None,
    param: Parameters = None,
    allow_outside: AllowOutside = False,
    dataset: DataSetName = "digits",
    batch_size: BatchSize = 256,
    width: Annotated[int, typer.Option(min=1, help="The width of the embeddings.")] = WIDTH,
    epoch: Epoch = 0,
    seed: Seed = 0,
    data_dir: DataDirectory = None,
    download: Download = False,
    json: Json = False,
) -> None:
    """Explain a recipe, an error code, a built-in of the language, a loss or a setting.

    For a recipe, print its type, scope and needs, its simplified form, the density of its graph on
    a dataset, its cost, and the strategy and tile that `auto` chooses for a batch.

    Examples:
    - `rrl-dsl explain RRL203`
    - `rrl-dsl explain corrupt`
    - `rrl-dsl explain simclr`
    - `rrl-dsl explain optimizer.lr`
    - `rrl-dsl explain recipes/semi_coarse.rrl`
    - `rrl-dsl explain -e 'ssl(views=2) | supervised()' --batch 4096`
    """
    path = None if what is None else Path(what)
    if what is not None and expression is None and is_name(what):
        path = explain_name(what, json)
        if path is None:
            return
    from rrl_dsl.backends.program import compile as compile_graph
    from rrl_dsl.graph.recipe import graph_of
    from rrl_dsl.report.recipe import explain as explain_program

    source = source_of(path, expression, allow_outside=allow_outside)
    program = compile_graph(graph_of(source, parameters_of(param)), seed=seed)
    columns = columns_of(dataset, data_dir, download)
    explanation = explain_program(program, columns, samples=batch_size, width=width, epoch=epoch)
    if json:
        print_json(_record(explanation))
        return
    print_program(source, program)
    _print_calls(explanation)
    _print_rewriting(explanation)
    _print_figures(explanation)
    _print_cost(explanation.cost)
    _print_evaluations(explanation.evaluations)


def _print_calls(explanation: Explanation) -> None:
    _print_heading("calls")
    for call, facts in explanation.calls:
        print_text(f"  {call}")
        print_text(f"      {facts}", style="dim")


def _print_rewriting(explanation: Explanation) -> None:
    _print_heading("rewriting")
    if not explanation.steps:
        print_text("  the recipe is already in its simplest form")
        return
    _print_recipe("before", explanation.before)
    for step in explanation.steps:
        print_text(f"  {step}", style="dim")
    _print_recipe("after", explanation.after)


def _print_recipe(title: str, text: str) -> None:
    first, *others = text.splitlines()
    print_text(f"  {title:<8}{first}")
    for line in others:
        print_text(f"          {line}")


def _print_figures(explanation: Explanation) -> None:
    _print_heading("graph")
    if explanation.figures is None:
        print_not_known(explanation.faults)
        return
    from rrl_dsl.report.figures import in_words

    for line in in_words(explanation.figures):
        print_text(f"  {line}")


def _print_cost(cost: Cost) -> None:
    _print_heading("cost")
    lines = [
        f"{cost.rows} rows: {cost.total:.3g} operations, {cost.operations} per pair",
        f"{bytes_in_words(cost.graph)} for the graph, "
        f"{bytes_in_words(cost.prepared)} for the columns of the plan",
        f"{bytes_in_words(cost.eager)} at the peak without fused code",
    ]
    if cost.assumed is not None:
        lines.append(f"assumes embeddings of width {cost.assumed}")
    if cost.staged:
        lines.append(f"{cost.staged:.3g} of the operations belong to stages over the whole batch")
    for line in lines:
        print_text(f"  {line}")


def _print_evaluations(evaluations: Sequence[Evaluation]) -> None:
    from rrl_dsl.report.evaluation import in_words

    _print_heading("evaluation")
    for evaluation in evaluations:
        for line in in_words(evaluation):
            print_text(f"  {line}")
    width = evaluations[0].width
    note = f"  with a cross-entropy over embeddings of width {width}, forward and backward"
    print_text(note, style="dim")


def _print_heading(title: str) -> None:
    print_text(f"\n{title}", style="bold")


def _record(explanation: Explanation) -> dict[str, Any]:
    program = explanation.program
    return {
        "identity": program.identity,
        "binary": program.binary,
        "scope": program.graph.scope,
        "requires": asdict(program.requires),
        "calls": [{"call": call, "facts": facts} for call, facts in explanation.calls],
        "rewriting": {
            "before": explanation.before,
            "steps": explanation.steps,
            "after": explanation.after,
        },
        "figures": None if explanation.figures is None else explanation.figures.to_dict(),
        "faults": [fault.as_warning().to_dict() for fault in explanation.faults],
        "cost": asdict(explanation.cost) | {"total": explanation.cost.total},
        "evaluations": [asdict(evaluation) for evaluation in explanation.evaluations],
    }
