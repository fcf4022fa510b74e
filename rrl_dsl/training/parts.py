"""The parts that a model has for a recipe and a loss, and no others."""

from __future__ import annotations

from rrl_dsl.graph.requires import Requires
from rrl_dsl.losses import Loss
from rrl_dsl.losses.outputs import Part


def parts_of(requires: Requires, loss: Loss) -> frozenset[Part]:
    """The parts that a model must have.

    Args:
        requires: What the recipe needs.
        loss: The loss.
    """
    found: set[Part] = set(loss.needs())
    if requires.teacher:
        found.add("teacher")
    if requires.bank:
        found.add("bank")
    return frozenset(found)
