"""Losses over a relation.

    loss = rrl_dsl.losses.create("simclr", temperature=0.2)
    value = loss(relation, z)

`base` defines the base class and `registry` the names; `creation` reads losses from text. Each
family of losses is one file.
"""

from rrl_dsl.losses.base import OPTIONS, Loss, mean_over_edges, unit
from rrl_dsl.losses.creation import create
from rrl_dsl.losses.registry import find, names, register

__all__ = [
    "OPTIONS",
    "Loss",
    "create",
    "find",
    "mean_over_edges",
    "names",
    "register",
    "unit",
]
