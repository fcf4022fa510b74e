"""Patterns of paths: `train-{000..127}.tar`, `{train,val}-*.tar`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from glob import glob
from typing import Final, NamedTuple

from rrl_dsl.language.diagnostics import RRLError, error

_RANGE: Final = re.compile(r"(\d{1,18})\.\.(\d{1,18})", re.ASCII)
_WILD: Final = re.compile(r"[*?\[]")
_MOST: Final = 10**6


class _Braces(NamedTuple):
    """A pattern that is divided at its first braces.

    Attributes:
        before: The text before them.
        parts: The parts between them, which commas separate.
        rest: The pattern after them.
    """

    before: str
    parts: list[str]
    rest: str


def paths_of(pattern: str) -> list[str]:
    """Returns the paths that a pattern means, in its order.

    `{000..127}` counts and keeps the leading zeros, `{a,b}` lists, and braces may contain braces,
    as in a shell. After that, `*`, `?` and `[...]` match existing files, sorted.

    Raises:
        RRLError: RRL411 if the braces of the pattern are not closed, or it has too many paths.
    """
    try:
        if _count(pattern) > _MOST:  # before the paths take time and memory
            raise _too_many(pattern)
        paths = []
        for path in _expanded(pattern):
            paths.extend(sorted(glob(path)) if _WILD.search(path) else [path])
            if len(paths) > _MOST:
                raise _too_many(pattern)
    except RecursionError as reason:
        message = f"`{pattern[:60]}…` has too many braces"
        raise error("RRL411", message, hint="use `*` for the files that exist") from reason
    return paths


def fixed(pattern: str) -> str:
    """Returns the part of a pattern before its first folder or file that varies."""
    varies = re.search(r"[{*?\[]", pattern)
    return pattern[: varies.start() if varies else None].rpartition("/")[0]


def _too_many(pattern: str) -> RRLError:
    hint = "`*` means only the files that exist"
    return error("RRL411", f"`{pattern}` means more than {_MOST:,} paths", hint=hint)


def _divided(pattern: str) -> _Braces | None:
    """Divides a pattern at its first braces; None if there are none."""
    start = pattern.find("{")
    if start < 0:
        return None
    depth, parts, last = 0, list[str](), start + 1
    for at in range(start, len(pattern)):
        sign = pattern[at]
        depth += (sign == "{") - (sign == "}")
        if (sign == "," and depth == 1) or depth == 0:
            parts.append(pattern[last:at])
            last = at + 1
        if depth == 0:
            return _Braces(pattern[:start], parts, pattern[last:])
    hint = "write a pattern such as `train-{000..127}.tar`"
    raise error("RRL411", f"`{pattern}` has a brace that is not closed", hint=hint)


def _count(pattern: str) -> int:
    """The number of texts that a pattern means."""
    braces = _divided(pattern)
    if braces is None:
        return 1
    numbers = _numbers(braces.parts)
    here = sum(map(_count, braces.parts)) if numbers is None else len(numbers)
    return here * _count(braces.rest)


def _expanded(pattern: str) -> Iterator[str]:
    """The texts that a pattern means."""
    braces = _divided(pattern)
    if braces is None:
        yield pattern
        return
    for middle in _alternatives(braces.parts):
        for rest in _expanded(braces.rest):
            yield braces.before + middle + rest


def _alternatives(parts: list[str]) -> Iterator[str]:
    """The texts that the parts between braces mean."""
    numbers = _numbers(parts)
    if len(parts) > 1:
        for part in parts:
            yield from _expanded(part)
    elif numbers is not None:
        ends = parts[0].split("..")
        padded = any(text != "0" and text.startswith("0") for text in ends)
        width = max(map(len, ends)) if padded else 0
        yield from (f"{number:0{width}}" for number in numbers)
    else:  # as in a shell, other braces are text
        yield from (f"{{{inner}}}" for inner in _expanded(parts[0]))


def _numbers(parts: list[str]) -> range | None:
    """The numbers that `first..last` counts; None for other parts."""
    counted = _RANGE.fullmatch(parts[0]) if len(parts) == 1 else None
    if counted is None:
        return None
    low, high = map(int, counted.groups())
    return range(low, high + 1) if low <= high else range(low, high - 1, -1)
