"""Lists the files below a folder that a recipe may name."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

from rrl_dsl.editor.analysis import Analysis

MAX_FILES: Final = 200
MAX_LOOKED_AT: Final = 5000

_NOT_PLAIN: Final = {'"', "'", "\\"}
"""The characters that a string must escape."""


def files_below(analysis: Analysis, endings: tuple[str, ...], written: str) -> Iterator[str]:
    """Iterates over the files below a recipe's folder that have given suffixes, the nearest first.

    It yields at most `MAX_FILES` files, found among the first `MAX_LOOKED_AT` entries. It skips
    hidden files, linked folders and the recipe itself.

    Args:
        analysis: The recipe.
        endings: The suffixes, in lower case.
        written: The start of a path; only its folder is searched.
    """
    root = analysis.source.directory
    inside = written.rpartition("/")[0]
    if root is None or not endings or "\\" in written or written.startswith("/"):
        return
    if ".." in inside.split("/"):
        return
    count = 0
    for path in _walk(root / inside):
        own = path.parent == root and path.name == analysis.source.name
        if path.suffix.lower() in endings and not own:
            name = path.relative_to(root).as_posix()
            if name.isprintable() and not set(name) & _NOT_PLAIN:
                yield name
            count += 1
            if count == MAX_FILES:
                return


def recipes_below(folders: Iterable[Path]) -> Iterator[Path]:
    """Iterates over the recipes below folders, at most `MAX_FILES` of each."""
    files = (
        islice((file for file in _walk(folder) if file.suffix == ".rrl"), MAX_FILES)
        for folder in folders
    )
    yield from dict.fromkeys(chain.from_iterable(files))


def _walk(folder: Path) -> Iterator[Path]:
    """The files below a folder, level by level."""
    waiting = deque([folder])
    looked_at = 0
    while waiting:
        for entry in _entries(waiting.popleft()):
            looked_at += 1
            if looked_at > MAX_LOOKED_AT:
                return
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            else:
                yield Path(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (OSError, ValueError):  # ValueError: a path with a null character
        return []
