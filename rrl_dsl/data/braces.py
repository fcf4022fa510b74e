"""Patterns of paths: `train-{000..127}.tar`, `{train,val}-*.tar`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from glob import glob
from typing import Final

from rrl_dsl.language.diagnostics import error

_RANGE: Final = re.compile(r"(\d{1,18})\.\.(\d{1,18})", re.ASCII)
_WILD: Final = re.compile(r"[*?\[]")
_MOST: Final = 10**6


def paths_of(pattern: str) -> list[str]:
    """Returns the paths that a pattern means, in its order.

    `{000..127}` counts and keeps the leading zeros, `{a,b}` lists, and braces may contain braces,
    as in a shell. After that, `*`, `?` and `[...]` mean the files that exist, sorted.

    Raises:
        RRLError: RRL411 if the braces of the pattern are not closed, or it has too many paths.
    """
    paths = []
    for path in _expanded(pattern):
        paths.extend(sorted(glob(path)) if _WILD.search(path) else [path])
        if len(paths) > _MOST:
            raise error("RRL411", f"`{pattern}` means more than {_MOST:,} paths")
    return paths


def fixed(pattern: str) -> str:
    """Returns the part of a pattern before its first folder or file that varies."""
    varies = re.search(r"[{*?\[]", pattern)
    return pattern[: varies.start() if varies else None].rpartition("/")[0]


def _expanded(pattern: str) -> Iterator[str]:
    start = pattern.find("{")
    if start < 0:
        yield pattern
        return
    depth, parts, last = 0, list[str](), start + 1
    for at in range(start, len(pattern)):
        sign = pattern[at]
        depth += (sign == "{") - (sign == "}")
        if (sign == "," and depth == 1) or depth == 0:
            parts.append(pattern[last:at])
            last = at + 1
        if depth == 0:
            break
    else:
        hint = "write a pattern such as `train-{000..127}.tar`"
        raise error("RRL411", f"`{pattern}` has a brace that is not closed", hint=hint)
    for middle in _alternatives(parts):
        for rest in _expanded(pattern[last:]):
            yield pattern[:start] + middle + rest


def _alternatives(parts: list[str]) -> Iterator[str]:
    """The texts that the parts between braces mean."""
    if len(parts) > 1:
        for part in parts:
            yield from _expanded(part)
    elif counted := _RANGE.fullmatch(parts[0]):
        first, last = counted.groups()
        padded = any(text != "0" and text.startswith("0") for text in (first, last))
        width = max(len(first), len(last)) if padded else 0
        low, high = int(first), int(last)
        for number in range(low, high + 1) if low <= high else range(low, high - 1, -1):
            yield f"{number:0{width}}"
    else:  # as in a shell, other braces are text
        yield from (f"{{{inner}}}" for inner in _expanded(parts[0]))
