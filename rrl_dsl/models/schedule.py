"""Values that change over a training: the momentum of a teacher, the weight decay."""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["cosine", "linear"]


def value_at(
    step: int, total: int, first: float, final: float, schedule: Schedule = "cosine"
) -> float:
    """Returns the value of a step, from first to final along half a cosine or a line.

    Args:
        step: The step, from 0.
        total: The number of steps, after which the value stays.
        first: The value at step 0.
        final: The value at step `total`.
        schedule: `cosine`, as in BYOL and DINO, or `linear`.
    """
    progress = min(1.0, step / max(1, total))
    left = (1 + math.cos(math.pi * progress)) / 2 if schedule == "cosine" else 1 - progress
    return final - (final - first) * left
