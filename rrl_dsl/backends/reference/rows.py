"""The rows of a batch as NumPy columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends.arrays import Ids, Vectors
from rrl_dsl.language.diagnostics import error


@dataclass(frozen=True)
class Rows:
    """The rows of a batch, or one row for each sample of a dataset.

    Attributes:
        sample: int64 (n,).
        view: int64 (n,).
        labels: Label field -> int64 (n,), or (n, k) for sets of labels; -1 where unknown.
        fields: Other fields -> numbers (n,) or vectors (n, d), NaN where missing.
        spaces: Space of the model -> float64 (n, d).
    """

    sample: Ids
    view: Ids
    labels: Mapping[str, Ids] = field(default_factory=dict)
    fields: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    spaces: Mapping[str, Vectors] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sample)

    def __getitem__(self, chosen: npt.NDArray[Any]) -> Rows:
        """Some of the rows, in the order asked for."""
        return Rows(
            self.sample[chosen],
            self.view[chosen],
            {name: column[chosen] for name, column in self.labels.items()},
            {name: column[chosen] for name, column in self.fields.items()},
            {name: column[chosen] for name, column in self.spaces.items()},
        )

    def label(self, name: str) -> Ids:
        """A label field.

        Raises:
            RRLError: RRL401 if the rows do not carry it.
        """
        if name not in self.labels:
            raise error("RRL401", f"the rows have no label field `{name}`")
        return self.labels[name]

    def number(self, name: str) -> npt.NDArray[Any]:
        """A number field, NaN where missing.

        Raises:
            RRLError: RRL401 if the rows do not carry it, RRL417 if it is a vector or a label.
        """
        if name in self.labels and name not in self.fields:
            raise error("RRL417", f"`{name}` is a label, but the recipe needs numbers or vectors")
        if name not in self.fields:
            raise error("RRL401", f"the rows have no field `{name}`")
        if self.fields[name].ndim != 1:
            raise error("RRL417", f"`{name}` is a field of vectors, but the recipe needs numbers")
        column = self.fields[name]
        return column if column.dtype.kind == "f" else column.astype(np.int64)

    def vector(self, name: str) -> Vectors:
        """A vector field, float64 (n, d).

        Raises:
            RRLError: RRL401 if the rows do not carry it, RRL417 if it is a label.
        """
        if name in self.fields and self.fields[name].ndim == 2:
            return self.fields[name].astype(np.float64)
        return self.number(name).astype(np.float64)[:, None]
