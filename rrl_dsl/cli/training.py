"""`train`: train an encoder on the relation a recipe defines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from rrl_dsl.cli.output import output, print_diagnostic, print_text
from rrl_dsl.cli.own_code import import_own
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
from rrl_dsl.language.diagnostics import Diagnostic, listing
from rrl_dsl.language.span import Source, Span
from rrl_dsl.training.processes import ended_together

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rrl_dsl.backends.program import Program
    from rrl_dsl.data.dataset import DataSet
    from rrl_dsl.training.config import Config
    from rrl_dsl.training.module import RelationalModule
    from rrl_dsl.training.run import Resumed, RunDirectory
    from rrl_dsl.training.settings import Setting
    from rrl_dsl.training.train import Outcome
    from rrl_dsl.training.watch import Watch

_PICTURE_SAMPLES: Final = 64
"""Samples in a run's picture, in which every row can still be seen."""
_RESUMABLE: Final = {"--epochs", "--dataset", "--data-dir", "--download", "--devices", "--eval"}
"""The flags that `--resume` takes beside `--set`; a setting that moves numbers is refused later."""


@ended_together()
def train(
    recipe: RecipeFile = None,
    expression: Expression = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help="The loss: see `rrl-dsl losses`.",
            show_default="what the recipe's header names, or simclr",
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help=DATASET_HELP, show_default="digits")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help=BATCH_SIZE_HELP)] = None,
    devices: Annotated[int | None, typer.Option(min=1, help="Processes or GPUs.")] = None,
    precision: Annotated[str | None, typer.Option(help="32, bf16-mixed or 16-mixed.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of weights, order and views.", show_default="0")
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of the recipe's draws.", show_default="that of --seed"),
    ] = None,
    param: Parameters = None,
    config: Annotated[
        Path | None, typer.Option(help="A YAML file of settings.", show_default=False)
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of any setting; repeatable.")
    ] = None,
    allow_outside: AllowOutside = False,
    allow_code: Annotated[
        list[str] | None,
        typer.Option(
            help="A MODULE that files may name code of, as MODULE:CLASS; repeatable.",
            metavar="MODULE",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDirectory = None,
    download: Download = False,
    evaluate: Annotated[
        bool | None,
        typer.Option("--eval/--no-eval", help="Fit the final probes.", show_default="--eval"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's directory.", show_default="runs/NAME-1")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with the run in a directory.", show_default=False)
    ] = None,
    force_resume: Annotated[
        bool, typer.Option("--force-resume", help="Go on with another recipe, setting or data.")
    ] = False,
) -> None:
    """Train an encoder on a recipe and say what it learned.

    Examples:
    - `rrl-dsl train recipes/byol.rrl`
    - `rrl-dsl train recipes/semi_supervised.rrl --loss simclr`
    - `rrl-dsl train -e 'ssl(views=2) | supervised()' --epochs 3`
    - `rrl-dsl train --resume runs/semi_supervised-wmse-digits-1`
    - `rrl-dsl train --resume runs/semi_supervised-wmse-digits-1 --epochs 100`
    """
    flags: dict[str, Any] = {
        "--loss": loss,
        "--dataset": dataset,
        "--epochs": epochs,
        "--batch-size": batch_size,
        "--devices": devices,
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
            message = "`--resume` goes on as the run was started; beside it there may be "
            known = {*_RESUMABLE, "--set", "--allow-code", "--allow-outside", "--force-resume"}
            raise typer.BadParameter(message + listing(sorted(known)))
        changes = _settings(None, assignments, given, None, allowed)
        _go_on(resume, changes, allowed, outside=allow_outside, force=force_resume)
        return
    if force_resume:
        raise typer.BadParameter("`--force-resume` is for a run that `--resume` names")
    if out is not None and _is_requeued(out):
        print_text(f"requeued  the run in {out} goes on as it was started")
        _go_on(out, [], allowed, outside=allow_outside, force=False)
        return
    source = source_of(recipe, expression, allow_outside=allow_outside)
    _start(source, _settings(config, assignments, given, param, allowed), out, allowed)


def _is_requeued(out: Path) -> bool:
    from rrl_dsl.training import ranks
    from rrl_dsl.training.run import RunDirectory

    return ranks.requeued() and RunDirectory(out).has_checkpoint()


def _settings(
    config: Path | None,
    assignments: list[str] | None,
    flags: dict[str, Any],
    param: list[str] | None,
    allow_code: Collection[str],
) -> list[Setting]:
    """What the user set, the weakest first: file, `--set`, flags."""
    from rrl_dsl.training.settings import from_assignment, from_flag, from_yaml

    settings = from_yaml(config, allow_code) if config else []
    settings += [from_assignment(text) for text in assignments or []]
    settings += [
        from_flag(flag, (flag.removeprefix("--").replace("-", "_"),), value)
        for flag, value in flags.items()
    ]
    settings += [
        from_flag("--param", ("params", name), value, f"{name}={value}")
        for name, value in parameters_of(param).items()
    ]
    return settings


def _start(
    source: Source, settings: list[Setting], out: Path | None, allow_code: Collection[str]
) -> None:
    from rrl_dsl.data.views import Views
    from rrl_dsl.graph.recipe import graph_of
    from rrl_dsl.losses import create as create_loss
    from rrl_dsl.training import ranks
    from rrl_dsl.training import run as runs
    from rrl_dsl.training.estimate import long_run
    from rrl_dsl.training.presets import configuration
    from rrl_dsl.training.processes import together
    from rrl_dsl.training.settings import pointing_at, resolve
    from rrl_dsl.training.train import build, run_name

    wanted, header = resolve(settings, {}), _of_header(source, allow_code)
    if header and "name" not in wanted.loss.model_fields_set:
        settings = [header, *settings]
        wanted = resolve(settings, {})
    import_own(wanted, settings)
    with pointing_at(settings, "devices"):
        ranks.adopt(wanted.devices)
    with together(wanted.devices) as processes:
        with pointing_at(settings, "params"):
            graph = graph_of(source, dict(wanted.params))
        with pointing_at(settings, "loss"):
            loss = create_loss(wanted.loss.name, **wanted.loss.options)
        with pointing_at(settings, "dataset"):
            data = _load(wanted)
        config = configuration(settings, data.shape, data.augmentation)
        with pointing_at(settings, "augmentation"):
            Views(config.augmentation or data.augmentation, data.shape)
        module = build(graph, config, data, settings)
        name = run_name(source, loss, config)
        run = processes.share(lambda: runs.create(out, name).path)
        directory = None
        if ranks.leads():
            directory = run.describe(source, graph, config, data)
            other = ""
            if header and header.value != wanted.loss.name:
                other = f"; the recipe's header names {header.value}"
            print_text(f"loss      {wanted.loss.name}{other}")
            if time := long_run(module, data):
                print_text(f"time      {time}")
            _draw_graph(source, module.program, data, run)
        with pointing_at(settings):
            _run(module, data, run, processes.watch, directory)


def _of_header(source: Source, allow_code: Collection[str]) -> Setting | None:
    """The loss that the recipe's header names, as a setting."""
    from rrl_dsl.report.gallery import header_of
    from rrl_dsl.training.settings import Setting

    loss = header_of(source.text).loss
    if not loss:
        return None
    start = source.text.index(loss, source.text.index("loss: "))
    span = Span(start, start + len(loss))
    return Setting(("loss",), loss, source, (span,), span, frozenset(allow_code))


def _go_on(
    path: Path, changes: list[Setting], allow_code: Collection[str], *, outside: bool, force: bool
) -> None:
    from rrl_dsl.training import ranks
    from rrl_dsl.training.processes import together
    from rrl_dsl.training.resume import reopen
    from rrl_dsl.training.settings import pointing_at
    from rrl_dsl.training.train import build

    found = reopen(path, changes, allow_code, allow_outside=outside)
    run, graph, config, settings = found.run, found.graph, found.config, found.settings
    with pointing_at(settings, "devices"):
        ranks.adopt(config.devices)
    with together(config.devices) as processes:
        with pointing_at(settings, "dataset", "image_size", "skip_unreadable"):
            data = _load(config)
        changed = found.check(data, force=force)
        import_own(config, settings)
        module = build(graph, config, data, settings)
        found.check_model(module)
        directory = found.resumed.provenance.directory
        if ranks.leads():
            _say_what_is_left(found.resumed, config, changed)
            run.remove_drafts()
            run.describe_again(directory, graph, config, data)
        run = processes.share(lambda: path)
        _run(module, data, run, processes.watch, directory, changed)


def _say_what_is_left(resumed: Resumed, config: Config, changed: Sequence[str]) -> None:
    if resumed.warning:
        print_diagnostic(resumed.warning)
    done = resumed.epochs
    if config.epochs == done:
        print_text(f"finished  all {done} epochs are trained: the encoder is only evaluated again")
    else:
        print_text(f"resumed   after epoch {done} of {config.epochs}")
    before = resumed.provenance.configuration["epochs"]
    if config.epochs != before:
        print_text(
            f"schedule  of {config.epochs} epochs in place of {before}: learning rate and "
            "teacher momentum go on from where its cosine is now"
        )
    for change in changed:
        print_text(f"changed   {change}")


def _load(config: Config) -> DataSet:
    """The data set of a run; says what is to be known of it."""
    from rrl_dsl.training.ranks import leads
    from rrl_dsl.training.train import load_data

    data = load_data(config)
    if leads():
        for note in data.notes:
            print_diagnostic(note)
    return data


def _run(
    module: RelationalModule,
    data: DataSet,
    run: RunDirectory,
    watch: Watch,
    directory: str | None,
    changes: Sequence[str] = (),
) -> None:
    from rrl_dsl.training.evaluation import unmeasured
    from rrl_dsl.training.facts import facts_of
    from rrl_dsl.training.ranks import leads
    from rrl_dsl.training.stopping import EndAtSteps
    from rrl_dsl.training.summary import page, table, warnings_of
    from rrl_dsl.training.train import train as fit

    if leads():
        print_text(f"run       {run.path}")
        print_text(f"identity  {module.program.identity}")
        watched = "test" if data.val is None else "validation"
        print_text(f"curves    on the {watched} split, {len(data.watched):,} images")
        if reason := unmeasured(data):
            print_diagnostic(Diagnostic("RRL509", reason, severity="warning"))
    console = output() if leads() else Console(quiet=True)
    steps = [EndAtSteps(watch)]
    outcome = fit(module, data, run, console, steps, directory=directory, changes=changes)
    if outcome is None:
        return
    warnings = warnings_of(outcome, module.program, module.config)
    _draw_curves(outcome, run)
    facts = facts_of(module, data)
    run.summarise({**outcome.to_dict(), **facts.to_dict()}, page(run, facts, outcome, warnings))
    output().print()
    output().print(table(outcome))
    for warning in warnings:
        print_diagnostic(warning)
    print_text(f"summary   {run.path / 'summary.md'}")


def _draw_graph(source: Source, program: Program, data: DataSet, run: RunDirectory) -> None:
    import torch

    from rrl_dsl.cli.compiling import picture_of
    from rrl_dsl.data.dataset import columns_of
    from rrl_dsl.report.tree import tree_of
    from rrl_dsl.show.figure import draw

    def pixels(places: Any) -> Any:
        images = data.train.images[torch.from_numpy(places)]
        return images.flatten(1).double().numpy() / 255

    columns, seed = columns_of(data), program.seed
    sample = picture_of(source, program.graph, columns, _PICTURE_SAMPLES, seed=seed, pixels=pixels)
    _show(draw(sample, tree_of(program.graph)), "graph", run)


def _draw_curves(outcome: Outcome, run: RunDirectory) -> None:
    from rrl_dsl.show.curves import draw_curves

    _show(draw_curves(outcome.history), "curves", run)


def _show(figure: Figure, name: str, run: RunDirectory) -> None:
    """Puts a picture into the directory of a run, and beside its curves in TensorBoard."""
    from torch.utils.tensorboard import SummaryWriter

    from rrl_dsl.show.figure import save

    save(figure, run.path / f"{name}.png")
    with SummaryWriter(str(run.tensorboard)) as writer:
        writer.add_figure(name, figure, close=False)
