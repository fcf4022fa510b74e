"""`train`: train an encoder on the relation a recipe defines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rrl_dsl.cli.recipes import (
    BATCH_SIZE_HELP,
    DATASET_HELP,
    AllowOutside,
    DataDirectory,
    Download,
    Expression,
    Parameters,
    RecipeFile,
    parameters_of,
    source_of,
)
from rrl_dsl.language.diagnostics import listing
from rrl_dsl.training.processes import ended_together

if TYPE_CHECKING:
    from rrl_dsl.training.settings import Setting

Configuration = Annotated[
    Path | None, typer.Option(help="A YAML file of settings.", show_default=False)
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="Set any setting: KEY=VALUE; repeatable.")
]
AllowCode = Annotated[
    list[str] | None,
    typer.Option(
        help="Allow files to name code of a module, as MODULE:CLASS; repeatable.",
        metavar="MODULE",
        show_default=False,
    ),
]
_RESUMABLE: Final = {
    "--epochs",
    "--dataset",
    "--data-dir",
    "--download",
    "--devices",
    "--num-nodes",
    "--eval",
}
"""The flags that `--resume` takes beside `--set`; a setting that changes the results is an error
later."""


@ended_together()
def train(
    recipe: RecipeFile = None,
    expression: Expression = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="The loss; `rrl-dsl losses` lists them.",
            show_default="the loss in the recipe's header, or simclr",
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help=DATASET_HELP, show_default="digits")] = None,
    split: Annotated[
        float | None,
        typer.Option(help="The share of the training samples to validate on.", metavar="SHARE"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the dataset.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", "--batch", min=2, help=BATCH_SIZE_HELP)
    ] = None,
    devices: Annotated[
        int | None, typer.Option(min=1, help="Processes or GPUs per machine.")
    ] = None,
    num_nodes: Annotated[
        int | None,
        typer.Option(min=1, help="Machines; torchrun or srun starts their processes."),
    ] = None,
    precision: Annotated[str | None, typer.Option(help="32, bf16-mixed or 16-mixed.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="The seed of weights, sample order and views.", show_default="0"),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(min=0, help="The seed of the recipe.", show_default="that of --seed"),
    ] = None,
    param: Parameters = None,
    config: Configuration = None,
    assignments: Assignments = None,
    allow_outside: AllowOutside = False,
    allow_code: AllowCode = None,
    data_dir: DataDirectory = None,
    download: Download = False,
    evaluate: Annotated[
        bool | None,
        typer.Option("--eval/--no-eval", help="Fit the final probes.", show_default="--eval"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run directory.", show_default="runs/NAME-1")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Continue the run in this directory.", show_default=False)
    ] = None,
    force_resume: Annotated[
        bool,
        typer.Option(
            "--force-resume", help="Resume although the recipe, a setting or the data changed."
        ),
    ] = False,
) -> None:
    """Train an encoder on a recipe and measure its accuracy.

    Examples:
    - `rrl-dsl train recipes/byol.rrl`
    - `rrl-dsl train recipes/semi_supervised.rrl --loss simclr`
    - `rrl-dsl train -e 'ssl(views=2) | supervised()' --epochs 3`
    - `rrl-dsl train --resume runs/semi_supervised-wmse-digits-1`
    - `rrl-dsl train --resume runs/semi_supervised-wmse-digits-1 --epochs 100`
    """
    from rrl_dsl.cli.terminal import Terminal
    from rrl_dsl.training import train as trains
    from rrl_dsl.training.resume import reopen

    flags: dict[str, Any] = {
        "--loss": loss,
        "--dataset": dataset,
        "--split": split,
        "--epochs": epochs,
        "--batch-size": batch_size,
        "--devices": devices,
        "--num-nodes": num_nodes,
        "--precision": precision,
        "--seed": seed,
        "--draws": draws,
        "--data-dir": str(data_dir) if data_dir else None,
        "--download": download or None,
        "--eval": evaluate,
    }
    given = {flag: value for flag, value in flags.items() if value is not None}
    allowed = allow_code or []
    if resume is not None:
        others = recipe or expression is not None or param or config or out
        if others or given.keys() - _RESUMABLE:
            message = (
                "`--resume` continues a run with its own recipe and settings; it can be "
                "combined with "
            )
            known = {*_RESUMABLE, "--set", "--allow-code", "--allow-outside", "--force-resume"}
            raise typer.BadParameter(message + listing(sorted(known)))
        changes = settings_of(None, assignments, given, allow_code=allowed)
        again = reopen(resume, changes, allowed, allow_outside=allow_outside)
        trains.go_on(again, Terminal(), force=force_resume)
        return
    if force_resume:
        raise typer.BadParameter("`--force-resume` needs `--resume`")
    source = source_of(recipe, expression, allow_outside=allow_outside)
    settings = settings_of(config, assignments, given, param, allowed)
    trains.start(source, settings, out, Terminal(), allowed)


def settings_of(
    config: Path | None,
    assignments: list[str] | None,
    flags: Mapping[str, Any],
    param: list[str] | None = None,
    allow_code: Collection[str] = (),
) -> list[Setting]:
    """Returns what the user set, the weakest first: file, `--set`, flags.

    Args:
        config: A YAML file of settings.
        assignments: The values of `--set`.
        flags: Flag -> value; None if the user did not give it.
        param: The values of `--param`.
        allow_code: The modules that the file may name code of.

    Raises:
        RRLError: RRL501 or RRL503 for a file or an assignment that cannot be read.
    """
    from rrl_dsl.training.settings import from_assignment, from_flag, from_yaml

    settings = from_yaml(config, allow_code) if config else []
    settings += [from_assignment(text) for text in assignments or []]
    settings += [
        from_flag(flag, (flag.removeprefix("--").replace("-", "_"),), value)
        for flag, value in flags.items()
        if value is not None
    ]
    settings += [
        from_flag("--param", ("params", name), value, f"{name}={value}")
        for name, value in parameters_of(param).items()
    ]
    return settings
