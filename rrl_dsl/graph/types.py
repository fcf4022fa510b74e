"""The types of parameters: the values that they accept, and the errors for other values."""

from __future__ import annotations

import math
import numbers
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast

from rrl_dsl.graph import links
from rrl_dsl.graph.links import External, Links, SampleIds
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.language.diagnostics import listing, nearest
from rrl_dsl.language.spelling import number_value

Scalar = bool | int | float | str
"""The value of a literal of the language."""
Value = Scalar | Schedule | External
"""The value of an argument in a graph."""


@dataclass(eq=False)
class Refusal(Exception):  # noqa: N818  (told apart from the RRLError it becomes)
    """The reason why a value is invalid, without its place in the text.

    Attributes:
        code: A key of `rrl_dsl.language.codes.CODES`.
        message: The value and what is allowed.
        hint: The fix in words, if there is one.
        at: The invalid argument: its position, its name, or None for the whole call.
        replacement: A fix: the text that replaces the invalid one.
        missing: A fix: arguments to add at the end of the call.
        names: A fix: the names of the positional arguments from `at` on.
        remove: A fix: the arguments to remove, by position or name.
    """

    code: str
    message: str
    hint: str | None = None
    at: int | str | None = None
    replacement: str | None = None
    missing: str | None = None
    names: tuple[str, ...] = ()
    remove: tuple[int | str, ...] = ()


@dataclass(frozen=True)
class Number:
    """An integer or real number within bounds.

    Attributes:
        name: The type's name in messages and signatures.
        integral: Whether only integers are valid.
        low: The least valid value.
        high: The greatest valid value.
        open_low: Whether `low` itself is invalid.
        from_low: Whether a schedule may begin or end at an invalid `low`.
    """

    name: str
    integral: bool
    low: float
    high: float
    open_low: bool = False
    from_low: bool = False

    @property
    def annotation(self) -> str:
        """The type in Python syntax."""
        return "int" if self.integral else "float"

    def accept(self, value: Any) -> Scalar:
        """The value, normalized to int or float.

        Raises:
            Refusal: RRL202 for another type, RRL301 for a value out of range.
        """
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            is_quoted = isinstance(value, str) and number_value(value) is not None
            raise _mistyped(self.described, value, str(value) if is_quoted else None)
        if self.integral and not isinstance(value, numbers.Integral):
            whole = self.contains(value) and float(value).is_integer()
            raise _mistyped(self.fitting(value), value, str(int(float(value))) if whole else None)
        if not self.contains(value):
            raise Refusal("RRL301", f"must be {self.fitting(value)}, not {_plain(value)}")
        if isinstance(value, numbers.Integral) and self.integral:
            return operator.index(value)
        return float(value) + 0.0  # -0.0 is 0.0

    def accept_schedule(self, schedule: Schedule) -> Schedule:
        """The schedule, if both of its ends are within the bounds, and so all of its values.

        Raises:
            Refusal: RRL301.
        """
        low = self.from_low and schedule.start != schedule.end
        for end in (schedule.start, schedule.end):
            if not (self.contains(end) or (low and end == self.low)):
                message = f"must be {self.fitting(end)}, and this schedule reaches {_plain(end)}"
                raise Refusal("RRL301", message)
        return schedule

    def contains(self, value: Any) -> bool:
        """Whether a number is within the bounds; NaN is not."""
        number = float(value) if hasattr(value, "dtype") else value  # float16 ends below `high`
        above = number > self.low if self.open_low else number >= self.low
        return bool(above and number <= self.high)

    def fitting(self, value: Any) -> str:
        """The type in words, with the bound that a number violates."""
        noun = "an integer" if self.integral else "a number"
        if self.high >= _LARGEST and value > self.high:
            return f"{noun} of at most {_plain(int(self.high) if self.integral else self.high)}"
        if self.low <= -_FLOAT32_MAX and value < self.low:
            return f"{noun} of at least {_plain(self.low)}"
        return self.described

    @property
    def described(self) -> str:
        """The type in words, with its range."""
        noun = "an integer" if self.integral else "a number"
        if self.low <= -_FLOAT32_MAX:
            return noun
        if self.high >= _LARGEST:
            return f"{noun} {'above' if self.open_low else 'of at least'} {_plain(self.low)}"
        if self.open_low:
            return f"{noun} above {_plain(self.low)} and at most {_plain(self.high)}"
        return f"{noun} from {_plain(self.low)} to {_plain(self.high)}"


