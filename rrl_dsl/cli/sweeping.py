"""`sweep`: many runs of `train`, declared in one file."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from rrl_dsl.cli.output import output, print_text
from rrl_dsl.cli.recipes import AllowOutside
from rrl_dsl.cli.training import AllowCode

if TYPE_CHECKING:
    from rrl_dsl.study.launch import Launcher
    from rrl_dsl.study.sweep import Sweep

Jobs = Annotated[int, typer.Option(min=1, help="Runs at the same time; they share the cores.")]
Slurm = Annotated[bool, typer.Option("--slurm", help="Submit the runs as jobs of SLURM.")]
SlurmOptions = Annotated[
    list[str] | None,
    typer.Option(
        help="A parameter of submitit's AutoExecutor: KEY=VALUE, such as slurm_partition=gpu or "
        "timeout_min=600; repeatable.",
        show_default=False,
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Replace a key of the file: KEY=VALUE or KEY=[VALUE,VALUE]; repeatable."
    ),
]


def sweep(
    file: Annotated[Path, typer.Argument(help="A YAML file of settings.", metavar="FILE")],
    out: Annotated[
        Path | None, typer.Option(help="The folder of runs and tables.", show_default="runs/FILE")
    ] = None,
    jobs: Jobs = 1,
    assignments: Assignments = None,
    slurm: Slurm = False,
    slurm_option: SlurmOptions = None,
    allow_outside: AllowOutside = False,
    allow_code: AllowCode = None,
) -> None:
    """Train every combination of the settings in a file.

    A list of values is an axis of a grid. All runs are checked before the first one starts. Runs
    that are done are skipped, and interrupted runs are resumed. A run that fails does not stop the
    others; the exit status is then 1. The folder has results.csv with a row per run, epochs.csv
    with a row per epoch, and the same as Parquet.

    Examples:
    - `rrl-dsl sweep sweep.yaml --jobs 2`
    - `rrl-dsl sweep sweep.yaml --set seed=[0,1,2] --out runs/mine`
    - `rrl-dsl sweep sweep.yaml --slurm --jobs 20 --slurm-option slurm_partition=gpu`
    """
    from rrl_dsl.study.grid import read_grid
    from rrl_dsl.study.plan import plan
    from rrl_dsl.study.sweep import Sweep
    from rrl_dsl.study.trials import trials_of
    from rrl_dsl.training.settings import from_assignment

    overrides = [from_assignment(text) for text in assignments or []]
    combinations = read_grid(file, overrides, allow_code or ())
    runs = plan(combinations, file.parent, allow_code or (), allow_outside=allow_outside)
    if same := len(combinations) - len(runs):
        print_text(
            f"note      {same} of {len(combinations)} combinations are the same run as others"
        )
    folder = out or Path("runs") / file.stem
    chosen = Sweep(trials_of(runs, folder), folder)
    launcher = launcher_of(folder, jobs, slurm=slurm, options=slurm_option)
    run_sweep(chosen, launcher)
    if chosen.count("failed"):
        raise typer.Exit(1)


def run_sweep(chosen: Sweep, launcher: Launcher) -> None:
    """Runs a sweep, shows it, and says what failed and where the tables are.

    Raises:
        KeyboardInterrupt: After Ctrl-C.
    """
    from rrl_dsl.study.progress import SweepProgress
    from rrl_dsl.study.sweep import EPOCHS, RESULTS

    done, runs = chosen.count("done"), len(chosen.trials)
    print_text(f"sweep     {runs} runs, {done} done; {chosen.out}")
    planned = [trial.planned for trial in chosen.trials]
    lacking = [(run.recipe, name) for run in planned for name in run.given.lacking]
    for recipe, name in dict.fromkeys(lacking):
        print_text(f"note      `{recipe}` has no parameter `{name}`; its runs do not vary it")
    try:
        with _terminated(), SweepProgress(output(), chosen) as progress:
            chosen.run(launcher, progress)
    except KeyboardInterrupt:
        left = runs - chosen.count("done")
        print_text(f"stopped   {left} runs are left; start the same command again to continue")
        raise
    for trial in chosen.trials:
        if problem := chosen.problems.get(trial.directory.name):
            print_text(f"failed    {trial.directory.name}: {problem}", style="red")
            print_text(f"          output: {chosen.log(trial)}")
    print_text(f"results   {chosen.out / RESULTS}")
    print_text(f"epochs    {chosen.out / EPOCHS}")


def launcher_of(
    folder: Path, jobs: int, *, slurm: bool = False, options: list[str] | None = None
) -> Launcher:
    """The launcher that the flags name.

    Raises:
        typer.BadParameter: For an option of SLURM without `--slurm`.
        RRLError: RRL506 if SLURM cannot be used.
    """
    from rrl_dsl.study.launch import Cluster, Local
    from rrl_dsl.training.settings import from_assignment

    if not slurm:
        if options:
            raise typer.BadParameter("`--slurm-option` needs `--slurm`")
        return Local(jobs)
    given: list[Any] = [from_assignment(text) for text in options or []]
    parameters = {".".join(setting.place): setting.value for setting in given}
    return Cluster(folder / "slurm", parameters, jobs=jobs)


@contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM ends a sweep as Ctrl-C does."""

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
