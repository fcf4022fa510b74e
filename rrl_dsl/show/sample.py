"""The graph over one sample batch, with the figures that describe it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNKNOWN = -1


class Run(NamedTuple):
    """Consecutive rows `start` to `stop - 1` of one class."""

    group: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class GraphSample:
    """A weighted graph over the n rows of a batch, ready to be drawn.

    The diagonal of `weights` may hold anything that fits; a row's pair with itself counts in
    no statistic and is never drawn as an edge.

    Attributes:
        weights: Float (n, n), finite, not negative; zero means no edge.
        group: Integer (n,), the class of each row as a place in `group_names`, -1 for unknown.
        group_names: The name of each class.
        view: Integer (n,), which view of its sample each row is.
        title: The recipe's name.
        recipe: The recipe's text, of one line or several.
        false_edges: Boolean (n, n), the edges that the recipe's noise added; None where unknown.

    Raises:
        ValueError: If a shape or a value is not as above, or there is no row at all.
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
            raise ValueError("weights must be finite and not negative")
        if self.group.min() < UNKNOWN or self.group.max() >= len(self.group_names):
            raise ValueError(f"group must be -1 or a place in the {len(self.group_names)} names")

    def by_group(self) -> GraphSample:
        """The same graph with the rows of each class together.

        Classes come in the order of their numbers, unknown rows last, and rows of one class
        in the order they had.
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
        """The maximal runs of consecutive rows with one class, from the first row to the last."""
        starts = [0, *(np.flatnonzero(np.diff(self.group)) + 1).tolist()]
        stops = [*starts[1:], len(self.group)]
        return [Run(int(self.group[a]), a, b) for a, b in zip(starts, stops, strict=True)]

    def name_of(self, group: int) -> str:
        """The name of a class, `unknown` for -1."""
        return "unknown" if group == UNKNOWN else self.group_names[group]

    @cached_property
    def relations(self) -> NDArray[np.float64]:
        """Float64 (n, n): the weights with a diagonal of zeros."""
        weights = self.weights.astype(np.float64)
        np.fill_diagonal(weights, 0.0)
        return weights

    @cached_property
    def false_relations(self) -> NDArray[np.bool_]:
        """Boolean (n, n): the edges known to be false, none on the diagonal."""
        if self.false_edges is None:
            return np.zeros(self.weights.shape, dtype=np.bool_)
        return self.false_edges & (self.relations > 0)

    @property
    def weighted(self) -> bool:
        """Whether some edge has a weight other than one."""
        return bool(((self.relations != 0) & (self.relations != 1)).any())

    @property
    def degree(self) -> NDArray[np.float64]:
        """Float64 (n,): the sum of each row's weights to the other rows."""
        return np.asarray(self.relations.sum(axis=1))

    @property
    def edges(self) -> int:
        """How many unordered pairs of distinct rows have an edge, either way."""
        related = self.relations > 0
        return int(np.count_nonzero(np.triu(related | related.T)))

    @property
    def density(self) -> float:
        """The share of the n (n - 1) ordered pairs that have an edge; 0 for a single row."""
        return _share(self.relations > 0, ~np.eye(len(self.group), dtype=bool)) or 0.0

    @property
    def density_within(self) -> float | None:
        """The density over pairs of one known class; None where there is no such pair."""
        same = self.group[:, None] == self.group[None, :]
        return _share(self.relations > 0, same & self._known_pairs)

    @property
    def density_between(self) -> float | None:
        """The density over pairs of two known classes; None where there is no such pair."""
        different = self.group[:, None] != self.group[None, :]
        return _share(self.relations > 0, different & self._known_pairs)

    @property
    def isolated(self) -> float:
        """The share of rows without an edge."""
        return float((~(self.relations > 0).any(axis=1)).mean())

    @property
    def false_share(self) -> float | None:
        """The share of edges that are false; None where that is unknown, 0 without edges."""
        if self.false_edges is None:
            return None
        return _share(self.false_relations, self.relations > 0) or 0.0

    @property
    def summary(self) -> str:
        """The statistics in one line, for a caption."""
        parts = [
            _count(len(self.group), "row"),
            _count(self.edges, "edge"),
            f"density {percent(self.density)}",
            f"mean degree {self.degree.mean():.3g}",
            f"isolated {percent(self.isolated)}",
        ]
        if self.false_share is not None:
            parts.append(f"false {percent(self.false_share)}")
        return " · ".join(parts)

    @cached_property
    def _known_pairs(self) -> NDArray[np.bool_]:
        """Boolean (n, n): pairs of distinct rows that both have a known class."""
        known = self.group != UNKNOWN
        return np.asarray(known[:, None] & known[None, :] & ~np.eye(len(known), dtype=np.bool_))


def _share(what: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    total = np.count_nonzero(among)
    return float(np.count_nonzero(what & among) / total) if total else None


def percent(share: float) -> str:
    """A share as a percentage of three digits, so that the density of a sparse graph is not 0."""
    return f"{100 * share:.3g}%"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
