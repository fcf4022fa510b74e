"""Checks of the arguments of a program."""

from __future__ import annotations

import numbers
from typing import Any, get_args

from rrl_dsl.backends.strategy import Gather, Strategy
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Transform
from rrl_dsl.graph.types import described
from rrl_dsl.language.diagnostics import did_you_mean, error, listing


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


def check_dataset(dataset: Any) -> None:
    """Checks that an object has the samples of a dataset, as far as their names tell.

    Raises:
        RRLError: RRL402 if it has no ids or no labels.
    """
    if not hasattr(dataset, "sample") or not hasattr(dataset, "labels"):
        message = f"`bind` takes the samples of a dataset, not {described(dataset)}"
        hint = "create them with `rrl.Nodes(range(len(dataset)), labels={'label': ...})`"
        raise error("RRL402", message, hint=hint)


def check_strategy(strategy: Any, gather: Any) -> None:
    """Checks the names of a strategy and of a way to gather.

    Raises:
        RRLError: RRL413 if there is no such name.
    """
    strategies, ways = get_args(Strategy), get_args(Gather)
    if strategy not in strategies:
        hint = (
            did_you_mean(strategy, strategies) or f"the strategies are {listing(strategies, 'and')}"
        )
        raise error("RRL413", f"there is no strategy `{strategy}`", hint=hint)
    if isinstance(gather, str) and gather not in ways:
        hint = did_you_mean(gather, ways) or f"write {listing(ways)}"
        raise error("RRL413", f"`gather` cannot be `{gather}`", hint=hint)
