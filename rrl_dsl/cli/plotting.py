"""`plot`: figures of the table of a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rrl_dsl.cli.output import print_text


def plot(
    table: Annotated[Path, typer.Argument(help="A table of a sweep: results.csv or epochs.csv.")],
    value: Annotated[
        str | None,
        typer.Option(help="The column to draw.", show_default="backbone/linear or probe/backbone"),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="The column of the x axis; twice for contours over two parameters.",
            show_default="the epoch, or the only number that varies",
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="A column that distinguishes lines; repeatable. Runs that have all of them in "
            "common are averaged.",
            show_default="everything else that varies, except the seed",
        ),
    ] = None,
    gap: Annotated[
        bool, typer.Option("--gap", help="Draw backbone, projector and their difference.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The PNG file; an SVG and a CSV are written beside it.",
            show_default="VALUE.png",
        ),
    ] = None,
) -> None:
    """Draw the results of a sweep, with confidence bands over its seeds.

    Writes a PNG, an SVG, and the numbers behind the figure as CSV.

    Examples:
    - `rrl-dsl plot runs/sweep/results.csv --against param.frac`
    - `rrl-dsl plot runs/sweep/results.csv --against param.tpr --against param.fpr`
    - `rrl-dsl plot runs/sweep/results.csv --against param.frac --gap`
    - `rrl-dsl plot runs/sweep/epochs.csv --value probe/backbone`
    """
    from rrl_dsl.study.figures import figure_of, write_figure
    from rrl_dsl.study.points import axes_of, points_of, with_projector
    from rrl_dsl.study.table import read_table

    rows = read_table(table)
    axes = axes_of(rows, value, against or [], by)
    if gap:
        axes = with_projector(axes)
    points = points_of(rows, axes)
    name = "gap" if gap else axes.values[0].replace("/", "-")
    path = _picture(out or table.with_name(f"{name}.png"), table)
    for written in write_figure(figure_of(points, axes), points, axes, path):
        print_text(str(written))


def _picture(path: Path, table: Path) -> Path:
    """Checks the path of a figure, whose numbers must not replace a table of the sweep."""
    from rrl_dsl.language.diagnostics import error
    from rrl_dsl.study.sweep import EPOCHS, RESULTS

    if path.suffix != ".png":
        hint = f"write `{path.with_suffix('.png')}`; an SVG and the numbers are written beside it"
        raise error("RRL507", f"`{path}` does not have the suffix `.png`", hint=hint)
    numbers = path.with_suffix(".csv")
    tables = table.with_suffix(".csv"), table.with_name(RESULTS), table.with_name(EPOCHS)
    if numbers.resolve() in [other.resolve() for other in tables]:
        message = f"the numbers of the figure would replace the table `{numbers}`"
        raise error("RRL507", message, hint="choose another `--out`")
    return path
