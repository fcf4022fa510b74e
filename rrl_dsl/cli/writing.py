"""The file that a verb writes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from rrl_dsl.language.diagnostics import error


def check_not_read(out: Path, dataset: str, files: Iterable[Path] = ()) -> None:
    """Checks that a file would not replace one that the verb reads.

    Args:
        out: The file to write.
        dataset: The name of the dataset.
        files: The files that the recipe reads.

    Raises:
        RRLError: RRL507 if it would, or if it would become a part of the dataset.
    """
    from rrl_dsl.data import registry

    reader = f"dataset `{dataset}`" if registry.reads(dataset, out) else None
    if os.path.exists(out) and any(os.path.samefile(out, file) for file in files):
        reader = "recipe"
    if reader is not None:
        message = f"`{out}` cannot be written: the {reader} reads it"
        raise error("RRL507", message, hint="choose another file")
