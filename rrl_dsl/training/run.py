"""The directory of a run: what it was made from, how it went, what came out."""

from __future__ import annotations

import itertools
import json
import platform
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import yaml
from torch import Tensor

from rrl_dsl.data import registry
from rrl_dsl.data.dataset import DataSet, Shape
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.identity import canonical
from rrl_dsl.graph.recipe import analyse, graph_of
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.language.files import DRAFTS, write_text
from rrl_dsl.language.span import Source
from rrl_dsl.training import checkpoints
from rrl_dsl.training.checkpoints import epochs_of
from rrl_dsl.training.config import Config
from rrl_dsl.training.run_files import copy_files
from rrl_dsl.training.settings import Setting, from_yaml, resolve
from rrl_dsl.training.yaml_values import Dumper

_VERSIONS_OF: Final = ("rrl-dsl", "torch", "torchvision", "lightning", "kornia", "numpy")
_DATA: Final = "data.json"


@dataclass(frozen=True)
class RunData:
    """What a run knows of its data without them.

    Attributes:
        fingerprint: That of `rrl_dsl.data.fingerprint`.
        shape: (C, H, W) of the images.
        augmentation: The preset of views that suits them.
    """

    fingerprint: str
    shape: Shape
    augmentation: str


@dataclass(frozen=True)
class Resumed:
    """What a run goes on from.

    Attributes:
        checkpoint: The file.
        epochs: How many epochs it has seen.
        warning: Why it is not the newest, where it is not.
    """

    checkpoint: Path
    epochs: int
    warning: Diagnostic | None = None


@dataclass(frozen=True)
class RunDirectory:
    """Paths of a run.

    Attributes:
        path: The directory.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe's text."""
        return self.path / "recipe.rrl"

    @property
    def canonical(self) -> Path:
        """The recipe's canonical form with its identity."""
        return self.path / "recipe.json"

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def files(self) -> Path:
        """Copies of the files that the recipe reads."""
        return self.path / "files"

    @property
    def metrics(self) -> Path:
        """One row an epoch."""
        return self.path / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """What TensorBoard shows."""
        return self.path / "tensorboard"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.checkpoints / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The checkpoint before the newest."""
        return self.checkpoints / "previous.ckpt"

    def describe(self, source: Source, graph: Graph, config: Config, data: DataSet) -> None:
        """Writes down what the run is made from, with copies of the files that the recipe reads.

        Raises:
            RRLError: RRL504 where such a file cannot be copied; RRL507.
        """
        write_text(self.recipe, source.text)
        read = analyse(source, config.params).files
        inside = copy_files(read, source.directory or Path(), self.files)
        form = {
            "identity": graph.identity,
            "directory": inside and inside.relative_to(self.path).as_posix(),
            "canonical": json.loads(canonical(graph)),
        }
        write_text(self.canonical, _json(form))
        known = RunData(fingerprint(data), data.shape, data.augmentation)
        write_text(self.path / _DATA, _json(asdict(known)))
        self.configure(config)
        write_text(self.path / "versions.json", _json(versions()))

    def configure(self, config: Config) -> None:
        """Writes the configuration, with whole paths."""
        values = {
            **config.model_dump(mode="json"),
            "dataset": registry.absolute(config.dataset),
            "data_dir": str(config.data_dir.expanduser().absolute()),
        }
        write_text(self.config, yaml.dump(values, Dumper=Dumper, sort_keys=False))

    def configuration(
        self, changes: Sequence[Setting] = (), allow_code: Collection[str] = ()
    ) -> Config:
        """The configuration that the run was started with, and what is to be different.

        Args:
            changes: Settings that are to be different.
            allow_code: The modules that the configuration may name code of.

        Raises:
            RRLError: RRL505 where the directory holds none; as `resolve`.
        """
        if not self.config.is_file():
            message = f"`{self.path}` is not a run: it has no `{self.config.name}`"
            raise error("RRL505", message, hint="give the directory that `rrl-dsl train` printed")
        return resolve([*from_yaml(self.config, allow_code), *changes], {})

    def data(self) -> RunData:
        """What the run knows of its data.

        Raises:
            RRLError: RRL505 where that is not written, or is damaged.
        """
        path = self.path / _DATA
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return RunData(found["fingerprint"], tuple(found["shape"]), found["augmentation"])
        except (OSError, ValueError, KeyError, TypeError) as problem:
            message = f"`{path}` cannot be read: {problem}"
            raise error("RRL505", message, hint="start the run anew") from None

    def check_data(self, data: DataSet) -> None:
        """Refuses other data than those that the run was started with.

        Raises:
            RRLError: RRL505.
        """
        if fingerprint(data) != self.data().fingerprint:
            message = f"the data of `{data.name}` are not those that this run was started with"
            hint = "name the same data with `--dataset`, or start a new run"
            raise error("RRL505", message, hint=hint)

    def weights(self) -> dict[str, Tensor]:
        """The weights of the newest checkpoint by their names, on the CPU.

        Raises:
            RRLError: RRL505 where there is no checkpoint, or it is damaged.
        """
        if not self.has_checkpoint():
            raise self.no_checkpoint()
        state = checkpoints.read(self.last)["state_dict"]
        return {name: value for name, value in state.items() if isinstance(value, Tensor)}

    def has_checkpoint(self) -> bool:
        """Whether the run came to its first step."""
        return self.last.is_file() or self.previous.is_file()

    def resumed_from(self) -> Resumed:
        """The checkpoint to go on from: the newest, or where that is damaged the one before.

        Raises:
            RRLError: RRL505 where there is no checkpoint, or none that can be read.
        """
        if not self.has_checkpoint():
            raise self.no_checkpoint()
        try:
            return Resumed(self.last, epochs_of(checkpoints.read(self.last)))
        except RRLError as damage:
            try:
                epochs = epochs_of(checkpoints.read(self.previous))
            except RRLError:
                raise damage from None
            message = f"{damage.diagnostics[0].message}; the run goes on from the one before"
            warning = Diagnostic("RRL505", message, severity="warning")
            return Resumed(self.previous, epochs, warning)

    def remove_drafts(self) -> None:
        """Removes what a process left half written that was killed."""
        for folder in (self.path, self.checkpoints):
            for draft in folder.glob(DRAFTS):
                draft.unlink(missing_ok=True)

    def no_checkpoint(self) -> RRLError:
        """RRL505, for a run that can only start anew."""
        message = f"`{self.path}` has no checkpoint: it stopped before its first step"
        return error("RRL505", message, hint="start the run anew with another `--out`")

    def summarise(self, summary: dict[str, Any], page: str) -> None:
        """Writes down what came out."""
        write_text(self.path / "summary.json", _json(summary))
        write_text(self.path / "summary.md", page)


def create(wanted: Path | None, name: str) -> RunDirectory:
    """A new directory for a run.

    Args:
        wanted: Where the user wants it; else the next free number below `runs/`.
        name: What to call it there.

    Raises:
        RRLError: RRL504 where it holds something already or cannot be made; RRL505 where it holds a
            run that cannot go on either.
    """
    path = wanted or Path("runs") / name
    try:
        if wanted is None:
            run = RunDirectory(_numbered(path))
        else:
            path.mkdir(parents=True, exist_ok=True)
            run = RunDirectory(path)
            _check_empty(run)
        run.checkpoints.mkdir()
    except OSError as problem:
        raise error("RRL504", f"cannot make `{path}`: {problem.strerror}") from None
    return run


def _numbered(path: Path) -> Path:
    """Makes the directory with the next free number, which is this process's alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        numbered = path.with_name(f"{path.name}-{number}")
        with suppress(FileExistsError):
            numbered.mkdir()
            break
    return numbered


