"""The words that mean a missing value in every file format, and how a data set names others.

A word of `UNKNOWN` is a missing value in text and in numbers alike, regardless of case. A data set
in which one of them is a class, or a value such as -999 is none, says so itself: an image folder in
`columns.yaml`, an archive in an array `unknown`. The words given there take the place of `UNKNOWN`;
an empty cell, a null and NaN are missing always.

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
"""The file of an image folder that names the words."""
KEY: Final = "unknown"
"""The key of that file, and the array of an archive, that names the words."""

_ALWAYS: Final = frozenset({"", "nan"})
UNKNOWN: Final = _ALWAYS | {
    *("na", "n/a", "n.a.", "<na>", "#na", "#n/a", "#n/a n/a", "nat", "-nan", "1.#ind", "-1.#ind"),
    *("1.#qnan", "-1.#qnan", "none", "null", "(null)", "nil", "\\n", "?", "-", "--", "."),
    *("unknown", "<unknown>", "missing", "undefined", "unlabelled", "unlabeled"),
}
"""The words for a missing value, those of pandas and SQL among them; regardless of case."""


def words(given: Iterable[str]) -> frozenset[str]:
    """The words that a data set names, and those that are missing always."""
    return _ALWAYS | {each.strip().casefold() for each in given}


def words_of(folder: Path) -> frozenset[str]:
    """The words for a missing value in the table of an image folder.

    Raises:
        RRLError: RRL412 where its `columns.yaml` is not as above.
    """
    path = folder / FILE
    if not os.path.exists(path):
        return UNKNOWN
    tree = read_yaml(path)
    given = tree.get(KEY) if isinstance(tree, Mapping) and len(tree) == 1 else None
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        message = f"{path} names the words for a missing value, and nothing else"
        raise error("RRL412", message, hint=f'write `{KEY}: [n/a, "?", -999]`')
    return words(given)
