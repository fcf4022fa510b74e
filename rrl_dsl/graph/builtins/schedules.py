"""Schedules: numbers that depend on the epoch, for schedulable parameters."""

from __future__ import annotations

from typing import Final

from rrl_dsl.graph.registry import Parameter, Signature, register
from rrl_dsl.graph.types import COUNT, INDEX, REAL

_ENDS: Final = (
    Parameter("start", REAL, "The value at epoch 0.", example="0"),
    Parameter("end", REAL, "The value at the end of the schedule and afterwards.", example="1"),
)
_EPOCHS: Final = Parameter(
    "epochs", COUNT, "The number of epochs from `start` to `end`.", positional=False, example="100"
)
_AT: Final = Parameter(
    "at", INDEX, "The first epoch with the value `end`.", positional=False, example="50"
)


def _register(name: str, last: Parameter, *, doc: str, example: str) -> None:
    register(Signature(name, "schedule", doc, example, (*_ENDS, last)))


_register(
    "linear",
    _EPOCHS,
    doc="Changes linearly from `start` to `end`.\n\n"
    "At epoch e the value is start + (end - start) e / epochs, and from epoch `epochs` on it is "
    "`end`.",
    example="ssl() | supervised(frac=linear(0.1, 1, epochs=50))",
)
_register(
    "cosine",
    _EPOCHS,
    doc="Changes from `start` to `end` along half a cosine.\n\n"
    "At epoch e the value is end + (start - end) (1 + cos(pi e / epochs)) / 2, and from epoch "
    "`epochs` on it is `end`.",
    example="ssl() | (supervised() | keep(cosine(0.2, 1, epochs=50)))",
)
_register(
    "step",
    _AT,
    doc="Changes from `start` to `end` at one epoch.\n\n"
    "The value is `start` before epoch `at`, and `end` from then on.",
    example="ssl() | step(0.2, 1, at=20) * supervised()",
)
