"""Resumes a run: compares its directory with what its checkpoint depends on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from rrl_dsl.data.dataset import DataSet
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.recipe import graph_of
from rrl_dsl.graph.types import Scalar
from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.language.span import Source
from rrl_dsl.training import lock, ranks
from rrl_dsl.training.checkpoints import Resumed
from rrl_dsl.training.config import Config
from rrl_dsl.training.history import changes_of
from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.provenance import Difference, differences, provenance_of
from rrl_dsl.training.provenance import settings as settings_of
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.settings import Setting, pointing_at

_SHOWN: Final = 30
_NEVER: Final = ("optimizer.name", "optimizer.layer_decay")
"""An optimizer cannot use the state of another one, or of one with other groups of weights."""


@dataclass(frozen=True)
class Reopened:
    """A run that is being resumed.

    Attributes:
        run: The run directory.
        graph: The recipe in the directory.
        config: The configuration in the directory, with the changes that the user asks for.
        resumed: The checkpoint to resume from.
        settings: The settings that the configuration was read from.
        edited: The changes to the files that describe the run.
    """

    run: RunDirectory
    graph: Graph
    config: Config
    resumed: Resumed
    settings: Sequence[Setting]
    edited: Sequence[Difference]

    def check(self, data: DataSet, *, force: bool) -> list[str]:
        """Compares the recipe, the settings and the data with those of the checkpoint.

        Args:
            data: The dataset.
            force: Whether to accept differences.

        Returns:
            The changes, for the summary.

        Raises:
            RRLError: RRL505, which lists all differences.
        """
        before, config = self.resumed.provenance, self.config
        identity, directory = self.graph.identity, before.directory
        now = provenance_of(identity, directory, config, config.precision, data)
        differences = [*before.differences(now), *self.edited]
        extended = [
            difference
            for difference in differences
            if difference.name == "epochs" and self._is_extended()
        ]
        differences = [difference for difference in differences if difference not in extended]
        if differences and (
            not force or any(difference.name in _NEVER for difference in differences)
        ):
            raise _refusal(differences, self.settings, self.run.path, force=force)
        return [
            *map(str, extended),
            *(f"{difference}, by `--force-resume`" for difference in differences),
        ]

    def check_model(self, module: RelationalModule) -> None:
        """Compares the shapes of the weights with those of the checkpoint.

        Raises:
            RRLError: RRL505, which names the first weight that differs.
        """
        kept = _shapes(self.resumed.weights)
        for name, before, now, _ in differences(kept, _shapes(module.state_dict())):
            message = f"the weights of `{self.resumed.checkpoint}` do not match this model: "
            message += f"`{name}` is {before} in the checkpoint and {now} here"
            hint = "undo the change of the configuration or of the network, or start a new run"
            raise error("RRL505", message, hint=hint)

    def _is_extended(self) -> bool:
        """Whether the number of epochs was given beside `--resume`."""
        given = [setting for setting in self.settings if setting.path == ("epochs",)]
        return bool(given) and given[-1].source.name != str(self.run.config)


def reopen(
    path: Path,
    changes: Sequence[Setting] = (),
    allow_code: Collection[str] = (),
    *,
    allow_outside: bool = False,
) -> Reopened:
    """Reads and locks the directory of a run that is to be resumed.

    Args:
        path: The run directory.
        changes: The settings that the user changes.
        allow_code: The modules that the configuration may name code of.
        allow_outside: Whether the recipe may read files other than the copies in the directory.

    Raises:
        RRLError: RRL504 if another process trains in the directory; RRL505 if it is not a run, a
            file cannot be read, or the run has trained more epochs than requested; as
            `rrl_dsl.training.resolve.resolve`, `rrl_dsl.language.parser.read` and
            `rrl_dsl.graph.recipe.graph_of`.
    """
    run = RunDirectory(path)
    settings = [*run.settings(allow_code), *changes]
    config = resolve(settings, {})
    rank, _ = ranks.launched(config.processes) or (0, 1)
    if rank == 0:
        lock.hold(path)
    try:
        return _reopened(run, settings, config, allow_outside=allow_outside)
    except BaseException:
        lock.release()
        raise


def _reopened(
    run: RunDirectory, settings: Sequence[Setting], config: Config, *, allow_outside: bool
) -> Reopened:
    path, resumed = run.path, run.resumed_from()
    with pointing_at(settings, "epochs"):
        if config.epochs < resumed.epochs:
            message = f"`{path}` has trained {resumed.epochs} epochs, more than {config.epochs}"
            raise error("RRL505", message, hint=f"use `--epochs` of at least {resumed.epochs}")
    known = resumed.provenance
    if config.precision == "auto":  # another device would choose another precision
        config = config.model_copy(update={"precision": known.configuration["precision"]})
    with pointing_at(settings, "params"):
        graph = recipe_of(run, known.directory, config.params, allow_outside=allow_outside)
    edited = [*changes_of(run.metrics, resumed.rows, known.configuration["epochs"])]
    if graph.identity == known.identity:
        edited += run.edited(graph, known)
    return Reopened(run, graph, config, resumed, settings, edited)


def recipe_of(
    run: RunDirectory,
    inside: str | None,
    params: Mapping[str, Scalar],
    *,
    allow_outside: bool = False,
) -> Graph:
    """Reads the recipe of a run.

    Args:
        run: The run directory.
        inside: The folder in it that the recipe's paths are relative to, if there is one.
        params: The parameters of the recipe.
        allow_outside: Whether the recipe may read files other than the copies in the directory.

    Raises:
        RRLError: RRL505 if the folder is outside the directory; as `read` and `graph_of`.
    """
    directory = _directory(run, inside)
    source = replace(parser.read(run.recipe), directory=directory, within=run.files)
    return graph_of(source.unbounded() if allow_outside else source, params)


def _directory(run: RunDirectory, inside: str | None) -> Path | None:
    """Returns the folder that the recipe's paths are relative to, among the copied files."""
    if inside is None:
        return None
    directory = run.path / inside
    if not directory.resolve().is_relative_to(run.files.resolve()):
        message = f"the recipe of `{run.path}` reads files of `{inside}`, outside its copies"
        raise error("RRL505", message, hint="start a new run from its recipe")
    return directory


