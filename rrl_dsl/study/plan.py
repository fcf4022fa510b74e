"""The runs of a sweep before they start: checked, and with a directory of their own."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.recipe import analyze, graph_of
from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, did_you_mean, in_order
from rrl_dsl.language.files import near_file
from rrl_dsl.language.span import Source
from rrl_dsl.losses import create as create_loss
from rrl_dsl.losses.base import Loss
from rrl_dsl.report.gallery import path_of, recipes
from rrl_dsl.study.grid import Combination, columns_of
from rrl_dsl.training.build import build, load_data
from rrl_dsl.training.config import Config
from rrl_dsl.training.evaluation import unmeasured
from rrl_dsl.training.presets import configuration
from rrl_dsl.training.provenance import settings as settings_of
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.settings import Setting, pointing_at
from rrl_dsl.training.train import import_code, name_of, with_header

_DIGITS: Final = 12
_DATA: Final = ("dataset", "data_dir", "download", "image_size", "skip_unreadable", "split")
_SEEDS: Final = ("seed", "draws")


@dataclass(frozen=True)
class Planned:
    """A run of a sweep that passed every check.

    Attributes:
        source: The recipe.
        graph: Its graph.
        config: The configuration.
        given: What the sweep gives.
        parameters: The parameters of the recipe and their values in its file.
        configuration: A hash of the configuration and the data, without the seed.
        name: The name of its directory, which follows from identity, configuration and seed.
        unmeasured: Why the run has no accuracies; None if it has some.
    """

    source: Source
    graph: Graph
    config: Config
    given: Combination
    parameters: Mapping[str, Any]
    configuration: str
    name: str
    unmeasured: str | None

    @property
    def recipe(self) -> str:
        """The name of the recipe: its file without folder and suffix, or its text."""
        name = self.source.file_name
        return os.path.splitext(name)[0] if name else self.source.text.strip()

    def value_of(self, column: str) -> Any:
        """Returns a setting or parameter by the name of its column; None if the run has none."""
        values = self.given.values
        if column in values:
            return values[column]
        known = self.config.model_dump(mode="json") | {"params": self.parameters}
        return columns_of(known).get(column)


def plan(
    combinations: Sequence[Combination],
    folder: Path,
    allow_code: Collection[str] = (),
    *,
    allow_outside: bool = False,
) -> list[Planned]:
    """Checks all runs of a sweep, and names their directories.

    Two combinations with the same identity, configuration and seed are the same run. A parameter
    applies to the recipes that have it, if any recipe that it is combined with has it.

    Args:
        combinations: The runs.
        folder: The folder that the paths of recipes are relative to.
        allow_code: The modules that files may name code of.
        allow_outside: Whether the recipes may read files outside their folders.

    Raises:
        RRLError: The errors of all runs, as `rrl_dsl.training.train.train` raises them.
    """
    checks = _Checks(folder, allow_code, allow_outside)
    for combination in checks.applicable(combinations):
        checks.check(combination)
    if checks.faults:
        raise RRLError(in_order(checks.faults))
    return list(checks.runs.values())


class _Checks:
    """The checks of all runs; what several runs share is done once."""

    def __init__(self, folder: Path, allow_code: Collection[str], allow_outside: bool) -> None:
        self.runs: dict[str, Planned] = {}
        self.faults: list[Diagnostic] = []
        self._folder = folder
        self._allow_code = allow_code
        self._allow_outside = allow_outside
        self._sources: dict[str, Source | None] = {}
        self._declared: dict[str, Mapping[str, Any]] = {}
        self._data: dict[str, DataSet | None] = {}
        self._fingerprints: dict[int, Mapping[str, str]] = {}
        self._built: set[str] = set()

    def applicable(self, combinations: Sequence[Combination]) -> Iterator[Combination]:
        """Removes parameters that a recipe lacks and another recipe of the same axis has."""
        having = {
            _axis(setting)
            for combination in combinations
            for setting in _params(combination.settings)
            if setting.path[1] in self._parameters(combination.recipe)
        }
        for combination in combinations:
            known = self._parameters(combination.recipe)
            lacking = [
                setting
                for setting in _params(combination.settings)
                if setting.path[1] not in known and _axis(setting) in having
            ]
            yield combination.without(lacking)

    def check(self, combination: Combination) -> None:
        """Adds a run, or its errors.

        Recipe, loss, dataset and settings are checked one by one, so that an error in one does not
        hide those in the others.
        """
        before = len(self.faults)
        given, recipe = list(combination.settings), combination.recipe
        source = self._source(recipe)
        graph = loss = data = None
        if source is not None:
            params = {setting.path[1]: setting.value for setting in _params(given)}
            with self._collected(recipe), pointing_at(given, "params"):
                graph = graph_of(source, params)
            with self._collected(recipe):
                given = list(with_header(source, _of(given, "loss"), self._allow_code)[1])
                given += [setting for setting in combination.settings if setting not in given]
        with self._collected(recipe), pointing_at(given, "loss"):
            loss = _loss(given)
        with self._collected(recipe), pointing_at(given, "dataset"):
            data = self._dataset(resolve(_of(given, *_DATA), {}))
        with self._collected(recipe):
            resolve(given, {})
        if len(self.faults) > before or source is None or graph is None:
            return
        if loss is None or data is None:
            return
        with self._collected(recipe):
            run = self._assembled(combination, source, graph, loss, data, given)
            self.runs.setdefault(run.name, run)

    def _assembled(
        self,
        combination: Combination,
        source: Source,
        graph: Graph,
        loss: Loss,
        data: DataSet,
        given: Sequence[Setting],
    ) -> Planned:
        import_code(resolve(given, {}), given)
        config = configuration(given, loss, data.shape, data.augmentation)
        known = settings_of(config.model_dump(mode="json"))
        fixed = {name: value for name, value in known.items() if name not in _SEEDS}
        if id(data) not in self._fingerprints:
            self._fingerprints[id(data)] = fingerprint(data)
        parts = {**fixed, "draws": config.draws, "eval": config.eval}
        hashed = _hash({"settings": parts, "data": self._fingerprints[id(data)]})
        key = _hash([graph.identity, hashed])
        if key not in self._built:
            self._built.add(key)
            with pointing_at(given):
                build(graph, config, data, given)
        name = f"{name_of(loss, config)}-{key}-{config.seed}".replace("/", "_")
        parameters, reason = self._parameters(combination.recipe), unmeasured(data)
        return Planned(source, graph, config, combination, parameters, hashed, name, reason)

    def _parameters(self, recipe: Setting) -> Mapping[str, Any]:
        """The parameters that a recipe declares and their values; none if it cannot be read."""
        text = str(recipe.value)
        if text not in self._declared:
            source = self._source(recipe)
            definitions = analyze(source).definitions.values() if source else ()
            self._declared[text] = {
                definition.name: definition.default
                for definition in definitions
                if definition.kind == "param"
            }
        return self._declared[text]

    def _source(self, recipe: Setting) -> Source | None:
        """Reads a recipe once: a file, a text with a call, or a published method by name."""
        text = str(recipe.value)
        if text not in self._sources:
            self._sources[text] = None
            with self._collected(recipe):
                source = _read(text, self._folder)
                self._sources[text] = source.unbounded() if self._allow_outside else source
        return self._sources[text]

    def _dataset(self, config: Config) -> DataSet | None:
        key = json.dumps(config.model_dump(mode="json", include=set(_DATA)))
        if key not in self._data:
            self._data[key] = None
            self._data[key] = load_data(config)
        return self._data[key]

    @contextmanager
    def _collected(self, recipe: Setting) -> Iterator[None]:
        """Collects errors; those without a place get that of the recipe in the sweep."""
        try:
            yield
        except RRLError as problem:
            for fault in problem.diagnostics:
                placed = replace(fault, source=recipe.source, span=recipe.span)
                self.faults.append(fault if fault.source else placed)


def _axis(setting: Setting) -> tuple[object, ...]:
    """What the values of one axis of a sweep have in common: the place of their key."""
    return setting.source.name, setting.path, setting.keys


def _params(settings: Sequence[Setting]) -> list[Setting]:
    """The parameters of recipes, except malformed ones, which the check of settings reports."""
    return [
        setting
        for setting in _of(settings, "params")
        if len(setting.path) == 2 and not isinstance(setting.value, list | dict)
    ]


def _of(settings: Sequence[Setting], *keys: str) -> list[Setting]:
    return [setting for setting in settings if setting.path[0] in keys]


def _loss(settings: Sequence[Setting]) -> Loss:
    wanted = resolve(_of(settings, "loss"), {}).loss
    return create_loss(wanted.name, **wanted.options)


def _read(recipe: str, folder: Path) -> Source:
    if "(" in recipe:
        return Source(recipe, "-e", Path())
    if not recipe.endswith(".rrl"):
        if recipe in (known := recipes()):
            return parser.read(path_of(recipe))
        message = f"`{recipe}` is not a published method, and not the path of a recipe"
        raise RRLError(Diagnostic("RRL021", message, hint=did_you_mean(recipe, list(known))))
    path = folder / recipe
    if not os.path.exists(path):
        near = near_file(path)
        here = os.path.relpath(recipe, folder) if os.path.exists(recipe) else None
        meant = here or (near and os.path.relpath(near, folder))
        hint = f"paths are relative to the folder of the sweep: write `{meant}`" if meant else None
        raise RRLError(Diagnostic("RRL021", f"there is no recipe `{path}`", hint=hint))
    return parser.read(path)


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
