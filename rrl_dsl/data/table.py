"""The columns of a data set without its images; needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.language.diagnostics import Diagnostic, did_you_mean, listing

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Columns:
    """What is known of n samples beside their images.

    Attributes:
        name: What the user calls the data set.
        sample: int64 (n,), the stable ids.
        labels: Label name -> int64 (n,); -1 is unknown.
        class_names: Label name -> the names of its classes.
        fields: Name of a further column -> numbers (n,) or vectors (n, d), int64 or floating; NaN
            is missing.
        others: int64 (m,), the ids of samples that exist beside these, such as those of a test
            split: files of pairs may name them.
        notes: What the user should know of how they were read, as warnings.
    """

    name: str
    sample: NDArray[np.int64]
    labels: Mapping[str, NDArray[np.int64]]
    class_names: Mapping[str, tuple[str, ...]]
    fields: Mapping[str, Array]
    others: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    notes: tuple[Diagnostic, ...] = ()

    def faults(self, needs: Iterable[tuple[str, str]]) -> list[Diagnostic]:
        """What stands in the way of a recipe that reads some columns: RRL401 and RRL417.

        Args:
            needs: For each column the kind that is wanted, `label`, `number` or `vector`, and its
                name.
        """
        faults = (self._fault(kind, name) for kind, name in needs)
        return [fault for fault in faults if fault is not None]

    def _fault(self, kind: str, name: str) -> Diagnostic | None:
        what, known = "label field", list(self.labels)
        if kind != "label":
            what, known = "field", list(dict.fromkeys([*self.labels, *self.fields]))
        if name not in known and name not in self.fields:
            message = f"the data set `{self.name}` has no {what} `{name}`"
            hint = did_you_mean(name, known) or f"its {what}s are {listing(known)}"
            return Diagnostic("RRL401", message, hint=hint)
        if name not in known:
            message = f"`{name}` of the data set `{self.name}` is no label, and one is wanted"
            return Diagnostic("RRL417", message, hint=f"its {what}s are {listing(known)}")
        if kind == "number" and name in self.fields and self.fields[name].ndim == 2:
            message = f"`{name}` of the data set `{self.name}` holds vectors, not numbers"
            return Diagnostic("RRL417", message, hint="`similarity` and `knn` compare vectors")
        return None
