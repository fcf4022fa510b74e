"""`reproduce`: the studies of the paper."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rrl_dsl.cli.output import print_text
from rrl_dsl.cli.recipes import DATASET_HELP
from rrl_dsl.cli.sweeping import Assignments, Jobs, Slurm, SlurmOptions, launcher_of, run_sweep
from rrl_dsl.cli.training import AllowCode

if TYPE_CHECKING:
    from rrl_dsl.study.page import Drawn
    from rrl_dsl.study.published import Plot
    from rrl_dsl.study.sweep import Sweep


class Scale(StrEnum):
    """The scales of a study."""

    SMOKE = "smoke"
    SMALL = "small"
    PAPER = "paper"


def reproduce(
    name: Annotated[
        str,
        typer.Argument(
            help="richness, noise, gap, gap-frac, gap-coarse, gap-batch, or a copy of a study."
        ),
    ],
    scale: Annotated[
        Scale,
        typer.Option(help="A short trial on the digits, more seeds and epochs, or the paper's."),
    ] = Scale.SMOKE,
    reading: Annotated[
        str | None,
        typer.Option(
            help="The reading of the paper; the report lists all readings.", show_default="first"
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help=DATASET_HELP, show_default="that of the scale")
    ] = None,
    assignments: Assignments = None,
    jobs: Jobs = 1,
    slurm: Slurm = False,
    slurm_option: SlurmOptions = None,
    allow_code: AllowCode = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The folder.", show_default="runs/NAME-SCALE-READING-DATASET"),
    ] = None,
    copy: Annotated[
        Path | None,
        typer.Option(help="Only copy the study to this folder, to change it.", show_default=False),
    ] = None,
) -> None:
    """Run a study of the paper: a sweep, its figures, and a report as one HTML page.

    The same command continues a study that was interrupted.

    Examples:
    - `rrl-dsl reproduce richness --jobs 2`
    - `rrl-dsl reproduce gap-frac --scale small --dataset npz:mine.npz --reading edges`
    - `rrl-dsl reproduce noise --copy mine`
    """
    import shlex
    import sys

    from rrl_dsl.language.diagnostics import did_you_mean, error, listing
    from rrl_dsl.language.files import write_text
    from rrl_dsl.study.claims import verdicts
    from rrl_dsl.study.figure_checks import check_figures_and_claims
    from rrl_dsl.study.grid import read_grid
    from rrl_dsl.study.page import page
    from rrl_dsl.study.plan import plan
    from rrl_dsl.study.published import folder_of, read_study
    from rrl_dsl.study.sweep import RESULTS, Sweep
    from rrl_dsl.study.table import read_table
    from rrl_dsl.study.trials import trials_of
    from rrl_dsl.training.settings import from_assignment, from_flag, pointing_at

    folder = folder_of(name)
    study = read_study(folder)
    if copy is not None:
        if copy.exists():
            raise error("RRL504", f"`{copy}` exists", hint="choose another folder")
        shutil.copytree(folder, copy)
        print_text(f"copied    {copy}; run it with `rrl-dsl reproduce {copy.absolute()}`")
        return
    reading = reading or next(iter(study.readings))
    if reading not in study.readings:
        message = f"`{name}` has the readings {listing(study.readings, 'and')}, not `{reading}`"
        raise error("RRL502", message, hint=did_you_mean(reading, list(study.readings)))
    settings = [from_assignment(text) for text in assignments or []]
    settings.append(from_flag("--reading", ("recipe",), f"{reading}.rrl", reading))
    if dataset is not None:
        settings.append(from_flag("--dataset", ("dataset",), dataset))
    file = folder / f"{scale}.yaml"
    study.check_recipes(read_grid(file, (), allow_code or ()))
    with _another_dataset():
        runs = plan(read_grid(file, settings, allow_code or ()), folder, allow_code or ())
    with pointing_at(settings, "dataset"):
        study.check_measured(runs)
    study.check_compared(runs)
    place = out or Path("runs") / _place_name(folder.name, scale, reading, dataset)
    trials = trials_of(runs, place)
    check_figures_and_claims(study, folder, trials)
    print_text(f"study     {study.title}; reading {reading}")
    sweep = Sweep(trials, place)
    run_sweep(sweep, launcher_of(place, jobs, slurm=slurm, options=slurm_option))
    rows = read_table(place / RESULTS)
    figures = [_drawn(plot, sweep, number) for number, plot in enumerate(study.plots, start=1)]
    judged = [(claim, verdicts(rows, claim)) for claim in study.claims]
    command = shlex.join(["rrl-dsl", *sys.argv[1:]])
    declared = file.read_text(encoding="utf-8")
    report = place / "report.html"
    write_text(report, page(study, reading, scale, command, declared, sweep, rows, figures, judged))
    for claim, results in judged:
        said = ", ".join(f"{result.group}: {result.verdict}" for result in results)
        print_text(f"claim     {claim.text} {said}")
    print_text(f"report    {report}")
    if sweep.count("failed"):
        raise typer.Exit(1)


def _place_name(study: str, scale: str, reading: str, dataset: str | None) -> str:
    """The name of the default folder; with the dataset, so that no dataset replaces another."""
    own = [re.sub(r"[^\w.]+", "-", dataset)] if dataset else []
    return "-".join([study, scale, reading, *own])


@contextmanager
def _another_dataset() -> Iterator[None]:
    """Says how to reproduce a study on a dataset without the columns that its recipes read."""
    from rrl_dsl.language.diagnostics import RRLError

    try:
        yield
    except RRLError as problem:
        copy = "copy the study with `--copy FOLDER`, and change its recipe"
        raise RRLError(
            replace(fault, hint="; ".join(filter(None, [fault.hint, copy])))
            if fault.code == "RRL401"
            else fault
            for fault in problem.diagnostics
        ) from None


def _drawn(plot: Plot, sweep: Sweep, number: int) -> Drawn:
    """Draws a figure of a study beside its tables."""
    from rrl_dsl.study.figures import figure_of, write_figure
    from rrl_dsl.study.page import Drawn
    from rrl_dsl.study.points import axes_of, points_of, with_projector
    from rrl_dsl.study.table import read_table

    rows = read_table(sweep.out / f"{plot.table}.csv")
    axes = axes_of(rows, plot.value, plot.against, plot.by)
    axes = with_projector(axes) if plot.gap else axes
    points = points_of(rows, axes)
    path = sweep.out / f"figure-{number}.png"
    write_figure(figure_of(points, axes), points, axes, path)
    return Drawn(path, axes, points)
