"""The files that a recipe reads, copied into the directory of its run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from rrl_dsl.language.diagnostics import error
from rrl_dsl.language.files import write_bytes


def copy_files(files: Iterable[Path], directory: Path, target: Path) -> Path | None:
    """Copies files so that they have the same places relative to a directory.

    Args:
        files: What the recipe reads: recipes that it imports, tables of pairs.
        directory: What the recipe's paths are relative to.
        target: Where the copies go: a tree that holds all files and the directory.

    Returns:
        The directory within the target; None where there is nothing to copy.

    Raises:
        RRLError: RRL504, where a file cannot be copied; RRL507.
    """
    # `..` leads to the same place in the copy as long as no link is followed
    whole = [Path(os.path.abspath(each)) for each in files]
    folder = Path(os.path.abspath(directory))
    if not whole:
        return None
    root = Path(os.path.commonpath([folder, *(each.parent for each in whole)]))
    try:
        for each in whole:
            copy = target / each.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(copy, each.read_bytes())
        inside = target / folder.relative_to(root)
        inside.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        message = f"cannot copy what the recipe reads to `{target}`: {problem.strerror}"
        raise error("RRL504", message) from None
    return inside