@dataclass(frozen=True)
class Text:
    """A string."""

    name: str = "String"
    annotation: str = "str"
    described: str = "a quoted string"

    def accept(self, value: object) -> Scalar:
        """The string itself.

        Raises:
            Refusal: RRL202 for another type, RRL301 for an empty string.
        """
        if not isinstance(value, str):
            raise _mistyped(self.described, value)
        if not value:
            raise Refusal("RRL301", f"must be {self.described} that is not empty")
        return value


class Need(NamedTuple):
    """A column that a call reads: a label, a number or a vector of the samples, or a space."""

    kind: Literal["label", "number", "vector", "space"]
    name: str


@dataclass(frozen=True)
class Field(Text):
    """The name of a per-sample column of the dataset: of labels, numbers or vectors."""

    name: str = "Field"
    reads: Literal["label", "number", "vector"] = "label"
    described: str = "the name of a field"

    def need(self, name: str) -> Need:
        """The column of that name."""
        return Need(self.reads, name)


@dataclass(frozen=True)
class Space(Field):
    """A space of the model by one of a few words, or else a field of vectors of the dataset."""

    reads: Literal["label", "number", "vector"] = "vector"
    name: str = "projection|backbone|teacher|Field"
    described: str = "`projection`, `backbone`, `teacher` or the name of a field"

    def need(self, name: str) -> Need:
        """The space, or the field of vectors, of that name."""
        return Need("space", name) if name in MODEL_SPACES else super().need(name)


@dataclass(frozen=True)
class File:
    """A file of pairs or a matrix: its path, its content, or a matrix in Python."""

    name: str = "File"
    annotation: str = "str | os.PathLike[str] | Any"
    described: str = "a file name in quotes"

    def accept(self, value: object) -> Links:
        """The links in the file, or of the matrix.

        Raises:
            Refusal: RRL202 for another type.
            RRLError: As `rrl_dsl.graph.links.read` and `of_python`.
        """
        if isinstance(value, Links):
            return value
        if isinstance(value, str | os.PathLike):
            return links.read(Path(value))
        matrix = links.of_python(value)
        if matrix is None:
            raise _mistyped(self.described, value)
        return matrix


@dataclass(frozen=True)
class Ids:
    """The ids of the rows of a matrix, from Python only."""

    name: str = "Ids"
    annotation: str = "Sequence[int | str]"
    described: str = "the sample of each row, from Python"

    def accept(self, value: object) -> SampleIds:
        """The ids.

        Raises:
            Refusal: RRL202 for another type.
        """
        if isinstance(value, SampleIds):
            return value
        is_list = hasattr(value, "__len__") and hasattr(value, "__getitem__")  # unlike a set
        if isinstance(value, str | bytes) or not is_list:
            hint = "in a recipe, add an array `ids` to the .npz file of the matrix"
            raise Refusal("RRL202", f"must be {self.described}, not {described(value)}", hint)
        from rrl_dsl.graph.matrix_links import sample_ids

        return sample_ids(cast(Sequence[Any], value))


