"""The code of other packages that a configuration names, as `package.module:attribute`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.losses.creation import read
from rrl_dsl.models.imported import is_place
from rrl_dsl.training.config import Config


def code_of(config: Config) -> dict[str, list[str]]:
    """Returns, for each setting, the names that import a module."""
    try:
        losses = [term.name for term in read(config.loss.name, config.loss.options)]
    except RRLError:  # creating the loss raises it again, with its place
        losses = []

    def places(names: Iterable[str]) -> list[str]:
        return [name for name in names if is_place(name)]

    of_towers = places(tower.backbone or "" for tower in config.towers)
    return {
        "loss": [name for name in losses if ":" in name],
        "augmentation": config.augmentation.functions,
        "backbone": [name for name in places([config.backbone]) if name not in of_towers],
        "towers": of_towers,
    }


def module_of(name: str) -> str:
    """Returns the module of a name such as `package.module:attribute`."""
    return name.partition(":")[0].strip()


def modules_of(config: Config) -> frozenset[str]:
    """Returns the modules that a configuration names code of."""
    return frozenset(module_of(name) for names in code_of(config).values() for name in names)


@contextmanager
def from_working_directory() -> Iterator[None]:
    """Appends the working directory to the directories from which modules are imported."""
    here = os.getcwd()
    if here in sys.path:
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)
