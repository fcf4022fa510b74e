"""The directory of a run: what it was made from, how it went, what came out."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from rrl_dsl.data import registry
from rrl_dsl.data.dataset import DataSet, Shape
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.identity import canonical
from rrl_dsl.graph.recipe import analyze
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.language.files import DRAFTS, TABLE_BYTES, read_bytes, write_bytes, write_text
from rrl_dsl.language.span import Source
from rrl_dsl.training import checkpoints, lock
from rrl_dsl.training.config import Config
from rrl_dsl.training.history import Row
from rrl_dsl.training.provenance import Difference, Provenance, versions
from rrl_dsl.training.settings import Setting, from_yaml
from rrl_dsl.training.yaml_values import Dumper


@dataclass(frozen=True)
class Resumed:
    """What a run goes on from.

    Attributes:
        checkpoint: The file.
        epochs: How many epochs it has seen.
        rows: The metrics of each.
        provenance: What its numbers follow from.
        weights: The weights by their names, on the CPU.
        warning: Why it is not the newest, where it is not.
    """

    checkpoint: Path
    epochs: int
    rows: Sequence[Row]
    provenance: Provenance
    weights: Mapping[str, Tensor]
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
    def data(self) -> Path:
        """What its data are by their content."""
        return self.path / "data.json"

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
    def summary(self) -> Path:
        """The result, for programs."""
        return self.path / "summary.json"

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

    def describe(self, source: Source, graph: Graph, config: Config, data: DataSet) -> str | None:
        """Writes down what the run is made from, with copies of the files that the recipe reads.

        Returns:
            What the recipe's paths are relative to, below the run's directory; None where it reads
            no files.

        Raises:
            RRLError: RRL504 where such a file cannot be copied; RRL507.
        """
        write_text(self.recipe, source.text)
        read = analyze(source, config.params).files
        inside = _copy_files(read, source.directory or Path(), self.files)
        directory = None if inside is None else inside.relative_to(self.path).as_posix()
        self.describe_again(directory, graph, config, data)
        return directory

    def describe_again(
        self, directory: str | None, graph: Graph, config: Config, data: DataSet
    ) -> None:
        """Writes down what the run goes on with; the recipe and its files are there.

        Args:
            directory: What the recipe's paths are relative to.
            graph: The recipe.
            config: The configuration; its paths become whole ones.
            data: The data.

        Raises:
            RRLError: RRL507.
        """
        write_text(self.canonical, _recipe_text(directory, graph))
        write_text(self.data, _data_text(fingerprint(data), data.shape, data.augmentation))
        values = {
            **config.model_dump(mode="json"),
            "dataset": registry.absolute(config.dataset),
            "data_dir": str(config.data_dir.expanduser().absolute()),
        }
        write_text(self.config, yaml.dump(values, Dumper=Dumper, sort_keys=False))
        write_text(self.path / "versions.json", _json(versions()))

    def settings(self, allow_code: Collection[str] = ()) -> list[Setting]:
        """The settings that the configuration holds.

        Args:
            allow_code: The modules that the configuration may name code of.

        Raises:
            RRLError: RRL505 where there is none; as `from_yaml`.
        """
        self.check()
        return from_yaml(self.config, allow_code)

    def check(self) -> None:
        """Refuses a directory without a configuration.

        Raises:
            RRLError: RRL505.
        """
        if not os.path.lexists(self.config):
            message = f"`{self.path}` is not a run: it has no `{self.config.name}`"
            raise error("RRL505", message, hint="pass the directory that `rrl-dsl train` printed")

    def edited(self, graph: Graph, provenance: Provenance) -> Iterator[Difference]:
        """Which of the files that tell what the run is made from are not as it wrote them.

        Args:
            graph: The recipe, which has the identity that the run knows.
            provenance: What the checkpoint says.
        """
        known = provenance.data, provenance.shape, provenance.augmentation
        wanted = {
            self.canonical: _recipe_text(provenance.directory, graph),
            self.data: _data_text(*known),
        }
        for path, text in wanted.items():
            try:
                found = read_bytes(path, str(path), TABLE_BYTES)
            except OSError:
                found = b""
            if found != text.encode():
                yield Difference(path.name, "as the run wrote it", "edited or missing", path.name)

    def has_checkpoint(self) -> bool:
        """Whether the run came to its first step."""
        return os.path.lexists(self.last) or os.path.lexists(self.previous)

    def newest(self) -> Resumed:
        """The newest checkpoint.

        Raises:
            RRLError: RRL505 where there is none, or it is damaged.
        """
        if not self.has_checkpoint():
            raise self.no_checkpoint()
        return _resumed(self.last)

    def resumed_from(self) -> Resumed:
        """The checkpoint to go on from: the newest, or where that is damaged the one before.

        Raises:
            RRLError: RRL505 where there is no checkpoint, or none that can be read.
        """
        try:
            return self.newest()
        except RRLError as damage:
            if damage.diagnostics[0].code != "RRL505":
                raise
            try:
                earlier = _resumed(self.previous)
            except RRLError:
                raise damage from None
            message = f"{damage.diagnostics[0].message}; the run continues from the previous one"
            warning = Diagnostic("RRL505", message, severity="warning")
            return replace(earlier, warning=warning)

    def remove_drafts(self) -> None:
        """Removes what a process left half written that was killed."""
        for folder in (self.path, self.checkpoints):
            for draft in folder.glob(DRAFTS):
                draft.unlink(missing_ok=True)

    def no_checkpoint(self) -> RRLError:
        """RRL505, for a run that can only start anew."""
        message = f"`{self.path}` has no checkpoint: the run stopped before its first step"
        return error("RRL505", message, hint="start a new run with another `--out`")

    def summarize(self, summary: dict[str, Any], page: str) -> None:
        """Writes down what came out."""
        write_text(self.summary, _json(summary))
        write_text(self.path / "summary.md", page)


def create(wanted: Path | None, name: str) -> RunDirectory:
    """A new directory for a run, which is locked.

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
        lock.hold(run.path)
    except OSError as problem:
        raise error("RRL504", f"cannot create `{path}`: {problem.strerror}") from None
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
    lock.check_free(run.path)
    if run.has_checkpoint():
        hint = f"continue with `--resume {run.path}`, or choose another `--out`"
        raise error("RRL504", f"`{run.path}` contains a run", hint=hint)
    if os.path.lexists(run.config):
        raise run.no_checkpoint()
    if any(run.path.iterdir()):
        raise error("RRL504", f"`{run.path}` is not empty", hint="choose another `--out`")


