"""The claims, and the results of their measurements. This module does not import torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple, cast

if TYPE_CHECKING:
    import torch

CLAIMS: Final[Mapping[str, str]] = {
    "small": "relation and loss at 512 rows, beside the loss by hand and other libraries",
    "sizes": "time and memory of relation and loss over the number of rows",
    "widths": "time and memory of relation and loss over the width of the embeddings",
    "step": "share of relation and loss in a training step",
    "train": "views per second of the trainer, beside its network alone and beside lightly",
    "mask": "the weights alone, without a loss",
    "parse": "parsing and compiling a recipe of ten calls",
    "ranks": "relation and loss of one batch over several processes",
    "fused": "edge weights fused into one kernel, beside eager ones",
    "start": "starting `rrl-dsl check` and `rrl-dsl fmt`",
}
"""Name -> what is measured. The module `rrl_dsl.bench.NAME` measures it."""
WITHOUT_DEVICE: Final = ("parse", "start")
"""Claims that are the same on every device."""


class Setup(NamedTuple):
    """How to measure.

    Attributes:
        device: The device.
        quick: Whether to use small sizes and few runs, to see that a benchmark works.
    """

    device: torch.device
    quick: bool

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"


class Target(NamedTuple):
    """A target and the measured value.

    Attributes:
        case: What is measured, and the limit.
        measured: The result in words.
        met: Whether the result is within the limit; None if it was not measured.
        off: How far a number is above the limit, as a share of it; negative if it is below.
    """

    case: str
    measured: str
    met: bool | None
    off: float | None = None


NOT_MEASURED: Final = "not measured in this run"


def at_most(case: str, limit: float, measured: float | None, unit: str = "") -> Target:
    """A target that a number may not exceed.

    Args:
        case: What is measured.
        limit: The largest number that meets the target.
        measured: The number; None if it was not measured.
        unit: What follows both numbers, such as ` MB`.
    """
    case = f"{case}: at most {limit:g}{unit}"
    if measured is None:
        return Target(case, NOT_MEASURED, None)
    return Target(case, f"{measured:.3g}{unit}", measured <= limit, measured / limit - 1)


def at_least(case: str, limit: float, measured: float | None, unit: str = "") -> Target:
    """A target that a number must reach.

    Args:
        case: What is measured.
        limit: The smallest number that meets the target.
        measured: The number; None if it was not measured.
        unit: What follows both numbers.
    """
    case = f"{case}: at least {limit:g}{unit}"
    if measured is None:
        return Target(case, NOT_MEASURED, None)
    return Target(case, f"{measured:.3g}{unit}", measured >= limit, measured / limit - 1)


class Plot(NamedTuple):
    """Curves, or bars if each curve is one point.

    Attributes:
        title: The title.
        x: The label of the x axis.
        y: The label of the y axis.
        curves: Way -> its points (x, y).
    """

    title: str
    x: str
    y: str
    curves: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Report:
    """A measured claim.

    Attributes:
        columns: The names of the columns of the table.
        rows: The cells of the table.
        targets: The targets.
        plots: The plots.
        notes: Sentences about the measurement.
        profiles: By what was run where a target is missed, the operations that take its time.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    targets: Sequence[Target] = ()
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = ()
    profiles: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)


def measure(name: str, setup: Setup) -> Report:
    """Measures a claim. Small sizes have no targets.

    Args:
        name: The name of the claim.
        setup: How to measure.
    """
    module = importlib.import_module(f"rrl_dsl.bench.{name}")
    report = cast(Report, module.measure(setup))
    return replace(report, targets=(), profiles={}) if setup.quick else report
