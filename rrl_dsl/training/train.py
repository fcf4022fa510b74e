"""`rrl_dsl.train`: from a recipe and settings to a run with its evaluation and its directory.

The command line calls `start` and `resume` with the settings of its flags; `train` calls them with
those of its arguments.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from rrl_dsl.data import python_dataset
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.python_dataset import Given
from rrl_dsl.data.view_functions import view_function
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.recipe import graph_of, read_recipe
from rrl_dsl.language.diagnostics import Diagnostic, error
from rrl_dsl.language.span import Source
from rrl_dsl.losses import create as create_loss
from rrl_dsl.losses.base import Loss
from rrl_dsl.losses.registry import find
from rrl_dsl.losses.sums import Sum
from rrl_dsl.models import imported
from rrl_dsl.training import ranks
from rrl_dsl.training import run as runs
from rrl_dsl.training.build import build, load_data
from rrl_dsl.training.config import Config
from rrl_dsl.training.display import Display
from rrl_dsl.training.estimate import long_run
from rrl_dsl.training.evaluation import unmeasured
from rrl_dsl.training.facts import facts_of
from rrl_dsl.training.fit import fit, without_advice
from rrl_dsl.training.loggers import Service, service_of
from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.named_code import code_of, from_working_directory, modules_of
from rrl_dsl.training.pictures import draw_curves, draw_graph
from rrl_dsl.training.presets import configuration
from rrl_dsl.training.processes import Processes, together
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.results import Run
from rrl_dsl.training.resume import Reopened, reopen
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.settings import (
    Setting,
    from_arguments,
    from_header,
    from_yaml,
    notes_of,
    pointing_at,
)
from rrl_dsl.training.stopping import EndAtSteps
from rrl_dsl.training.summary import page, table, warnings_of


def train(
    recipe: str | Path | Graph | None = None,
    loss: str | Mapping[str, Any] | None = None,
    dataset: str | DataSet | Given | None = None,
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    force_resume: bool = False,
    config: str | Path | None = None,
    allow_code: Collection[str] = (),
    allow_outside: bool = False,
    progress: bool | None = None,
    **settings: Any,
) -> Run:
    """Trains an encoder on a recipe and evaluates it, as `rrl-dsl train` does.

        run = rrl_dsl.train("ssl(views=2) | supervised(frac=0.3)", "simclr", epochs=3)
        run.table["backbone"].linear  # the accuracy of a linear probe
        run.encoder(images)           # float (n, d) of uint8 images (n, C, H, W)

    Args:
        recipe: The text of a recipe, the path of a recipe file, or a graph.
        loss: A loss as `--loss` takes it, such as `"dino + 0.1*koleo"`, or its name and options
            as a mapping; defaults to the one that the recipe's header names, or `simclr`.
        dataset: A dataset as `--dataset` takes it, such as `"npz:frames.npz"`; a sequence or a
            map-style dataset of PyTorch whose items are dicts, one for each split by name, or a
            pair for training and testing, see `rrl_dsl.data.python_dataset`; or a `DataSet`.
            Defaults to `digits`.
        out: The directory of the run; defaults to the next free `runs/NAME-NUMBER`.
        resume: The directory of a run to resume, in place of a recipe.
        force_resume: Whether to resume with another recipe, other settings or other data.
        config: A YAML file of settings. Arguments take precedence over it.
        allow_code: The modules that files may name code of, as `package.module:attribute`.
        allow_outside: Whether the recipe may read files outside its folder.
        progress: Whether to print the progress of training; defaults to True in a notebook, and to
            False elsewhere.
        settings: Settings by their names in `config.yaml`: nested, as in
            `optimizer={"lr": 0.1}`, or with dots, as in `**{"optimizer.lr": 0.1}`.

    Returns:
        The run. Its directory has the recipe, the configuration, the metrics, the checkpoints, the
        pictures and the summary.

    Raises:
        RRLError: As the command line: RRL501 and RRL502 for a setting that does not exist or does
            not fit, RRL505 for a run that cannot be resumed, and others if dataset, recipe, loss
            and model do not fit together.
        KeyboardInterrupt: If the user interrupts training; `resume=` continues it.
    """
    data = None if isinstance(dataset, str) else dataset
    named = {"loss": loss, "dataset": dataset if data is None else python_dataset.name_of(data)}
    given = from_yaml(Path(config), allow_code) if config else []
    given += from_arguments({name: value for name, value in named.items() if value is not None})
    given += from_arguments(settings)
    console = Console()
    display = Display(console if progress or (progress is None and console.is_jupyter) else None)
    if resume is None:
        if recipe is None:
            raise error("RRL210", "`train` needs a recipe, or a run to `resume`")
        source = read_recipe(recipe, allow_outside=allow_outside)
        path = None if out is None else Path(out)
        return start(source, given, path, display, allow_code, data=data)
    if recipe is not None or out is not None or config is not None:
        message = "`resume` continues a run with its own recipe, configuration and directory"
        raise error("RRL505", message, hint="leave out `recipe`, `out` and `config`")
    again = reopen(Path(resume), given, allow_code, allow_outside=allow_outside)
    return go_on(again, display, data=data, force=force_resume)


@without_advice()
def start(
    source: Source,
    settings: Sequence[Setting],
    out: Path | None,
    display: Display,
    allow_code: Collection[str] = (),
    *,
    data: DataSet | Given | None = None,
) -> Run:
    """Starts a run; resumes it if SLURM starts its job again.

    Args:
        source: The recipe.
        settings: The settings that the user gave.
        out: The directory of the run; None for the next free one below `runs/`.
        display: Shows the run.
        allow_code: The modules that files may name code of.
        data: The dataset, in place of the configured one.

    Raises:
        RRLError: As `train`.
    """
    if out is not None and ranks.requeued() and RunDirectory(out).has_checkpoint():
        display.text(f"requeued  the run in {out} continues")
        return go_on(reopen(out, (), allow_code), display, data=data)
    _show_notes(settings, display)
    header, settings = with_header(source, settings, allow_code)
    wanted = resolve(settings, {})
    import_code(wanted, settings)
    with pointing_at(settings, "num_nodes", "devices"):
        ranks.adopt(wanted.devices, wanted.num_nodes)
    with together(wanted.processes) as processes:
        with pointing_at(settings, "params"):
            graph = graph_of(source, dict(wanted.params))
        # The loss is created twice: here to report its errors before the dataset is loaded and to
        # choose the presets, and in `build` with the options that the presets add.
        with pointing_at(settings, "loss"):
            loss = create_loss(wanted.loss.name, **wanted.loss.options)
        with pointing_at(settings, "dataset", "split"):
            data = _loaded(wanted, data, display)
        config = configuration(settings, loss, data.shape, data.augmentation)
        warn = display.warning if ranks.leads() else lambda _: None
        module = build(graph, config, data, settings, warn=warn)
        recipe = os.path.splitext(source.file_name or "recipe")[0]
        name = f"{recipe}-{name_of(loss, config)}"
        run = processes.share(lambda: runs.create(out, name).path)
        with (
            runs.emptied_unless_started(run, remove=out is None),
            pointing_at(settings),
            service_of(module, run, display.warning) as service,
        ):
            directory = None
            if ranks.leads():
                directory = run.describe(source, graph, config, data)
                named = header and header.value != wanted.loss.name
                other = f"; the recipe's header names {header.value}" if header and named else ""
                display.text(f"loss      {wanted.loss.name}{other}")
                if time := long_run(module, data):
                    display.text(f"time      {time}")
                draw_graph(source, module.program, data, run)
            return _finish(module, data, run, processes, display, directory, service)


@without_advice()
def go_on(
    again: Reopened,
    display: Display,
    *,
    data: DataSet | Given | None = None,
    force: bool = False,
) -> Run:
    """Resumes a run.

    Args:
        again: The run, as `reopen` returns it.
        display: Shows the run.
        data: The dataset, in place of the configured one.
        force: Whether to resume with another recipe, other settings or other data.

    Raises:
        RRLError: As `train`.
    """
    run, graph, config, settings = again.run, again.graph, again.config, again.settings
    own = str(run.config)  # which the run wrote, and replaces
    _show_notes([setting for setting in settings if setting.source.name != own], display)
    with pointing_at(settings, "num_nodes", "devices"):
        ranks.adopt(config.devices, config.num_nodes)
    with together(config.processes) as processes:
        with pointing_at(settings, "dataset", "image_size", "skip_unreadable"):
            data = _loaded(config, data, display)
        changes = again.check(data, force=force)
        import_code(config, settings)
        module = build(graph, config, data, settings, resumed=True)
        again.check_model(module)
        directory = again.resumed.provenance.directory
        with pointing_at(settings), service_of(module, run, display.warning) as service:
            if ranks.leads():
                _show_what_is_left(again, changes, display)
                run.remove_drafts()
                run.describe_again(directory, graph, config, data)
            run = processes.share(lambda: again.run.path)
            return _finish(module, data, run, processes, display, directory, service, changes)


def _finish(
    module: RelationalModule,
    data: DataSet,
    run: RunDirectory,
    processes: Processes,
    display: Display,
    directory: str | None,
    service: Service | None,
    changes: Sequence[str] = (),
) -> Run:
    """Fits, evaluates and sums up; the processes that do not lead only help."""
    if ranks.leads():
        display.text(f"run       {run.path}")
        display.text(f"identity  {module.program.identity}")
        split = "test" if data.val is None else "validation"
        display.text(f"curves    on the {split} split, {len(data.watched):,} samples")
        if reason := unmeasured(data):
            display.warning(Diagnostic("RRL509", reason, severity="warning"))
    steps = [EndAtSteps(processes.watch)]
    shown = display if ranks.leads() else Display()
    outcome = fit(
        module, data, run, shown, steps, directory=directory, changes=changes, service=service
    )
    if outcome is not None:
        warnings = warnings_of(outcome, module.program, module.config)
        draw_curves(outcome, run)
        facts = facts_of(module, data)
        summary = {**outcome.to_dict(), "warnings": [warning.message for warning in warnings]}
        run.summarize({**summary, **facts.to_dict()}, page(run, facts, outcome, warnings))
        shown_table = None if unmeasured(data) else table(outcome)  # the reason is shown above
        display.result(shown_table, warnings)
        for line in outcome.towers.lines() if outcome.towers else ():
            display.text(line)
        display.text(f"summary   {run.path / 'summary.md'}")
    return Run(run.path, modules_of(module.config))


def _show_notes(settings: Sequence[Setting], display: Display) -> None:
    """Warns of settings by their names of the previous release."""
    for note in notes_of(settings):
        display.warning(note)


def with_header(
    source: Source, settings: Sequence[Setting], allow_code: Collection[str] = ()
) -> tuple[Setting | None, Sequence[Setting]]:
    """Returns the setting in the header of a recipe, and the settings with it if they need it.

    Raises:
        RRLError: As `resolve`.
    """
    header = from_header(source, allow_code)
    if header and "name" not in resolve(settings, {}).loss.model_fields_set:
        settings = [header, *settings]
    return header, settings


def import_code(config: Config, settings: Sequence[Setting]) -> None:
    """Imports the modules that a checked configuration names code of.

    They may be in the working directory. A setting that names them later uses the imported modules.

    Raises:
        RRLError: RRL422 for a loss and RRL502 for a backbone that does not exist.
    """
    named = code_of(config)
    for key, load in (
        ("loss", find),
        ("backbone", imported.resolve),
        ("towers", imported.resolve),
        ("augmentation", view_function),
    ):
        for name in named[key]:
            with pointing_at(settings, key), from_working_directory():
                load(name)


def _loaded(config: Config, data: DataSet | Given | None, display: Display) -> DataSet:
    """The dataset of a run; its notes are shown."""
    if data is None:
        data = load_data(config)
    elif not isinstance(data, DataSet):
        data = python_dataset.load(data, split=config.split, workers=config.workers)
    if ranks.leads():
        for note in data.notes:
            display.warning(note)
    return data


def name_of(loss: Loss, config: Config) -> str:
    """Returns the part of a run's name after its recipe: losses and dataset."""
    dataset = config.dataset.partition(":")[0]
    losses = loss.name()
    if isinstance(loss, Sum):
        losses = "+".join(term.name() for _, term in loss.terms())
    return f"{losses}-{dataset}"


def _show_what_is_left(again: Reopened, changes: Sequence[str], display: Display) -> None:
    resumed, epochs = again.resumed, again.config.epochs
    if resumed.warning:
        display.warning(resumed.warning)
    done = resumed.epochs
    if epochs == done:
        display.text(f"finished  all {done} epochs are done; the encoder is only evaluated again")
    else:
        display.text(f"resumed   after epoch {done} of {epochs}")
    before = resumed.provenance.configuration["epochs"]
    if epochs != before:
        display.text(
            f"schedule  {epochs} epochs instead of {before}: from here on, the learning "
            f"rate and the teacher momentum follow the cosine of {epochs} epochs"
        )
    for change in changes:
        display.text(f"changed   {change}")
