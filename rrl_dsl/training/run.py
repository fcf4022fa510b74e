"""The directory of a run: its description, its metrics and checkpoints, its results."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from rrl_dsl.data import registry
from rrl_dsl.data.dataset import DataSet, Shape
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.identity import canonical
from rrl_dsl.graph.recipe import analyze
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.files import DRAFTS, TABLE_BYTES, is_utf8, read_bytes, write_bytes, write_text
from rrl_dsl.language.span import Source
from rrl_dsl.training import lock, ranks
from rrl_dsl.training.checkpoints import Resumed
from rrl_dsl.training.config import Config
from rrl_dsl.training.provenance import Difference, Provenance, versions
from rrl_dsl.training.settings import Setting, from_yaml
from rrl_dsl.training.yaml_values import Dumper


@dataclass(frozen=True)
class RunDirectory:
    """The paths of a run.

    Attributes:
        path: The run directory.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The text of the recipe."""
        return self.path / "recipe.rrl"

    @property
    def canonical(self) -> Path:
        """The canonical form and the identity of the recipe."""
        return self.path / "recipe.json"

    @property
    def data(self) -> Path:
        """The fingerprint of the data."""
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
        """The metrics, one row per epoch."""
        return self.path / "metrics.csv"

    @property
    def summary(self) -> Path:
        """The results as JSON."""
        return self.path / "summary.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's files."""
        return self.path / "tensorboard"

    @property
    def services(self) -> Path:
        """The id that each service of experiment tracking has for the run, as JSON."""
        return self.path / "logger.json"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.checkpoints / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The checkpoint before the newest."""
        return self.checkpoints / "previous.ckpt"

    def describe(self, source: Source, graph: Graph, config: Config, data: DataSet) -> str | None:
        """Writes the description of the run, and copies the files that the recipe reads.

        Returns:
            The folder in the run directory that the recipe's paths are relative to; None if the
            recipe reads no files.

        Raises:
            RRLError: RRL504 if a file cannot be copied; RRL507.
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
        """Writes the description of a resumed run, except the recipe and the copied files.

        Args:
            directory: The folder that the recipe's paths are relative to.
            graph: The recipe.
            config: The configuration; its paths are written as absolute paths.
            data: The dataset.

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
        """Reads the settings of the configuration file.

        Args:
            allow_code: The modules that the configuration may name code of.

        Raises:
            RRLError: RRL505 if the file does not exist; as `from_yaml`.
        """
        self.check()
        return from_yaml(self.config, allow_code)

    def check(self) -> None:
        """Checks that the directory has a configuration.

        Raises:
            RRLError: RRL505.
        """
        if not os.path.lexists(self.config):
            message = f"`{self.path}` is not a run: it has no `{self.config.name}`"
            raise error("RRL505", message, hint="pass the directory that `rrl-dsl train` printed")

    def edited(self, graph: Graph, provenance: Provenance) -> Iterator[Difference]:
        """Yields the files of the description that were changed.

        Args:
            graph: The recipe, with the identity in the checkpoint.
            provenance: The provenance in the checkpoint.
        """
        known = provenance.data, provenance.shape, provenance.augmentation
        wanted = {
            self.canonical: _recipe_text(provenance.directory, graph),
            self.data: _data_text(*known),
        }
        for path, text in wanted.items():
            try:
                content = read_bytes(path, str(path), TABLE_BYTES)
            except OSError:
                content = bytearray()
            if content != text.encode():
                yield Difference(path.name, "as the run wrote it", "edited or missing", path.name)

    def has_checkpoint(self) -> bool:
        """Returns whether the run has a checkpoint, which it writes before its first step."""
        return os.path.lexists(self.last) or os.path.lexists(self.previous)

    def newest(self) -> Resumed:
        """Reads the newest checkpoint.

        Raises:
            RRLError: RRL505 if it does not exist or is damaged.
        """
        resumed = self.resumed_from()
        if resumed.warning is None:
            return resumed
        hint = f"`rrl-dsl train --resume {self.path}` continues from the previous checkpoint"
        raise error("RRL505", resumed.warning.message, hint=hint)

    def resumed_from(self) -> Resumed:
        """Reads the newest checkpoint, or the previous one if the newest is damaged.

        Raises:
            RRLError: RRL505 if there is no intact checkpoint.
        """
        if not self.has_checkpoint():
            raise self.no_checkpoint()
        try:
            return Resumed.read(self.last)
        except RRLError as damage:
            if damage.diagnostics[0].code != "RRL505":
                raise
            try:
                earlier = Resumed.read(self.previous)
            except RRLError:
                raise damage from None
            hint = "the run continues from the previous checkpoint"
            warning = replace(damage.diagnostics[0], hint=hint, severity="warning")
            return replace(earlier, warning=warning)

    def remove_drafts(self) -> None:
        """Removes the temporary files of a process that was killed."""
        for folder in (self.path, self.checkpoints):
            for draft in folder.glob(DRAFTS):
                draft.unlink(missing_ok=True)

    def no_checkpoint(self) -> RRLError:
        """Returns RRL505 for a run without a checkpoint."""
        reason = "the run stopped before its first step"
        if self.metrics.exists() or self.summary.exists():
            reason = f"the files in `{self.checkpoints}` were removed"
        message = f"`{self.path}` has no checkpoint: {reason}"
        return error("RRL505", message, hint="start a new run with another `--out`")

    def summarize(self, summary: dict[str, Any], page: str) -> None:
        """Writes the results."""
        write_text(self.summary, _json(summary))
        write_text(self.path / "summary.md", page)


def create(wanted: Path | None, name: str) -> RunDirectory:
    """Creates and locks a directory for a run.

    Args:
        wanted: The directory; None for the next free number below `runs/`.
        name: The name below `runs/`.

    Raises:
        RRLError: RRL504 if the directory is not empty, in use, or cannot be created, or if its
            path is not UTF-8; RRL505 if it holds a run without a checkpoint.
    """
    path = wanted or Path("runs") / name
    if not is_utf8(path.absolute()):
        raise error(
            "RRL504", f"the path {path.absolute()} is not UTF-8", hint="choose another `--out`"
        )
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


@contextmanager
def emptied_unless_started(run: RunDirectory, *, remove: bool) -> Iterator[None]:
    """Empties the new directory of a run that ends before its first checkpoint.

    The same command can then be repeated.

    Args:
        run: The run directory. Only the process that leads empties it.
        remove: Whether to remove the directory too.
    """
    try:
        yield
    except BaseException:
        if ranks.leads() and not run.has_checkpoint():
            for path in run.path.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
            if remove:
                with suppress(OSError):
                    run.path.rmdir()
        raise


def _numbered(path: Path) -> Path:
    """Creates the directory with the next free number; no other process gets the same one."""
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


def _recipe_text(directory: str | None, graph: Graph) -> str:
    form = json.loads(canonical(graph))
    return _json({"identity": graph.identity, "directory": directory, "canonical": form})


def _data_text(content: Mapping[str, str], shape: Shape, augmentation: str) -> str:
    return _json({"fingerprint": content, "shape": shape, "augmentation": augmentation})


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"


def _copy_files(files: Iterable[Path], directory: Path, target: Path) -> Path | None:
    """Copies files, and keeps their paths relative to a directory.

    Args:
        files: The files that the recipe reads: imported recipes and tables of pairs.
        directory: The folder that the recipe's paths are relative to.
        target: The folder of the copies.

    Returns:
        The copy of `directory` below `target`; None if there are no files.

    Raises:
        RRLError: RRL504 if a file cannot be copied; RRL507.
    """
    # without resolving links, `..` has the same meaning in the copy
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
