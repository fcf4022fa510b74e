"""The rows of a batch as NumPy columns, and what an evaluation depends on beside the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends.reference.draws import Words, row_hash, unshifted
from rrl_dsl.graph import draws
from rrl_dsl.graph.call import Call
from rrl_dsl.language.diagnostics import error

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """The rows of a batch, or one row for each sample of a data set.

    Attributes:
        sample: int64 (n,).
        view: int64 (n,).
        labels: Label field -> int64 (n,), -1 where unknown.
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
            RRLError: RRL401 where the rows do not carry it.
        """
        if name not in self.labels:
            raise error("RRL401", f"the rows carry no label field `{name}`")
        return self.labels[name]

    def number(self, name: str) -> npt.NDArray[Any]:
        """A number field, NaN where missing.

        Raises:
            RRLError: RRL401 where the rows do not carry it, RRL417 where it is a vector or a label.
        """
        if name in self.labels and name not in self.fields:
            raise error("RRL417", f"`{name}` is a label, and numbers or vectors are wanted")
        if name not in self.fields:
            raise error("RRL401", f"the rows carry no field `{name}`")
        if self.fields[name].ndim != 1:
            raise error("RRL417", f"`{name}` is a field of vectors, and numbers are wanted")
        return self.fields[name]

    def vector(self, name: str) -> Vectors:
        """A vector field, float64 (n, d).

        Raises:
            RRLError: RRL401 where the rows do not carry it, RRL417 where it is a label.
        """
        if name in self.fields and self.fields[name].ndim == 2:
            return self.fields[name].astype(np.float64)
        return self.number(name).astype(np.float64)[:, None]


@dataclass(frozen=True)
class Setting:
    """What an evaluation depends on beside the graph.

    Attributes:
        rows: The universe: every row and column of the call once, by (sample, view).
        is_column: (u,): which of them are columns.
        dataset: One row for each sample, by sample, where the whole data set is known.
        seed: The recipe's seed.
        epoch: The epoch.
        step: The optimiser step.
        streams: The stream of every call.
    """

    rows: Rows
    is_column: Mask
    dataset: Rows | None
    seed: int
    epoch: int
    step: int
    streams: Mapping[Call, int]

    @property
    def same_sample(self) -> Mask:
        """(u, u): whether both are views of one sample."""
        return equal(self.rows.sample)

    @property
    def same_row(self) -> Mask:
        """(u, u): whether i = j."""
        return equal(self.rows.sample) & equal(self.rows.view)

    def key(self, call: Call) -> int:
        """The key of a stochastic call."""
        times = {"never": 0, "epoch": self.epoch, "step": self.step}
        time = times[call.arguments.get("redraw", "never")]
        seed = call.arguments["seed"]
        return draws.key(self.seed if seed is None else seed, self.streams[call], time)

    def pair_draws(self, call: Call) -> Words:
        """(u, u): the upper 31 bits of the hash of each pair."""
        per_row = call.arguments.get("unit", "sample") == "row"
        view = self.rows.view if per_row else np.zeros_like(self.rows.view)
        u = row_hash(self.rows.sample, view, self.key(call))
        return unshifted(u[:, None] + u[None, :]) >> np.uint32(1)

    def known_dataset(self) -> Rows:
        """The whole data set.

        Raises:
            RRLError: RRL403 where it is not known.
        """
        if self.dataset is None:
            raise error("RRL403", "this recipe looks at the whole data set and knows none")
        return self.dataset

    def places(self) -> Ids:
        """(u,): where the samples of the rows stand in the data set.

        Raises:
            RRLError: RRL403 where it is not known, RRL421 where it lacks a sample.
        """
        known = self.known_dataset().sample
        place = np.searchsorted(known, self.rows.sample).clip(max=len(known) - 1)
        strange = self.rows.sample[known[place] != self.rows.sample]
        if len(strange):
            raise error("RRL421", f"the data set has no sample {strange[0]}")
        return np.asarray(place, dtype=np.int64)


def equal(column: npt.NDArray[Any]) -> Mask:
    """(u, u): where two rows hold the same value."""
    return np.asarray(column[:, None] == column[None, :])