@dataclass(frozen=True)
class Choice:
    """One of a fixed set of words."""

    values: tuple[str, ...]

    @property
    def name(self) -> str:
        """The words as in a signature."""
        return "|".join(self.values)

    @property
    def annotation(self) -> str:
        """The type in Python syntax."""
        return f"Literal[{', '.join(map(repr, self.values))}]"

    @property
    def described(self) -> str:
        """The words as in a message."""
        return listing(self.values)

    def accept(self, value: object) -> Scalar:
        """The word itself.

        Raises:
            Refusal: RRL202 for another type, RRL301 for another word.
        """
        if not isinstance(value, str):
            raise _mistyped(self.described, value)
        if value not in self.values:
            meant = nearest(value, self.values, likeness=0.7)
            hint = f"did you mean `{meant}`?" if meant else None
            raise Refusal(
                "RRL301", f"must be {self.described}, not `{value}`", hint, replacement=meant
            )
        return value


@dataclass(frozen=True)
class Flag:
    """`true` or `false`."""

    name: str = "Bool"
    annotation: str = "bool"
    described: str = "`true` or `false`"

    def accept(self, value: object) -> Scalar:
        """The flag itself.

        Raises:
            Refusal: RRL202 for another type.
        """
        if not isinstance(value, bool):
            instead = {0: "false", 1: "true"}.get(value) if isinstance(value, int) else None
            raise _mistyped(self.described, value, instead)
        return value


Type = Number | Text | Choice | File | Ids | Flag
"""A type of parameters. `accept` returns a value in its normal form, such as an int for 2.0.

It raises a `Refusal`: RRL202 for a value of another type, RRL301 for a value out of range.
"""

_LARGEST: Final = float(2**31 - 1)
_FLOAT32_MAX: Final = 3.4e38

COUNT: Final = Number("Int", integral=True, low=1, high=_LARGEST)
INDEX: Final = Number("Int", integral=True, low=0, high=_LARGEST)
SEED: Final = Number("Int", integral=True, low=0, high=2.0**63 - 1024)
VIEWS: Final = Number("Int", integral=True, low=1, high=64)
FRACTION: Final = Number("Fraction", integral=False, low=0, high=1, open_low=True, from_low=True)
PROBABILITY: Final = Number("Probability", integral=False, low=0, high=1)
WEIGHT: Final = Number("Float", integral=False, low=0, high=_FLOAT32_MAX)
POSITIVE: Final = Number("Float", integral=False, low=0, high=_FLOAT32_MAX, open_low=True)
PERPLEXITY: Final = Number("Float", integral=False, low=1, high=_FLOAT32_MAX)
REAL: Final = Number("Float", integral=False, low=-_FLOAT32_MAX, high=_FLOAT32_MAX)
LABEL: Final = Field(reads="label")
NUMBER: Final = Field(reads="number")
VECTOR: Final = Field(reads="vector")
SPACE: Final = Space()
FILE: Final = File()
IDS: Final = Ids()
FLAG: Final = Flag()

MODEL_SPACES: Final = ("projection", "backbone", "teacher")
"""The spaces of the model; any other name is a field of the dataset."""


def _mistyped(wanted: str, value: object, instead: str | None = None) -> Refusal:
    """The refusal of a value of another type; `instead` is the value that was meant."""
    hint = instead and f"write `{instead}`"
    message = f"must be {wanted}, not {described(value)}"
    return Refusal("RRL202", message, hint, replacement=instead)


def described(value: object) -> str:
    """A value as in a message."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, numbers.Real):
        return f"the number {_plain(value)}"
    if isinstance(value, str):
        return f'the string "{value[:40]}"'
    if value is None:
        return "None"
    if getattr(value, "__module__", None) == "rrl_dsl":  # the Python function of a built-in
        return f"the function `{value.__name__}`, which is not called"  # type: ignore[attr-defined]
    return str(getattr(value, "noun", f"a {type(value).__name__}"))


def _plain(value: object) -> str:
    try:
        text = str(value)
    except ValueError:  # Python limits the digits of an integer in a string
        assert isinstance(value, numbers.Rational)
        digits = math.log10(abs(value.numerator)) - math.log10(value.denominator)
        return f"about {'-' * (value < 0)}1e{round(digits)}"
    return text if len(text) <= 24 else f"{text[:21]}…"
