"""The words for a missing value in all file formats.

A word of `UNKNOWN` is a missing value in text and in columns of numbers; case is ignored. If one of
these words is a class, or another value such as -999 is missing, the dataset lists its own words:
files in `columns.yaml` in their folder, an archive in an array `unknown`. They replace `UNKNOWN`.
An empty cell, a null and NaN are always missing.

    unknown: [n/a, "?", -999]
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from rrl_dsl.data.yaml_files import read_yaml
from rrl_dsl.language.diagnostics import error

FILE: Final = "columns.yaml"
"""The file in the folder of a dataset that lists the words."""
KEY: Final = "unknown"
"""The key in that file, and the name of the array in an archive."""

_ALWAYS: Final = frozenset({"", "nan"})
UNKNOWN: Final = _ALWAYS | {
    *("na", "n/a", "n.a.", "<na>", "#na", "#n/a", "#n/a n/a", "nat", "-nan", "1.#ind", "-1.#ind"),
    *("1.#qnan", "-1.#qnan", "none", "null", "(null)", "nil", "\\n", "?", "-", "--", "."),
    *("unknown", "<unknown>", "missing", "undefined", "unlabeled", "unlabelled"),
}
"""The words for a missing value, including those of pandas and SQL; case is ignored."""


def words(given: Iterable[str]) -> frozenset[str]:
    """Returns the words that a dataset lists, and those that always mean a missing value."""
    return _ALWAYS | {word.strip().casefold() for word in given}


def words_of(folder: Path) -> frozenset[str]:
    """Returns the words for a missing value in the files of a folder.

    Raises:
        RRLError: RRL412 if its `columns.yaml` is malformed.
    """
    path = folder / FILE
    if not os.path.exists(path):
        return UNKNOWN
    tree = read_yaml(path)
    given = tree.get(KEY) if isinstance(tree, Mapping) and len(tree) == 1 else None
    if not isinstance(given, list) or not all(isinstance(word, str) for word in given):
        message = f"{path} must only list the words for a missing value"
        raise error("RRL412", message, hint=f'write `{KEY}: [n/a, "?", -999]`')
    return words(given)


def how_to_list(folder: Path) -> str:
    """Returns a hint that says where to list the words for the files of a folder."""
    return f"to use other words, list them as `{KEY}` in {folder / FILE}"
