"""`explain`: what a code, a built-in or a recipe is."""

from __future__ import annotations

import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rrl_dsl.cli.output import output, print_json, print_not_known, print_text
from rrl_dsl.cli.recipes import (
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
from rrl_dsl.cli.sources import meant_by
from rrl_dsl.language.diagnostics import error, nearest

if TYPE_CHECKING:
    from rrl_dsl.backends.cost import Cost
    from rrl_dsl.report.recipe import Explanation

_CODE: Final = re.compile(r"(?i:rrl)?(?P<number>\d+)")


def explain(
    what: Annotated[
        str | None,
        typer.Argument(help="What to explain.", metavar="CODE|NAME|RECIPE", show_default=False),
    ] = None,
    expression: Expression = None,
    param: Parameters = None,
    dataset: DataSetName = "digits",
    batch_size: BatchSize = 256,
    epoch: Epoch = 0,
    seed: Seed = 0,
    data_dir: DataDirectory = None,
    download: Download = False,
    json: Json = False,
) -> None:
    """Explain an error code, a built-in of the language, or a recipe.

    Of a recipe: its type and scope, what it needs, what rewriting leaves of it, how dense its graph
    is on a data set, and what it costs.

    Examples:
    - `rrl-dsl explain RRL203`
    - `rrl-dsl explain corrupt`
    - `rrl-dsl explain recipes/semi_coarse.rrl`
    - `rrl-dsl explain -e 'ssl(views=2) | supervised()'`
    """
    if what is not None and expression is None and _explain_name(what, json):
        return
    from rrl_dsl.backends.program import compile as compile_graph
    from rrl_dsl.graph.recipe import graph_of
    from rrl_dsl.report.recipe import explain as explain_program

    source = source_of(None if what is None else Path(what), expression)
    program = compile_graph(graph_of(source, parameters_of(param)), seed=seed)
    columns = columns_of(dataset, data_dir, download)
    found = explain_program(program, columns, samples=batch_size, epoch=epoch)
    if json:
        print_json(_record(found))
        return
    print_program(source, program)
    _print_calls(found)
    _print_rewriting(found)
    _print_figures(found)
    _print_cost(found.cost)


def _explain_name(what: str, json: bool) -> bool:
    """Explains a code or a built-in; whether it is one.

    Raises:
        RRLError: RRL101 where it is no file either, by its look.
    """
    from rrl_dsl.graph.registry import signatures
    from rrl_dsl.language.explanations import EXPLANATIONS

    if code := _CODE.fullmatch(what):
        _explain_code(f"RRL{code['number']}", json)
    elif what in signatures():
        from rrl_dsl.cli.reference import builtins

        builtins(what, json)
    elif Path(what).name != what or Path(what).suffix or os.path.exists(what):
        return False
    else:
        names = {each.lower(): each for each in (*EXPLANATIONS, *signatures())}
        meant = names.get(nearest(what, list(names)) or "") or meant_by(Path(what))
        hint = f"did you mean `{meant}`?" if meant else "`rrl-dsl builtins` lists what there is"
        raise error("RRL101", f"`{what}` is no code, no built-in and no file", hint=hint)
    return True


def _explain_code(code: str, json: bool) -> None:
    from rrl_dsl.language.codes import CODES
    from rrl_dsl.language.explanations import EXPLANATIONS

    if code not in EXPLANATIONS:
        meant = nearest(code.lower(), [each.lower() for each in EXPLANATIONS])
        hint = f"did you mean `{meant.upper()}`?" if meant else None
        raise error("RRL101", f"there is no code `{code}`", hint=hint)
    found = EXPLANATIONS[code]
    if json:
        print_json({"code": code, "title": CODES[code], **asdict(found)})
        return
    output().print(f"[bold]{code}[/bold]  {CODES[code]}\n")
    output().print(found.text, markup=False)
    for title, recipe in (("wrong", found.wrong), ("right", found.right)):
        if recipe is not None:
            print_text(f"\n{title}:", style="bold")
            for line in recipe.splitlines():
                print_text(f"    {line}")


def _print_calls(found: Explanation) -> None:
    _print_heading("calls")
    for call, facts in found.calls:
        print_text(f"  {call}")
        print_text(f"      {facts}", style="dim")


def _print_rewriting(found: Explanation) -> None:
    _print_heading("rewriting")
    if not found.steps:
        print_text("  nothing to simplify")
        return
    _print_recipe("before", found.before)
    for step in found.steps:
        print_text(f"  {step}", style="dim")
    _print_recipe("after", found.after)


def _print_recipe(title: str, text: str) -> None:
    first, *others = text.splitlines()
    print_text(f"  {title:<8}{first}")
    for line in others:
        print_text(f"          {line}")


def _print_figures(found: Explanation) -> None:
    _print_heading("graph")
    if found.figures is None:
        print_not_known(found.faults)
        return
    from rrl_dsl.report.figures import in_words

    for line in in_words(found.figures):
        print_text(f"  {line}")


def _print_cost(cost: Cost) -> None:
    _print_heading("cost")
    lines = [
        f"{cost.rows} rows: {cost.total:.3g} operations, {cost.operations} for each pair",
        f"{_bytes(cost.graph)} for the graph, {_bytes(cost.prepared)} for the columns",
        f"{_bytes(cost.eager)} at once where torch runs op by op",
    ]
    if cost.assumed is not None:
        lines.append(f"embeddings are taken to be {cost.assumed} wide")
    if cost.staged:
        lines.append(f"{cost.staged:.3g} of the operations are stages over the whole batch")
    for line in lines:
        print_text(f"  {line}")


def _bytes(count: int) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.3g} {unit}"
        count = count / 1024  # type: ignore[assignment]
    raise AssertionError(count)


def _print_heading(title: str) -> None:
    print_text(f"\n{title}", style="bold")


def _record(found: Explanation) -> dict[str, Any]:
    program = found.program
    return {
        "identity": program.identity,
        "binary": program.binary,
        "scope": program.graph.scope,
        "requires": asdict(program.requires),
        "calls": [{"call": call, "facts": facts} for call, facts in found.calls],
        "rewriting": {"before": found.before, "steps": found.steps, "after": found.after},
        "figures": None if found.figures is None else asdict(found.figures),
        "faults": [fault.as_warning().to_dict() for fault in found.faults],
        "cost": asdict(found.cost) | {"total": found.cost.total},
    }
