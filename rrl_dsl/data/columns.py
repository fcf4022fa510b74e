"""The columns of a dataset without its images; this module does not import torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.language.diagnostics import Diagnostic, did_you_mean, listing

Array = NDArray[Any]

_LARGEST_PART: Final = 1e150
"""The largest component of a vector; squared distances must not overflow float64."""


@dataclass(frozen=True, eq=False)
class Columns:
    """The ids, labels and fields of n samples.

    Attributes:
        name: The name of the dataset.
        sample: int64 (n,), the stable ids.
        labels: Label name -> int64 (n,), or (n, k) for several labels per sample; -1 is none.
        class_names: Label name -> the names of its classes.
        fields: Field name -> numbers (n,) or vectors (n, d), int64 or floating point; NaN is
            missing.
        others: int64 (m,), the ids of further samples that files of pairs may name, such as those
            of the test split.
        notes: Warnings about how the columns were read.
        unreadable: Name of a column that cannot be read -> its errors.
    """

    name: str
    sample: NDArray[np.int64]
    labels: Mapping[str, NDArray[np.int64]]
    class_names: Mapping[str, tuple[str, ...]]
    fields: Mapping[str, Array]
    others: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    notes: tuple[Diagnostic, ...] = ()
    unreadable: Mapping[str, tuple[Diagnostic, ...]] = field(default_factory=dict)

    def faults(self, needs: Iterable[tuple[str, str]]) -> list[Diagnostic]:
        """Returns the errors of a recipe that reads columns: RRL401, RRL412 and RRL417.

        Args:
            needs: The kind, `label`, `number` or `vector`, and the name of every column that the
                recipe reads.
        """
        return [fault for kind, name in needs for fault in self._faults(kind, name)]

    def _faults(self, kind: str, name: str) -> Iterator[Diagnostic]:
        what, known = "label field", list(self.labels)
        if kind != "label":
            what, known = "field", list(self.fields)
        if name in known:
            if kind == "number" and self.fields[name].ndim == 2:
                message = f"`{name}` of the dataset `{self.name}` contains vectors, not numbers"
                yield Diagnostic("RRL417", message, hint="`similarity` and `knn` compare vectors")
            elif kind == "vector" and _largest(self.fields[name]) > _LARGEST_PART:
                message = f"`{name}` of the dataset `{self.name}` has values beyond 1e150"
                hint = "divide the column by its largest value; squared distances are float64"
                yield Diagnostic("RRL417", message, hint=hint)
        elif name in self.fields:
            values = "vectors" if self.fields[name].ndim == 2 else "numbers"
            message = f"`{name}` of the dataset `{self.name}` contains {values}, not classes"
            hint = f"write classes as whole numbers or words; {_its(what, known)}"
            yield Diagnostic("RRL417", message, hint=hint)
        elif name in self.labels:
            message = f"`{name}` of the dataset `{self.name}` is a label, not a {kind}"
            yield Diagnostic("RRL417", message, hint=how_written(kind, name))
        elif name in self.unreadable:
            yield from self.unreadable[name]
        else:
            message = f"the dataset `{self.name}` has no {what} `{name}`"
            yield Diagnostic("RRL401", message, hint=did_you_mean(name, known) or _its(what, known))


def _largest(values: Array) -> float:
    return float(np.abs(np.nan_to_num(values.astype(np.float64))).max(initial=0.0))


def _its(what: str, known: Sequence[str]) -> str:
    return f"its {what}s are {listing(known, 'and')}" if known else f"it has no {what}s"


def how_written(kind: str, name: str) -> str:
    """Returns the formats of the numbers or vectors of a column, as a hint."""
    if kind == "vector":
        return (
            f"write a vector as `[0.1, 0.2]` in one cell, as numbers in columns `{name}_0`, "
            f"`{name}_1`, …, or as an array (n, d)"
        )
    return "write numbers as `1.5`, durations as `0:01:30`, dates as `2021-12-31T12:30:00`"
