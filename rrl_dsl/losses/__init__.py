"""Losses over a relation.

    loss = rrl_dsl.losses.create("simclr", temperature=0.2)
    value = loss(relation, z)

`base` has the contract, `registry` the names; each family of losses is one file.
"""

from rrl_dsl.losses.base import Loss
from rrl_dsl.losses.registry import create, find, names, register

__all__ = ["Loss", "create", "find", "names", "register"]
