"""Checks the figures and claims of a study on tables without results, before a run starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Final

from rrl_dsl.language.diagnostics import Diagnostic, RRLError, collected
from rrl_dsl.study.claims import verdicts
from rrl_dsl.study.points import axes_of, points_of, with_projector
from rrl_dsl.study.published import Study
from rrl_dsl.study.study_file import Place, fault_at
from rrl_dsl.study.table import Row
from rrl_dsl.study.trials import Trial
from rrl_dsl.training.evaluation import Accuracies

_SOMETHING: Final = 0.5
"""The value of every result."""
_METRICS: Final = (
    "seconds", "loss/train", "probe/backbone", "probe/projector", "probe/gap",
    "edges/per_row", "edges/density", "edges/isolated", "edges/beyond_views", "edges/false",
)  # fmt: skip
_OPEN: Final = ("edges/agree_", "skipped/", "rank/", "spread/")
"""The beginnings of metrics whose names depend on the labels, the loss and the network."""
_FEATURES: Final = ("pixels", "untrained", "backbone", "projector", "teacher")


def check_figures_and_claims(study: Study, folder: Path, trials: Sequence[Trial]) -> None:
    """Finds the errors that drawing the figures and judging the claims would raise.

    Args:
        study: The study.
        folder: Its folder.
        trials: Its runs.

    Raises:
        RRLError: As `axes_of`, `with_projector` and `verdicts`, at the figures and claims in
            `study.yaml`.
    """
    tables = {"results": _results(study, trials), "epochs": _epochs(study, trials)}
    faults: list[Diagnostic] = []
    for number, plot in enumerate(study.plots):
        own: list[Diagnostic] = []
        with collected(own):
            axes = axes_of(tables[plot.table], plot.value, plot.against, plot.by)
            points_of(tables[plot.table], with_projector(axes) if plot.gap else axes)
        faults += _placed(own, folder, ("plots", number))
    for number, claim in enumerate(study.claims):
        own = []
        with collected(own):
            verdicts(tables["results"], claim)
        faults += _placed(own, folder, ("claims", number))
    if faults:
        raise RRLError(faults)


def _placed(faults: Sequence[Diagnostic], folder: Path, place: Place) -> list[Diagnostic]:
    return [fault_at(folder, place, fault.code, fault.message, fault.hint) for fault in faults]


def _results(study: Study, trials: Sequence[Trial]) -> list[Row]:
    final = any(trial.planned.config.eval for trial in trials)
    kinds = [field.name for field in fields(Accuracies)] if final else []
    accuracies = [f"{features}/{kind}" for features in _FEATURES for kind in kinds]
    names = ("epochs", "converged", *_METRICS, *accuracies, *_open_names(study))
    return [_with_results(trial.row("waiting"), names) for trial in trials]


def _epochs(study: Study, trials: Sequence[Trial]) -> list[Row]:
    names = ("epoch", *_METRICS, *_open_names(study))
    return [_with_results(trial.settings(), names) for trial in trials]


def _with_results(row: Row, names: Sequence[str]) -> Row:
    return {**row, **{name: _SOMETHING for name in names if name not in row}}


def _open_names(study: Study) -> list[str]:
    shown = chain((plot.value for plot in study.plots), (claim.value for claim in study.claims))
    return [name for name in shown if name.startswith(_OPEN)]
