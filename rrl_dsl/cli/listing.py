"""`runs`: the runs in a folder, and the difference of two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from rrl_dsl.cli.output import print_json, print_text
from rrl_dsl.cli.recipes import DataDirectory, Json

_SECONDS: Final = (("days", 86400), ("hours", 3600), ("min", 60))


def runs(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="A folder of runs, or `diff` and two runs.", metavar="[DIR | diff A B]"
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Show only runs with KEY=VALUE, KEY<VALUE or KEY>VALUE; repeatable. A key is a "
            "column or a setting.",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="Sort by a column or a setting, the largest first.",
            show_default="the newest first",
        ),
    ] = None,
    data_dir: DataDirectory = None,
    json: Json = False,
) -> None:
    """List the runs in a folder, or compare two of them.

    The accuracy is that of the final linear probe on the backbone. A run is done, training, stopped
    (`train --resume` continues it), without a step, damaged (its newest checkpoint is missing or
    truncated), or unreadable.

    Examples:
    - `rrl-dsl runs`
    - `rrl-dsl runs runs/sweep --sort accuracy --where loss=wmse`
    - `rrl-dsl runs diff runs/mine-1 runs/mine-2`
    """
    given = words or ["runs"]
    if given[0] == "diff":
        if len(given) != 3:
            raise typer.BadParameter("`runs diff` needs two runs")
        _diff(Path(given[1]), Path(given[2]), data_dir, json)
        return
    if len(given) > 1:
        raise typer.BadParameter("give one folder")
    _list(Path(given[0]), where or [], sort, json)


def _list(folder: Path, where: list[str], sort: str | None, json: bool) -> None:
    from rich.table import Table

    from rrl_dsl.cli.output import output
    from rrl_dsl.study.catalog import COLUMNS, chosen, condition_of, runs_in

    listed = chosen(runs_in(folder), [condition_of(text) for text in where], sort)
    if json:
        print_json([run.values() for run in listed])
        return
    if not listed:
        print_text(f"no runs in {folder}{' that meet ' if where else ''}{' and '.join(where)}")
        return
    table = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        right = name in ("seed", "epochs", "accuracy", "age")
        whole = name not in ("run", "recipe", "dataset")
        table.add_column(name, justify="right" if right else "left", no_wrap=whole, overflow="fold")
    for run in listed:
        values = run.values()
        values["run"] = str(run.directory.relative_to(folder)) if run.directory != folder else "."
        values["epochs"] = f"{run.epochs}/{run.settings.get('epochs', '?')}"
        values["accuracy"] = "" if run.accuracy is None else f"{100 * run.accuracy:.1f}"
        values["age"] = _age(run.age)
        cells = [str(values.get(name, "")) for name in COLUMNS]
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    output().print(table)


def _diff(one: Path, other: Path, data_dir: Path | None, json: bool) -> None:
    from rrl_dsl.cli.comparing import compare, print_comparison
    from rrl_dsl.cli.recipes import columns_of
    from rrl_dsl.study.catalog import configuration_of, graph_of_run
    from rrl_dsl.study.grid import columns_of as settings_of
    from rrl_dsl.training.run import RunDirectory

    graphs = [graph_of_run(path) for path in (one, other)]
    config = configuration_of(RunDirectory(one))
    settings = [settings_of(configuration_of(RunDirectory(path))) for path in (one, other)]
    changed = {
        name: [values.get(name) for values in settings]
        for name in dict.fromkeys([*settings[0], *settings[1]])
        if settings[0].get(name) != settings[1].get(name)
    }
    dataset = str(config["dataset"])
    root = data_dir or Path(config["data_dir"])
    columns = columns_of(dataset, root, download=False)
    samples = int(config["batch_size"])
    comparison = compare(graphs[0], graphs[1], columns, samples=samples)
    results = _results(one, other)
    if json:
        parts = {"settings": changed, "recipe": comparison.to_dict(), "results": results}
        print_json(parts)
        return
    print_text("settings", style="bold")
    for name, (before, after) in changed.items():
        print_text(f"  {name}: {before} -> {after}")
    if not changed:
        print_text("  the same")
    print_text("\nrecipe", style="bold")
    print_comparison(comparison, dataset)
    print_text("\nresults", style="bold")
    for name, pair in results.items():
        print_text(f"  {name:<24}{_results_line(pair)}")


def _results(one: Path, other: Path) -> dict[str, list[Any]]:
    """The accuracies and the last metrics of two runs, None where a run has none."""
    from rrl_dsl.training.results import Run
    from rrl_dsl.training.run import RunDirectory

    columns: list[dict[str, Any]] = []
    for path in (one, other):
        run, files, column = Run(path), RunDirectory(path), dict[str, Any]()
        if files.summary.exists():
            for features, scores in run.table.items():
                column |= {f"{features}/{name}": value for name, value in vars(scores).items()}
        if files.metrics.exists():
            column |= run.history[-1] if run.history else {}
        columns.append(column)
    names = dict.fromkeys([*columns[0], *columns[1]])
    return {name: [column.get(name) for column in columns] for name in names}


def _results_line(pair: list[Any]) -> str:
    before, after = ("-" if value is None else f"{value:.4g}" for value in pair)
    return f"{before} -> {after}"


def _age(seconds: float) -> str:
    for unit, size in _SECONDS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
