"""The rows of a batch: the sample and the view of each row, its labels and its other fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rrl_dsl.graph.types import described
from rrl_dsl.language.diagnostics import RRLError, did_you_mean, error

if TYPE_CHECKING:
    from rrl_dsl.backends.repeats import Views

SAME_VALUES: Final = (
    "all views of a sample must have the same labels and fields; give other samples other ids"
)
"""The hint for a sample whose rows differ."""

_LARGEST_PART: Final = 1e150  # the limit for the values of a vector: squared distances are finite
_FARTHEST: Final = 2**62  # the limit for integers: their differences fit an int64


class Samples(Protocol):
    """The samples of a dataset, as `Program.bind` takes them: `rrl.Nodes`, or a split."""

    @property
    def sample(self) -> Tensor:
        """int64 (n,), the ids."""

    @property
    def labels(self) -> Mapping[str, Tensor]:
        """Label field -> int64 (n,), -1 where unknown."""

    @property
    def fields(self) -> Mapping[str, Tensor]:
        """Other fields -> numbers (n,) or vectors (n, d), NaN where missing."""


class Nodes:
    """The rows of a batch. A row is one view of one sample.

    Two positions with the same (sample, view) are the same row, and their pair counts as self.

    Attributes:
        sample: int64 (n,), stable ids of at least 0.
        view: int64 (n,), view numbers of at least 0.
        labels: Label field -> int64 (n,); -1 means unknown. For several labels per sample (n, k),
            distinct and descending, then -1; a row of -1 is unknown.
        fields: Other field -> numbers (n,) or vectors (n, d), integer or float; NaN means missing.
        check: Whether to check the values, here and when a program relates the rows. None checks
            rows on the CPU only.
    """

    def __init__(
        self,
        sample: Any,
        view: Any = None,
        labels: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        *,
        check: bool | None = None,
    ) -> None:
        """Creates rows from tensors, NumPy arrays or sequences.

        Args:
            sample: Integer ids (n,).
            view: Integer view numbers (n,); defaults to 0.
            labels: Label field -> integers (n,), or (n, k) with at most k labels per sample in any
                order, filled up with -1.
            fields: Field -> numbers (n,) or vectors (n, d). Integers can also be a label field.
            check: Whether to check the values. A check synchronizes with the device, so by default
                only rows on the CPU are checked.

        Raises:
            RRLError: RRL402 if the columns have different lengths or invalid values, or if two rows
                of the same sample differ in a label or another field.
        """
        self.check = check
        self.sample = _integers("sample", sample)
        if self.sample.ndim != 1:
            raise error("RRL402", f"`sample` must have shape (n,), not {tuple(self.sample.shape)}")
        zeros = torch.zeros_like(self.sample) if view is None else view
        self.view = self._column("view", zeros)
        given = named("labels", labels)
        self.labels = {name: self._label(name, column) for name, column in given.items()}
        given = named("fields", fields)
        self.fields = {name: self._field(name, column) for name, column in given.items()}
        if self.checked:
            self._check_values()
            self._check_agreement()

    @property
    def checked(self) -> bool:
        """Whether values are checked."""
        return self.device.type == "cpu" if self.check is None else self.check

    @property
    def device(self) -> torch.device:
        """The device of the columns."""
        return self.sample.device

    @cached_property
    def views(self) -> Views | None:
        """The rows as views of samples; None if they are in another order, or not on the CPU."""
        from rrl_dsl.backends.repeats import views_of

        return views_of(self)

    def __len__(self) -> int:
        return len(self.sample)

    def __repr__(self) -> str:
        columns = ", ".join([*self.labels, *self.fields])
        return f"Nodes({len(self)} rows on {self.device}; {columns or 'no labels or fields'})"

    def label(self, name: str) -> Tensor:
        """The label field with this name, int64 (n,) or (n, k).

        Raises:
            RRLError: RRL401 if the rows do not have the field, RRL417 if it is not a label.
        """
        if name in self.labels:
            return self.labels[name]
        if name in self.fields:
            message = f"`{name}` is a field of numbers, but the recipe needs a label"
            raise error("RRL417", message, hint=f"pass it as `labels={{'{name}': ...}}`")
        raise _lacking("label field", name, list(self.labels))

    def number(self, name: str) -> Tensor:
        """The number field with this name, (n,): int64, or float64 with NaN for missing values.

        Raises:
            RRLError: RRL401 if the rows do not have the field, RRL417 if it is a vector or a label.
        """
        column = self._any_field(name, "number")
        if column.ndim != 1:
            message = (
                f"`{name}` is a field of vectors of {column.shape[1]}, but the recipe needs numbers"
            )
            raise error("RRL417", message, hint="`similarity` and `knn` compare vectors")
        return column.double() if column.is_floating_point() else column.to(torch.int64)

    def vector(self, name: str) -> Tensor:
        """The vector field with this name, float64 (n, d), NaN if missing; d = 1 for numbers.

        Raises:
            RRLError: RRL401 if the rows do not have the field, RRL417 if it is a label.
        """
        column = self._any_field(name, "vector")
        if column.ndim == 1:
            column = self.number(name)[:, None]
        return column.double()

    def _any_field(self, name: str, kind: str) -> Tensor:
        if name in self.fields:
            return self.fields[name]
        if name in self.labels:
            message = f"`{name}` is a label, but the recipe needs a {kind}"
            raise error("RRL417", message, hint=f"pass it as `fields={{'{name}': ...}}`")
        raise _lacking("field", name, list(self.fields))

    def __getitem__(self, rows: Tensor | slice) -> Nodes:
        """Some of the rows, in this order."""
        return self.map(lambda column: column[rows])

    def to(self, device: torch.device | str) -> Nodes:
        """The same rows on another device."""
        return self.map(lambda column: column.to(device))

    def map(self, change: Callable[[Tensor], Tensor]) -> Nodes:
        """The rows with a function applied to every column."""
        return self._derived(
            change(self.sample),
            change(self.view),
            {name: change(value) for name, value in self.labels.items()},
            {name: change(value) for name, value in self.fields.items()},
        )

    def followed_by(self, others: Nodes) -> Nodes:
        """These rows followed by other rows, with the labels and fields that both have."""
        return self._derived(
            torch.cat([self.sample, others.sample]),
            torch.cat([self.view, others.view]),
            {
                name: joined_labels(value, others.labels[name])
                for name, value in self.labels.items()
                if name in others.labels
            },
            {
                name: torch.cat([value, others.fields[name]])
                for name, value in self.fields.items()
                if name in others.fields
            },
        )

    def _derived(self, *columns: Any) -> Nodes:
        """Nodes of columns that are already checked."""
        nodes = Nodes(*columns, check=False)
        nodes.check = self.check
        return nodes

    def _column(self, name: str, value: Any) -> Tensor:
        column = _integers(name, value)
        self._check_shape(name, column, column.shape == self.sample.shape, "pass one value per row")
        return column

    def _check_shape(self, name: str, column: Tensor, fits: bool, hint: str) -> None:
        if not fits:
            shape = tuple(column.shape)
            message = f"`{name}` has shape {shape}, `sample` {tuple(self.sample.shape)}"
            raise error("RRL402", message, hint=hint)
        self._check_device(name, column)

    def _check_device(self, name: str, column: Tensor) -> None:
        if column.device != self.device:
            raise error("RRL402", f"`{name}` is on {column.device}, `sample` on {self.device}")

    def _label(self, name: str, value: Any) -> Tensor:
        """A label field. Several labels per sample become distinct and descending, then -1."""
        label = _integers(name, value)
        if label.ndim != 2:
            return self._column(name, label)
        fits = label.shape[1] > 0 and len(label) == len(self)
        self._check_shape(name, label, fits, "pass at least one label per row; -1 is unknown")
        ordered = label.sort(dim=1, descending=True).values
        again = ordered[:, 1:] == ordered[:, :-1]
        distinct = torch.cat([ordered[:, :1], ordered[:, 1:].masked_fill(again, -1)], dim=1)
        return distinct.sort(dim=1, descending=True).values

    def _field(self, name: str, value: Any) -> Tensor:
        column = tensor(name, value)
        if column.ndim not in (1, 2) or len(column) != len(self):
            message = f"the field `{name}` has shape {tuple(column.shape)} for {len(self)} rows"
            raise error("RRL402", message, hint="pass one number or one vector per row")
        if column.is_complex() or column.dtype == torch.bool:
            raise error("RRL402", f"the field `{name}` must contain numbers, not {column.dtype}")
        if column.ndim == 2 and column.shape[1] == 0:
            raise error("RRL402", f"the vectors of the field `{name}` are empty")
        self._check_device(name, column)
        return column

    def _check_values(self) -> None:
        labels = ((name, column, -1) for name, column in self.labels.items())
        for name, column, least in (("sample", self.sample, 0), ("view", self.view, 0), *labels):
            if len(column) and int(column.min()) < least:
                row = int(column.reshape(len(column), -1).amin(dim=1).argmin())
                message = f"`{name}` is {int(column[row].min())} in row {row}"
                hint = "use -1 for unknown labels" if least == -1 else "ids and views start at 0"
                raise error("RRL402", message, hint=hint)
        for name, column in self.fields.items():
            if column.is_floating_point() and bool(torch.isinf(column).any()):
                raise error("RRL402", f"the field `{name}` has an infinite value")
            if column.ndim == 2 and bool((column.double().abs() > _LARGEST_PART).any()):
                message = f"the field `{name}` has vectors with values beyond {_LARGEST_PART:g}"
                hint = "divide the column by its largest value"
                raise error("RRL402", message, hint=hint)
            if not column.is_floating_point() and bool((_int64(column).abs() > _FARTHEST).any()):
                message = f"the field `{name}` has an integer beyond 2^62"
                raise error("RRL402", message, hint="pass floating-point numbers")

    def _check_agreement(self) -> None:
        """Refuses rows of one sample that differ in a label or field."""
        order = self.sample.argsort(stable=True)
        again = (self.sample[order].diff() == 0).nonzero().flatten()
        one, other = order[again], order[again + 1]
        if not len(again):
            return
        for name, column in [*self.labels.items(), *self.fields.items()]:
            a, b = column[one], column[other]
            differs = (a != b) & ~((a != a) & (b != b))  # NaN is missing in both
            differs = differs if differs.ndim == 1 else differs.any(dim=1)
            if bool(differs.any()):
                at = int(differs.nonzero()[0])
                i, j = int(one[at]), int(other[at])
                message = f"`{name}` differs in rows {i} and {j}, both of sample {self.sample[i]}"
                raise error("RRL402", message, hint=SAME_VALUES)


def joined_labels(one: Tensor, other: Tensor) -> Tensor:
    """The labels of rows followed by those of other rows, as wide as the wider of the two."""
    if one.ndim == 2 or other.ndim == 2:
        one, other = (label if label.ndim == 2 else label[:, None] for label in (one, other))
        width = max(one.shape[1], other.shape[1])
        one, other = (F.pad(label, (0, width - label.shape[1]), value=-1) for label in (one, other))
    return torch.cat([one, other])


def tensor(name: str, value: Any, code: str = "RRL402") -> Tensor:
    """A user's numbers as a tensor; NumPy arrays may have any byte order and strides.

    Raises:
        RRLError: With `code`, if the value is not an array of numbers.
    """
    try:
        if hasattr(value, "__array__") and not isinstance(value, Tensor):
            array = np.asarray(value)
            value = array.astype(array.dtype.newbyteorder("="), order="C")  # always a copy
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as problem:  # text, ragged lists, huge integers
        raise error(code, f"`{name}` must be an array of numbers: {problem}") from problem


def named(what: str, given: Any, code: str = "RRL402") -> Mapping[str, Any]:
    """A user's columns by name; empty for None.

    Raises:
        RRLError: With `code`, if the value is not a mapping from names.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        message = f"`{what}` must be a dict of columns, not {described(given)}"
        raise error(code, message, hint=f"write `{what}={{'NAME': ...}}`")
    return given


