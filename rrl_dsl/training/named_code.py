"""The code of other packages that a configuration names, as `package.module:attribute`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.losses.creation import read
from rrl_dsl.models.imported import is_place
from rrl_dsl.training.config import Config


def code_of(config: Config) -> dict[str, list[str]]:
    """Setting -> the names for which a module is imported that is no installed extension."""
    try:
        losses = [term.name for term in read(config.loss.name, config.loss.options)]
    except RRLError:  # which is raised again, with its place, where the loss is created
        losses = []
    return {
        "loss": [name for name in losses if ":" in name],
        "backbone": [config.backbone] if is_place(config.backbone) else [],
    }


def module_of(name: str) -> str:
    """The module that a name such as `package.module:attribute` is in."""
    return name.partition(":")[0].strip()


def modules_of(config: Config) -> frozenset[str]:
    """The modules that a configuration names code of."""
    return frozenset(module_of(name) for names in code_of(config).values() for name in names)


@contextmanager
def from_working_directory() -> Iterator[None]:
    """Finds modules in the working directory too, after all other places."""
    here = os.getcwd()
    if here in sys.path:
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)
