"""`views`: a sheet of the views that training would draw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rrl_dsl.cli.output import print_text
from rrl_dsl.cli.recipes import DATASET_HELP, DataDirectory, Download
from rrl_dsl.cli.training import AllowCode, Assignments, Configuration, settings_of
from rrl_dsl.cli.writing import check_not_read


def views(
    dataset: Annotated[str | None, typer.Option(help=DATASET_HELP, show_default="digits")] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The picture: .png, .pdf, .svg or .html.")
    ] = Path("views.png"),
    loss: Annotated[
        str | None,
        typer.Option(help="The loss, whose preset draws the views.", show_default="simclr"),
    ] = None,
    config: Configuration = None,
    assignments: Assignments = None,
    samples: Annotated[int, typer.Option(min=1, max=64, help="Samples on the sheet.")] = 8,
    views: Annotated[int, typer.Option(min=1, max=32, help="Views per sample.")] = 5,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The seed of samples and views.", show_default="0")
    ] = None,
    allow_code: AllowCode = None,
    data_dir: DataDirectory = None,
    download: Download = False,
) -> None:
    """Draw samples beside their views, to see what an augmentation does.

    Examples:
    - `rrl-dsl views --dataset digits -o sheet.png`
    - `rrl-dsl views --config mine.yaml --samples 4`
    - `rrl-dsl views --set augmentation=small-gray`
    """
    from rrl_dsl.show.figure import save
    from rrl_dsl.training.resolve import resolve
    from rrl_dsl.training.view_sheet import sheet_of

    flags = {
        "--loss": loss,
        "--dataset": dataset,
        "--seed": seed,
        "--data-dir": str(data_dir) if data_dir else None,
        "--download": download or None,
    }
    settings = settings_of(config, assignments, flags, allow_code=allow_code or ())
    sheet = sheet_of(settings, samples=samples, views=views)
    check_not_read(out, resolve(settings, {}).dataset)
    save(sheet, out)
    print_text(str(out))