def newest(path: Path, allow_code: Collection[str] | None) -> Resumed:
    """Returns the newest checkpoint of a run, after comparing the configuration with it.

    Args:
        path: The run directory.
        allow_code: The modules that the configuration may name code of; None if no code is run.

    Raises:
        RRLError: RRL505 if it is not a run, the checkpoint is damaged, or the configuration was
            changed; as `rrl_dsl.training.resolve.resolve`.
    """
    run = RunDirectory(path)
    settings = run.settings(allow_code or ())
    if allow_code is None:
        settings = [replace(setting, allowed=None) for setting in settings]
    config = resolve(settings, {}).model_dump(mode="json")
    resumed = run.newest()
    known = resumed.provenance.configuration
    config |= {key: known[key] for key in ("epochs", "precision")}  # resuming may change these
    if changed := [*differences(settings_of(known), settings_of(config), run.config.name)]:
        raise _refusal(changed, settings, path)
    return resumed


def _shapes(state: Mapping[str, Any]) -> dict[str, str]:
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    return {
        name: " x ".join(map(str, tensor.shape)) or "a number" for name, tensor in tensors.items()
    }


def _refusal(
    differences: Sequence[Difference],
    settings: Sequence[Setting],
    path: Path,
    *,
    force: bool = False,
) -> RRLError:
    """Returns RRL505 with all differences, at the place of the first one that has a place."""
    more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    listed = "; ".join(map(str, differences[:_SHOWN]))
    message = f"these differ from the start of this run: {listed}{more}"
    hint = "undo the change, start a new run, or continue with `--resume` and `--force-resume`"
    if force:
        name = next(difference.name for difference in differences if difference.name in _NEVER)
        hint = f"undo the change of `{name}`, or start a new run"
    elif differences[0].name == "epochs":
        hint = "use `--resume` with `--epochs` to extend a run"
    named = {".".join(setting.path): setting for setting in settings}
    for difference in differences:
        if setting := named.get(difference.name):
            return RRLError(Diagnostic("RRL505", message, setting.span, setting.source, hint))
    files = [difference.file for difference in differences if difference.file]
    place = Source("", str(path / files[0] if files else path))
    return RRLError(Diagnostic("RRL505", message, None, place, hint))
