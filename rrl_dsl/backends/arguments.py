"""Checks of the arguments of a program."""

from __future__ import annotations

import numbers
from typing import Any, Final

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Transform
from rrl_dsl.graph.types import described
from rrl_dsl.language.diagnostics import did_you_mean, error, listing

_STRATEGIES: Final = ("auto", "dense", "blocked")
_GATHERS: Final = ("all", "ring")


def check_graph(recipe: Any) -> None:
    """Checks that a recipe is a graph.

    Raises:
        RRLError: RRL204 for a transform, and RRL210 for anything else.
    """
    if isinstance(recipe, Transform):
        hint = f"write `ssl(views=2) | {recipe}`"
        raise error("RRL204", "a recipe must be a graph, not a transform", hint=hint)
    if isinstance(recipe, str):
        message, hint = "a program takes a graph, not a text", "call `rrl.compile(text)`"
        raise error("RRL210", message, hint=hint)
    if not isinstance(recipe, Graph):
        message = f"a recipe must be a graph, not {described(recipe)}"
        raise error("RRL210", message, hint="use `rrl.load(path)` for a file")


def check_seed(seed: Any) -> None:
    """Checks the seed of a recipe.

    Raises:
        RRLError: RRL301 if it is not an integer from 0 to 2^64 - 1.
    """
    whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not whole or not 0 <= seed < 2**64:
        message = f"`seed` must be an integer from 0 to 2^64 - 1, not {described(seed)}"
        raise error("RRL301", message)


def check_strategy(strategy: Any, gather: Any) -> None:
    """Checks the names of a strategy and of a way to gather.

    Raises:
        RRLError: RRL413 if there is no such name.
    """
    if strategy not in _STRATEGIES:
        hint = did_you_mean(strategy, _STRATEGIES) or f"the strategies are {listing(_STRATEGIES)}"
        raise error("RRL413", f"there is no strategy `{strategy}`", hint=hint)
    if isinstance(gather, str) and gather not in _GATHERS:
        hint = did_you_mean(gather, _GATHERS) or f"write {listing(_GATHERS)}"
        raise error("RRL413", f"`gather` cannot be `{gather}`", hint=hint)