def _lacking(what: str, name: str, known: list[str]) -> RRLError:
    hint = did_you_mean(name, known) or f"they have {', '.join(known) or 'none'}"
    return error("RRL401", f"the rows have no {what} `{name}`", hint=hint)


def _integers(name: str, value: Any) -> Tensor:
    column = tensor(name, value)
    wrong = column.is_floating_point() or column.is_complex() or column.dtype == torch.bool
    if wrong and column.numel():  # an empty list is one of floats
        raise error(
            "RRL402", f"`{name}` must be integers, not {column.dtype}".replace("torch.", "")
        )
    return column.to(torch.int64)


def _int64(column: Tensor) -> Tensor:
    """Integers as int64. Values outside int64 become a value that is beyond the limit too."""
    whole = column.to(torch.int64)
    least = -_FARTHEST - 1  # beyond the limit, and its absolute value fits an int64
    return (
        whole.masked_fill(whole < 0, least) if column.dtype == torch.uint64 else whole.clamp(least)
    )


def first_equal(*columns: Tensor) -> Tensor:
    """For each row, the first row with equal values in all columns, int64 (n,).

    It never synchronizes with the device.

    Args:
        columns: Integers, each (n,).
    """
    order, starts = in_order(*columns)
    places = torch.arange(len(order), device=order.device)
    first = order[places.masked_fill(~starts, 0).cummax(dim=0).values]
    return torch.empty_like(order).scatter(0, order, first)


def in_order(*columns: Tensor) -> tuple[Tensor, Tensor]:
    """The order of rows by columns, and whether each differs from the row before it, both (n,).

    It never synchronizes with the device.

    Args:
        columns: Integers, each (n,); a column counts before those after it. Equal rows keep their
            order.
    """
    *others, last = columns
    order = last.argsort(stable=True)
    for column in reversed(others):
        order = order[column[order].argsort(stable=True)]
    starts = torch.ones_like(order, dtype=torch.bool)
    ordered = [column[order] for column in columns]
    starts[1:] = torch.stack([column[1:] != column[:-1] for column in ordered]).any(dim=0)
    return order, starts
