"""The values that text represents: a number, a date, a duration, a vector, or a text.

| text | value |
|---|---|
| `7`, `-0.5`, `1e-3` | a number |
| `2021-12-31`, `2021-12-31T12:30:00.5+01:00` | a date: seconds since 1970, in UTC by default |
| `0:01:30`, `00:00:01.5`, `1 day, 0:00:00`, `PT1.5S` | a duration, or a time of day: seconds |
| `[0.1, 0.2]`, `(0.1, 0.2)`, `[0.1 0.2]`, `0.1 0.2` | a vector |
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

Kind = Literal["whole number", "number", "date", "duration", "vector", "text"]

_WHOLE: Final = re.compile(r"[+-]?\d+", re.ASCII)
_REAL: Final = re.compile(
    r"[+-]?((\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|inf(inity)?)", re.ASCII | re.IGNORECASE
)
_DATE: Final = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_CLOCK: Final = re.compile(
    r"((?P<days>[+-]?\d{1,6}) days?,? ?)?(?P<sign>[+-]?)"
    r"(?P<hours>\d{1,7}):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d([.,]\d+)?)",
    re.ASCII,
)
"""A duration as Python and pandas print it; the days and the rest have separate signs."""
_ISO_DURATION: Final = re.compile(
    r"(?P<sign>[+-]?)P(?=T?\d)((?P<days>\d{1,6})D)?(T(?=\d)((?P<hours>\d{1,7})H)?"
    r"((?P<minutes>\d{1,9})M)?((?P<seconds>\d{1,9}([.,]\d+)?)S)?)?",
    re.ASCII,
)
"""A duration of ISO 8601 with days, hours, minutes and seconds."""
_FOREIGN: Final = re.compile(
    r"[+-]?\d+([.,]\d+)?%|[+-]?(\d+(\.\d{3})*)?,\d+|[+-]?\d{1,3}(?:[ \u00a0\u202f]\d{3})+"
    r"|(\d{1,2}([./-])\d{1,2}\5\d{4}|\d{4}([./-])\d{1,2}\6\d{1,2})([ T]\d{1,2}:\d\d(:\d\d)?)?",
    re.ASCII,
)
_CODE: Final = re.compile(r"[+-]?0\d+", re.ASCII)
_BRACKETS: Final = {"[": "]", "(": ")"}
_MISSING: Final = ("nan", "none", "null")
"""The words for a missing component of a vector."""
_BETWEEN: Final = re.compile(r"\s*,\s*|\s+")


def kind_of(cell: str) -> Kind:
    """Returns the kind of value that a cell represents."""
    if _WHOLE.fullmatch(cell):
        return "whole number"
    if is_number(cell):
        return "number"
    if date(cell) is not None:
        return "date"
    if seconds(cell) is not None:
        return "duration"
    return "text" if vector(cell) is None else "vector"


def is_number(cell: str) -> bool:
    """Whether a cell represents a number."""
    return _REAL.fullmatch(cell) is not None


def is_negative(cell: str) -> bool:
    """Whether a cell represents a negative whole number, such as `-1` or `-1.0`."""
    return cell.startswith("-") and is_number(cell) and float(cell).is_integer()


def is_code(cell: str) -> bool:
    """Whether a cell is a code with leading zeros: `007` differs from `7`."""
    return _CODE.fullmatch(cell) is not None


def is_foreign(cell: str) -> bool:
    """Whether a cell is a number or a date in an unsupported format."""
    return _FOREIGN.fullmatch(cell) is not None


def date(cell: str) -> datetime | None:
    """Returns the time that a cell represents, or None."""
    if not _DATE.fullmatch(cell):
        return None
    try:
        time = datetime.fromisoformat(cell)
    except ValueError:  # the 31st of February
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def seconds(cell: str) -> float | None:
    """Returns the duration or time of day that a cell represents in seconds, or None."""
    match = _CLOCK.fullmatch(cell) or _ISO_DURATION.fullmatch(cell)
    if match is None:
        return None
    size = {
        name: float((text or "0").replace(",", "."))
        for name, text in match.groupdict().items()
        if name != "sign"
    }
    sign = -1 if match["sign"] == "-" else 1
    days = size["days"] * (sign if match.re is _ISO_DURATION else 1)
    clock = 3600 * size["hours"] + 60 * size["minutes"] + size["seconds"]
    return timedelta(days=days).total_seconds() + sign * clock


def vector(cell: str) -> list[float] | None:
    """Returns the vector that a cell represents, or None; a missing component is NaN."""
    inner, bracketed = cell, cell[:1] in _BRACKETS and cell[-1:] == _BRACKETS[cell[0]]
    if bracketed:
        inner = cell[1:-1].strip().removesuffix(",")
    elif "," in cell or " " not in cell:
        return None
    components = _BETWEEN.split(inner.strip()) if inner.strip() else []
    if not bracketed and any(is_code(text) for text in components):  # `1 000` is one number
        return None
    components = ["nan" if text.casefold() in _MISSING else text for text in components]
    if not all(is_number(text) or text == "nan" for text in components):
        return None
    return [float(text) for text in components]
