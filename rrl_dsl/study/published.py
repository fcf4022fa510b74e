"""The studies of the paper: folders with a sweep per scale, recipes, plots and claims.

A folder has `study.yaml`, one sweep file for each scale, and one recipe for each reading of what
the paper leaves open. A copy of a folder is a study of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, did_you_mean, error, listing
from rrl_dsl.study.grid import Combination
from rrl_dsl.study.plan import Planned
from rrl_dsl.study.study_file import fault_at, faults_of, values_of

_ACCURACIES: Final = ("probe/", "backbone/", "projector/", "converged")
"""How the columns of accuracies begin."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Plot(_Part):
    """A figure of a study; see `rrl_dsl.study.points.axes_of`."""

    table: Literal["results", "epochs"]
    value: str
    against: tuple[str, ...] = ()
    by: tuple[str, ...] | None = None
    gap: bool = False


class Claim(_Part):
    """A claim of the paper, as a trend of a value.

    Attributes:
        text: The claim in words.
        value: The column.
        against: The parameter; None for `positive`.
        direction: What the value does as the parameter grows; or whether it is above 0.
    """

    text: str
    value: str
    against: str | None = None
    direction: Literal["rises", "falls", "positive"]

    @model_validator(mode="after")
    def _of_a_trend(self) -> Claim:
        if (self.direction == "positive") != (self.against is None):
            message = "`rises` and `falls` need the key `against`, and `positive` has none"
            raise ValueError(message)
        return self


class Study(_Part):
    """A study.

    Attributes:
        title: Its title.
        figure: The number of the figure in the paper; None for a study that is not of the paper.
        readings: The possible readings of the paper, by the names of recipes; the first is the
            default.
        notes: Other points that the paper leaves open.
        plots: The figures.
        claims: The claims.
    """

    title: str
    figure: int | None = None
    readings: Annotated[Mapping[str, str], Field(min_length=1)]
    notes: tuple[str, ...] = ()
    plots: tuple[Plot, ...]
    claims: tuple[Claim, ...] = ()

    def check_recipes(self, combinations: Sequence[Combination]) -> None:
        """Checks that the recipes in a sweep file are readings, as others would not be trained.

        Args:
            combinations: The runs of the file, before the recipe of a reading replaces its own.

        Raises:
            RRLError: RRL502 at a recipe that is not the file of a reading.
        """
        others = [
            combination.recipe
            for combination in combinations
            if combination.recipe.value not in [f"{reading}.rrl" for reading in self.readings]
        ]
        hint = "add it to `readings` in `study.yaml`, and choose it with `--reading`"
        faults = [
            Diagnostic(
                "RRL502",
                f"a study trains the recipe of a reading, and `{recipe.value}` is none",
                recipe.span,
                recipe.source,
                hint,
            )
            for recipe in others
        ]
        if faults:
            raise RRLError(dict.fromkeys(faults))

    def check_measured(self, runs: Sequence[Planned]) -> None:
        """Checks that the runs have the accuracies that the figures and claims show.

        Raises:
            RRLError: RRL502 if a dataset has no labels to measure them.
        """
        shown = [*(plot.value for plot in self.plots), *(claim.value for claim in self.claims)]
        reason = next((run.unmeasured for run in runs if run.unmeasured), None)
        if reason and any(value.startswith(_ACCURACIES) for value in shown):
            message = f"this study shows accuracies: {reason}"
            hint = "add a column `label` to all splits of the dataset, or use another dataset"
            raise error("RRL502", message, hint=hint, settings=("dataset",))

    def check_compared(self, runs: Sequence[Planned]) -> None:
        """Checks that the runs have several values of what the figures and claims compare.

        Raises:
            RRLError: RRL501 if no run has a setting, RRL502 if it has one value.
        """
        compared = [name for plot in self.plots for name in plot.against if name != "epoch"]
        compared += [claim.against for claim in self.claims if claim.against]
        for name in compared:
            values = {repr(run.value_of(name)) for run in runs} - {repr(None)}
            if not values:
                known = list(dict.fromkeys(key for run in runs for key in run.given.values))
                message = f"this study compares values of `{name}`, and no run of the sweep has it"
                hint = did_you_mean(name, known) or f"the sweep has {listing(known, 'and')}"
                raise error("RRL501", message, hint=hint)
            if len(values) < 2:
                message = f"this study compares several values of `{name}`, and the sweep has one"
                hint = f"write `--set '{name}=[A, B]'`; `rrl-dsl train` trains a single run"
                raise error("RRL502", message, hint=hint)


def names() -> list[str]:
    """Returns the names of the studies of the paper."""
    return sorted(path.name for path in _root().iterdir() if (path / "study.yaml").is_file())


def folder_of(name: str) -> Path:
    """Returns the folder of a study: one of the paper's, or a copy by its path.

    Raises:
        RRLError: RRL410 if there is no such study.
    """
    known = names()
    if name in known:
        return _root() / name
    if (Path(name) / "study.yaml").is_file():
        return Path(name)
    message = f"there is no study `{name}`; the studies are {listing(known, 'and')}"
    hint = did_you_mean(name, known) or "a folder with `study.yaml` is a study too"
    raise error("RRL410", message, hint=hint)


def read_study(folder: Path) -> Study:
    """Reads the description of a study.

    Raises:
        RRLError: RRL503 if `study.yaml` is not YAML; RRL502 if it has other keys or values, or a
            reading has no recipe.
    """
    values = values_of(folder)
    try:
        study = Study.model_validate(values)
    except ValidationError as problems:
        raise RRLError(faults_of(folder, problems, Study)) from None
    recipes = [path.stem for path in sorted(folder.glob("*.rrl"))]
    faults = [
        fault_at(
            folder,
            ("readings", reading),
            "RRL502",
            f"the reading `{reading}` has no recipe `{reading}.rrl` in `{folder}`",
            did_you_mean(reading, recipes) or "write the recipe, or remove the reading",
            at_key=True,
        )
        for reading in study.readings
        if reading not in recipes
    ]
    if faults:
        raise RRLError(faults)
    return study


def _root() -> Path:
    return Path(str(files("rrl_dsl").joinpath("studies")))