def _check_empty(run: RunDirectory) -> None:
    if run.has_checkpoint():
        hint = f"go on with `--resume {run.path}`, or choose another `--out`"
        raise error("RRL504", f"`{run.path}` holds a run", hint=hint)
    if run.config.is_file():
        raise run.no_checkpoint()
    if any(run.path.iterdir()):
        raise error("RRL504", f"`{run.path}` is not empty", hint="choose another `--out`")


def reopen(
    path: Path, changes: Sequence[Setting] = (), allow_code: Collection[str] = ()
) -> tuple[RunDirectory, Graph, Config]:
    """The directory, recipe and configuration of a run that is to go on.

    Args:
        path: The directory.
        changes: Settings that are to be different.
        allow_code: The modules that the run's configuration may name code of.

    Raises:
        RRLError: RRL505 where it holds no run, or its recipe or a file that this reads is no longer
            what it was, or it has seen more epochs than it is to have; as
            `rrl_dsl.graph.recipe.parse` where such a file is gone.
    """
    run = RunDirectory(path)
    for needed in (run.recipe, run.canonical, run.config):
        if not needed.is_file():
            hint = "give the directory that `rrl-dsl train` printed"
            raise error("RRL505", f"`{path}` is not a run: it has no `{needed.name}`", hint=hint)
    done = run.resumed_from().epochs
    config = run.configuration(changes, allow_code)
    if config.epochs < done:
        message = f"`{path}` has trained {done} epochs, more than {config.epochs}"
        raise error("RRL505", message, hint=f"give `--epochs` of at least {done}")
    form = json.loads(run.canonical.read_text(encoding="utf-8"))
    directory = None if form["directory"] is None else path / form["directory"]
    source = Source(run.recipe.read_text(encoding="utf-8"), str(run.recipe), directory)
    graph = graph_of(source, config.params)
    if graph.identity != form["identity"]:
        message = f"`{run.recipe}` and what it reads are not what this run was started with"
        raise error("RRL505", message, hint="undo the change, or start a new run")
    return run, graph, config


def versions() -> dict[str, str]:
    """The versions of Python and of what numbers depend on."""
    found = {package: version(package) for package in _VERSIONS_OF}
    return {"python": platform.python_version(), **found}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
