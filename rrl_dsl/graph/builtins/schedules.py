"""Schedules: scalars that depend on the epoch, for every parameter that is schedulable."""

from __future__ import annotations

from typing import Final

from rrl_dsl.graph.registry import Parameter, Signature, register
from rrl_dsl.graph.types import COUNT, INDEX, REAL

_ENDS: Final = (
    Parameter("start", REAL, "The value at epoch 0.", example="0"),
    Parameter("end", REAL, "The value at the end and from then on.", example="1"),
)
_EPOCHS: Final = Parameter(
    "epochs", COUNT, "How many epochs it takes.", positional=False, example="100"
)

register(
    Signature(
        "linear",
        "schedule",
        "Goes from start to end in a straight line.\n\n"
        "At epoch e the value is start + (end - start) e / epochs, and `end` from the epoch "
        "`epochs` on.",
        "ssl() | supervised(frac=linear(0.1, 1, epochs=50))",
        (*_ENDS, _EPOCHS),
    )
)
register(
    Signature(
        "cosine",
        "schedule",
        "Goes from start to end along half a cosine.\n\n"
        "At epoch e the value is end + (start - end) (1 + cos(pi e / epochs)) / 2, and `end` from "
        "the epoch `epochs` on.",
        "ssl() | (supervised() | keep(cosine(0.2, 1, epochs=50)))",
        (*_ENDS, _EPOCHS),
    )
)
register(
    Signature(
        "step",
        "schedule",
        "Goes from start to end at one epoch.\n\n"
        "The value is start before the epoch `at`, and end from it on.",
        "ssl() | step(0.2, 1, at=20) * supervised()",
        (
            *_ENDS,
            Parameter("at", INDEX, "The first epoch of `end`.", positional=False, example="50"),
        ),
    )
)
