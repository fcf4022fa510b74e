"""Losses and networks of the user's own, whose modules may lie in the working directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rrl_dsl.training.config import Config
    from rrl_dsl.training.settings import Setting


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


def import_own(config: Config, settings: Sequence[Setting]) -> None:
    """Imports the modules that a checked configuration names code of.

    What names them later finds them imported, so that nothing else needs the working directory.

    Args:
        config: The configuration.
        settings: What of it the user wrote, for errors to point at.

    Raises:
        RRLError: RRL422 for a loss and RRL502 for a backbone that cannot be had.
    """
    from rrl_dsl.losses import find
    from rrl_dsl.models.imported import resolve
    from rrl_dsl.training.named_code import code_of
    from rrl_dsl.training.settings import pointing_at

    own = code_of(config)
    for key, load in (("loss", find), ("backbone", resolve)):
        for name in own[key]:
            with pointing_at(settings, key), from_working_directory():
                load(name)