def _resumed(path: Path) -> Resumed:
    found = checkpoints.read(path)
    return Resumed(
        path,
        checkpoints.epochs_of(found),
        checkpoints.rows_of(found),
        checkpoints.provenance_of(found),
        {name: each for name, each in found["state_dict"].items() if isinstance(each, Tensor)},
    )


def _recipe_text(directory: str | None, graph: Graph) -> str:
    form = json.loads(canonical(graph))
    return _json({"identity": graph.identity, "directory": directory, "canonical": form})


def _data_text(content: Mapping[str, str], shape: Shape, augmentation: str) -> str:
    return _json({"fingerprint": content, "shape": shape, "augmentation": augmentation})


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def _copy_files(files: Iterable[Path], directory: Path, target: Path) -> Path | None:
    """Copies files so that they have the same places relative to a directory.

    Args:
        files: What the recipe reads: recipes that it imports, tables of pairs.
        directory: What the recipe's paths are relative to.
        target: Where the copies go: a tree that holds all files and the directory.

    Returns:
        The directory within the target; None where there is nothing to copy.

    Raises:
        RRLError: RRL504, where a file cannot be copied; RRL507.
    """
    # `..` leads to the same place in the copy as long as no link is followed
    whole = [Path(os.path.abspath(file)) for file in files]
    folder = Path(os.path.abspath(directory))
    if not whole:
        return None
    root = Path(os.path.commonpath([folder, *(path.parent for path in whole)]))
    try:
        for path in whole:
            copy = target / path.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(copy, path.read_bytes())
        inside = target / folder.relative_to(root)
        inside.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        message = f"cannot copy the files of the recipe to `{target}`: {problem.strerror}"
        raise error("RRL504", message) from None
    return inside
