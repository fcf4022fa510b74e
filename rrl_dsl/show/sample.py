"""The graph over a batch, with the statistics that pictures show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1


class Run(NamedTuple):
    """Consecutive rows of the same class, from `start` to `stop - 1`."""

    group: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class GraphSample:
    """A weighted graph over the n rows of a batch, for drawing.

    The diagonal of `weights` is ignored: pictures and statistics leave out the pair of a row with
    itself.

    Attributes:
        weights: Float (n, n), finite and non-negative; 0 means no edge.
        group: Integer (n,), the class of every row as an index into `group_names`; -1 is unknown.
        group_names: The names of the classes.
        view: Integer (n,), the view of every row.
        title: The title of the picture.
        recipe: The text of the recipe.
        false_edges: Boolean (n, n), the edges that noise adds; None if unknown.

    Raises:
        ValueError: If a shape or a value is wrong, or if there are no rows.
    """

    weights: NDArray[np.floating[Any]]
    group: NDArray[np.integer[Any]]
    group_names: tuple[str, ...]
    view: NDArray[np.integer[Any]]
    title: str
    recipe: str
    false_edges: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        rows = len(self.weights)
        if rows == 0 or self.weights.shape != (rows, rows):
            raise ValueError(f"weights must be (n, n) with n > 0, not {self.weights.shape}")
        for name, array in (("group", self.group), ("view", self.view)):
            if array.shape != (rows,):
                raise ValueError(f"{name} must be ({rows},), not {array.shape}")
        if self.false_edges is not None and self.false_edges.shape != (rows, rows):
            raise ValueError(f"false_edges must be ({rows}, {rows}), not {self.false_edges.shape}")
        if not (np.isfinite(self.weights).all() and (self.weights >= 0).all()):
            raise ValueError("weights must be finite and nonnegative")
        if self.group.min() < UNKNOWN or self.group.max() >= len(self.group_names):
            raise ValueError(f"group must be -1 or an index of the {len(self.group_names)} names")

    def by_group(self) -> GraphSample:
        """Returns the same graph with its rows sorted by class.

        Unknown rows come last. Rows of the same class keep their order.
        """
        known_first = np.where(self.group == UNKNOWN, len(self.group_names), self.group)
        order = np.argsort(known_first, kind="stable")
        grid = np.ix_(order, order)
        return replace(
            self,
            weights=self.weights[grid],
            group=self.group[order],
            view=self.view[order],
            false_edges=None if self.false_edges is None else self.false_edges[grid],
        )

    def runs(self) -> list[Run]:
        """Returns the maximal runs of consecutive rows of the same class, in order."""
        starts = [0, *(np.flatnonzero(np.diff(self.group)) + 1).tolist()]
        stops = [*starts[1:], len(self.group)]
        return [Run(int(self.group[a]), a, b) for a, b in zip(starts, stops, strict=True)]

    def name_of(self, group: int) -> str:
        """Returns the name of a class; `unknown` for -1."""
        return "unknown" if group == UNKNOWN else self.group_names[group]

    @cached_property
    def relations(self) -> NDArray[np.float64]:
        """Float64 (n, n), the weights with zeros on the diagonal."""
        weights = self.weights.astype(np.float64)
        np.fill_diagonal(weights, 0.0)
        return weights

    @cached_property
    def false_relations(self) -> NDArray[np.bool_]:
        """Boolean (n, n), the edges that noise adds, without the diagonal."""
        if self.false_edges is None:
            return np.zeros(self.weights.shape, dtype=np.bool_)
        return self.false_edges & (self.relations > 0)

    @property
    def weighted(self) -> bool:
        """Whether an edge has a weight other than 1."""
        return bool(((self.relations != 0) & (self.relations != 1)).any())

    @property
    def degree(self) -> NDArray[np.float64]:
        """Float64 (n,), the sum of the weights of every row."""
        return np.asarray(self.relations.sum(axis=1))

    @property
    def edges(self) -> int:
        """The number of unordered pairs of different rows with an edge in either direction."""
        related = self.relations > 0
        return int(np.count_nonzero(np.triu(related | related.T)))

    @property
    def density(self) -> float:
        """The fraction of the n (n - 1) ordered pairs with an edge; 0 for a single row."""
        return _share(self.relations > 0, ~np.eye(len(self.group), dtype=bool)) or 0.0

    @property
    def density_within(self) -> float | None:
        """The density over pairs of the same known class; None if there are no such pairs."""
        same = self.group[:, None] == self.group[None, :]
        return _share(self.relations > 0, same & self._known_pairs)

    @property
    def density_between(self) -> float | None:
        """The density over pairs of different known classes; None if there are no such pairs."""
        different = self.group[:, None] != self.group[None, :]
        return _share(self.relations > 0, different & self._known_pairs)

    @property
    def isolated(self) -> float:
        """The fraction of rows without an edge."""
        return float((~(self.relations > 0).any(axis=1)).mean())

    @property
    def false_share(self) -> float | None:
        """The fraction of edges that noise adds; None if unknown, 0 without edges."""
        if self.false_edges is None:
            return None
        return _share(self.false_relations, self.relations > 0) or 0.0

    @property
    def summary(self) -> str:
        """The statistics in one line, for a caption."""
        statistics = [
            _count(len(self.group), "row"),
            _count(self.edges, "edge"),
            f"density {percent(self.density)}",
            f"mean degree {self.degree.mean():.3g}",
            f"isolated {percent(self.isolated)}",
        ]
        if self.false_share is not None:
            statistics.append(f"false {percent(self.false_share)}")
        return " · ".join(statistics)

    @cached_property
    def _known_pairs(self) -> NDArray[np.bool_]:
        """Boolean (n, n), the pairs of different rows with known classes."""
        known = self.group != UNKNOWN
        return np.asarray(known[:, None] & known[None, :] & ~np.eye(len(known), dtype=np.bool_))


def _share(edges: NDArray[np.bool_], pairs: NDArray[np.bool_]) -> float | None:
    """The fraction of pairs that are edges; None without pairs."""
    total = np.count_nonzero(pairs)
    return float(np.count_nonzero(edges & pairs) / total) if total else None


def percent(share: float) -> str:
    """Returns a fraction as a percentage with three significant digits."""
    return f"{100 * share:.3g}%"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
