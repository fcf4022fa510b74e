"""The directory of a run: what it was made from, how it went, what came out."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import yaml

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.identity import canonical
from rrl_dsl.graph.recipe import graph_of
from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.files import write_text
from rrl_dsl.language.span import Source
from rrl_dsl.training.config import Config
from rrl_dsl.training.settings import from_yaml, resolve

_VERSIONS_OF: Final = ("rrl-dsl", "torch", "torchvision", "lightning", "kornia", "numpy")
_ENVIRONMENT: Final = "RRL_DSL_RUN_DIRECTORY"
"""Tells the further processes of a distributed run, which repeat its command, where it writes."""


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
    def metrics(self) -> Path:
        """One row an epoch."""
        return self.path / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.checkpoints / "last.ckpt"

    def describe(self, source: Source, graph: Graph, config: Config) -> None:
        """Writes down what the run is made from.

        Files that the recipe imports or reads stay where they are: their folder is kept, and their
        content is a part of the identity.
        """
        write_text(self.recipe, source.text)
        directory = None if source.directory is None else str(source.directory.resolve())
        form = {
            "identity": graph.identity,
            "directory": directory,
            "canonical": json.loads(canonical(graph)),
        }
        write_text(self.canonical, _json(form))
        write_text(self.config, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
        versions = {"python": platform.python_version(), **dict(_versions())}
        write_text(self.path / "versions.json", _json(versions))

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
        RRLError: RRL504 where it holds something already or cannot be made.
    """
    if not leads():
        return RunDirectory(Path(os.environ[_ENVIRONMENT]))
    path = wanted or _next_free(name)
    try:
        path.mkdir(parents=True, exist_ok=wanted is not None)
        if any(path.iterdir()):
            hint = "choose another `--out`, or go on with `--resume`"
            raise error("RRL504", f"`{path}` is not empty", hint=hint)
        (path / "checkpoints").mkdir()
    except OSError as problem:
        raise error("RRL504", f"cannot make `{path}`: {problem.strerror}") from None
    os.environ[_ENVIRONMENT] = str(path.resolve())
    return RunDirectory(path)


def leads() -> bool:
    """Whether this process writes and prints: the first of a distributed run, or the only one."""
    return os.environ.get("LOCAL_RANK", "0") == "0" or _ENVIRONMENT not in os.environ


def reopen(path: Path) -> tuple[RunDirectory, Graph, Config]:
    """The directory, recipe and configuration of a run that is to go on.

    Raises:
        RRLError: RRL505 where it holds no run, or its recipe or a file that this reads is no longer
            what it was; as `rrl_dsl.graph.recipe.parse` where such a file is gone.
    """
    run = RunDirectory(path)
    for needed in (run.recipe, run.canonical, run.config):
        if not needed.is_file():
            hint = "give the directory that `rrl-dsl train` printed"
            raise error("RRL505", f"`{path}` is not a run: it has no `{needed.name}`", hint=hint)
    if not run.last.is_file():
        message = f"`{path}` has no checkpoint: it stopped in its first epoch"
        raise error("RRL505", message, hint="start it anew")
    config = resolve(from_yaml(run.config), {})
    form = json.loads(run.canonical.read_text(encoding="utf-8"))
    directory = None if form["directory"] is None else Path(form["directory"])
    source = Source(run.recipe.read_text(encoding="utf-8"), str(run.recipe), directory)
    graph = graph_of(source, config.params)
    if graph.identity != form["identity"]:
        message = f"`{run.recipe}` and what it reads are not what this run was started with"
        raise error("RRL505", message, hint="undo the change, or start a new run")
    return run, graph, config


def _next_free(name: str) -> Path:
    number = 1
    while (path := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return path


def _versions() -> Iterator[tuple[str, str]]:
    for package in _VERSIONS_OF:
        yield package, version(package)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2) + "\n"
