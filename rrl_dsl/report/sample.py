"""The graph over a batch of a dataset, evaluated by the NumPy backend without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from rrl_dsl.backends.arrays import Weights
from rrl_dsl.backends.reference import Rows, evaluate
from rrl_dsl.data.columns import Columns
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.planner import compile_plan
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.streams import adds_edges, finished, without_false_edges
from rrl_dsl.language.diagnostics import Diagnostic, error
from rrl_dsl.language.machine import needing_memory
from rrl_dsl.show.sample import GraphSample

Vectors = npt.NDArray[np.float64]
Pixels = Callable[[npt.NDArray[np.int64]], Vectors]
"""Maps indices of samples to their vectors."""

_FIELD: Final = "pixels"
_NOISE: Final = 0.02


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of a dataset and the graph over them.

    Attributes:
        columns: The dataset.
        rows: The n rows; the views of a sample are adjacent.
        weights: float32 (n, n), the weights of the edges.
        symmetric: Whether the recipe guarantees symmetric weights.
        false: bool (n, n), the edges that noise adds; None if the recipe adds no noise.
        from_pixels: Whether raw pixels replace the embeddings of a model.
        paths_over: The number of samples over which paths were searched; None for all of them.
    """

    columns: Columns
    rows: Rows
    weights: Weights
    symmetric: bool
    false: npt.NDArray[np.bool_] | None
    from_pixels: bool
    paths_over: int | None

    @cached_property
    def related(self) -> npt.NDArray[np.bool_]:
        """bool (n, n): the edges between different rows."""
        return np.asarray((self.weights > 0) & ~np.eye(len(self.rows), dtype=bool))

    @property
    def edges_per_row(self) -> float:
        """The mean number of edges of a row."""
        return float(self.related.sum(axis=1).mean())

    @property
    def degree(self) -> float:
        """The mean total weight of the edges of a row."""
        return float(np.where(self.related, self.weights, 0.0).sum(axis=1, dtype=np.float64).mean())

    @property
    def density(self) -> float:
        """The fraction of pairs of different rows that are edges."""
        return self.edges_per_row / max(len(self.rows) - 1, 1)

    @property
    def false_share(self) -> float | None:
        """The fraction of edges that noise adds; None if the recipe adds no noise."""
        if self.false is None:
            return None
        return float((self.false & self.related).sum() / max(self.related.sum(), 1))

    def picture(self, title: str, recipe: str, by: str) -> GraphSample:
        """Returns the graph in the form that pictures need.

        Args:
            title: The title of the picture.
            recipe: The text of the recipe.
            by: The label that groups the rows. Rows have no group if the dataset lacks it.
        """
        known = by in self.columns.class_names and self.columns.labels[by].ndim == 1
        if self.paths_over is not None:
            title += f", paths over {self.paths_over:,} samples"
        return GraphSample(
            weights=self.weights.astype(np.float64),
            group=self.rows.label(by) if known else np.full(len(self.rows), -1),
            group_names=self.columns.class_names.get(by, ()),
            view=self.rows.view,
            title=title,
            recipe=recipe,
            false_edges=self.false,
        )


def sample_of(
    graph: Graph,
    columns: Columns,
    *,
    samples: int,
    views: int | None = None,
    seed: int = 0,
    epoch: int = 0,
    pixels: Pixels | None = None,
) -> Sample:
    """Evaluates a recipe over a random batch of samples.

    Time and memory depend on the size of the batch, not on the size of the dataset.

    Args:
        graph: The recipe.
        columns: The dataset, with all columns that the recipe reads.
        samples: The number of samples; all samples if there are fewer.
        views: The number of views per sample; by default, as many as the recipe needs.
        seed: The seed of the recipe and of the choice of samples.
        epoch: The epoch, for schedules.
        pixels: The vectors in place of embeddings; by default, the field `pixels` of the dataset.

    Raises:
        RRLError: RRL418 if the recipe compares embeddings and the dataset has no vectors in place
            of them; RRL417 if their field contains numbers; RRL420 if the dataset is too small for
            the recipe; RRL515 if memory runs out.
    """
    requires = requires_of(graph)
    dataset = rows_of(columns)
    chosen = np.random.default_rng(seed).permutation(len(dataset))[:samples]
    views = requires.views if views is None else views
    places = np.sort(chosen).repeat(views)
    rows = dataset[places]
    spaces: dict[str, Vectors] = {}
    if requires.spaces:
        vectors = (pixels or pixels_of(columns, requires.spaces[0]))(places)
        # views differ a little, as embeddings would
        noise = np.random.default_rng(0).standard_normal(vectors.shape) * _NOISE * (views > 1)
        spaces = dict.fromkeys(requires.spaces, vectors + noise)
    rows = Rows(
        rows.sample, np.tile(np.arange(views), len(chosen)), rows.labels, rows.fields, spaces
    )
    graph = finished(graph)

    def weights_of(graph: Graph) -> Weights:
        with needing_memory(f"the graph over {len(rows):,} rows at once", "lower `--batch-size`"):
            return evaluate(graph, rows, seed=seed, epoch=epoch, dataset=dataset, few=True)

    weights, false = weights_of(graph), None
    if adds_edges(graph):
        false = np.asarray((weights > 0) & ~(weights_of(without_false_edges(graph)) > 0))
    subsets = (lookup.subset for lookup in compile_plan(graph, binary=False).lookups)
    searched = min((size for size in subsets if size and size < len(dataset)), default=None)
    return Sample(columns, rows, weights, graph.symmetric, false, bool(spaces), paths_over=searched)


def lacking(graph: Graph, columns: Columns) -> list[Diagnostic]:
    """The errors for what a recipe reads and a dataset lacks.

    RRL401 and RRL417 are errors of a column, RRL416 of a file of pairs.
    """
    faults = columns.faults(requires_of(graph).columns)
    known = np.concatenate([columns.sample, columns.others])
    lookups = compile_plan(finished(graph), binary=False).lookups
    lacks = (lookup.lacking(known) for lookup in lookups)
    return faults + list(dict.fromkeys(fault for fault in lacks if fault is not None))


def rows_of(columns: Columns) -> Rows:
    """Returns the rows of a whole dataset, with one view per sample."""
    view = np.zeros_like(columns.sample)
    return Rows(columns.sample, view, columns.labels, columns.fields)


def pixels_of(columns: Columns, space: str) -> Pixels:
    """Returns the vectors in place of the embeddings of a space: the field `pixels`.

    Raises:
        RRLError: RRL418 if the dataset lacks the field, RRL417 if the field contains numbers.
    """
    if _FIELD not in columns.fields:
        message = f"this recipe compares rows in the space `{space}`, but there is no model yet"
        hint = f"use `digits`, whose field `{_FIELD}` replaces the embeddings"
        raise error("RRL418", message, hint=hint)
    pixels = columns.fields[_FIELD]
    if pixels.ndim != 2:
        message = f"`{_FIELD}` of the dataset `{columns.name}` contains numbers, not vectors"
        hint = (
            f"vectors in `{_FIELD}` replace the space `{space}`; rename a field that is not meant"
        )
        raise error("RRL417", message, hint=hint)
    return lambda places: pixels[places].astype(np.float64)
