"""The graph of one batch of a data set, by the reference backend; needs no torch."""

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
"""The vectors of the samples at some places of a data set."""

_FIELD: Final = "pixels"
_NOISE: Final = 0.02


@dataclass(frozen=True, eq=False)
class Sample:
    """Some rows of a data set and the graph over them.

    Attributes:
        columns: The data set.
        rows: The n rows, the views of a sample side by side.
        weights: float32 (n, n).
        symmetric: Whether the recipe says that they are the same there as back.
        false: bool (n, n), the edges that the recipe's noise adds; None where it adds none.
        stands_in: Whether raw pixels stand in for a model's embeddings.
        paths_over: Over how many of the data set's samples paths were found; None for all of them.
    """

    columns: Columns
    rows: Rows
    weights: Weights
    symmetric: bool
    false: npt.NDArray[np.bool_] | None
    stands_in: bool
    paths_over: int | None

    @cached_property
    def related(self) -> npt.NDArray[np.bool_]:
        """bool (n, n): the edges between different rows."""
        return np.asarray((self.weights > 0) & ~np.eye(len(self.rows), dtype=bool))

    @property
    def edges(self) -> float:
        """Edges of a row, on average."""
        return float(self.related.sum(axis=1).mean())

    @property
    def degree(self) -> float:
        """Weight of a row's edges, on average."""
        return float(np.where(self.related, self.weights, 0.0).sum(axis=1, dtype=np.float64).mean())

    @property
    def density(self) -> float:
        """The share of pairs of different rows that are edges."""
        return self.edges / max(len(self.rows) - 1, 1)

    @property
    def false_share(self) -> float | None:
        """The share of edges that the recipe's noise adds."""
        if self.false is None:
            return None
        return float((self.false & self.related).sum() / max(self.related.sum(), 1))

    def picture(self, title: str, recipe: str, by: str) -> GraphSample:
        """What pictures are drawn from.

        Args:
            title: The picture's title.
            recipe: The recipe's text.
            by: The label field that the rows are grouped by; one group where the data set has none
                of that name.
        """
        known = by in self.columns.class_names
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
    """The graph over a batch of samples, drawn at random.

    It takes time and memory in proportion to the batch, however large the data set is.

    Args:
        graph: The recipe.
        columns: The data set; it must have the columns that the recipe reads.
        samples: Samples; all of them where there are fewer.
        views: Views of each; as many as the recipe asks for where left out.
        seed: The recipe's seed, from which the choice of samples follows too.
        epoch: The epoch, for schedules.
        pixels: What stands in for embeddings where there is no model; the field of that name of the
            data set where left out.

    Raises:
        RRLError: RRL418 where the recipe compares rows by embeddings and nothing stands in for
            them, RRL417 where what does holds no vectors, RRL420 where the data set is too small
            for it, RRL515 where there is too little memory.
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
        # a little different in each view, as embeddings would be
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
    over = min((each for each in subsets if each and each < len(dataset)), default=None)
    return Sample(columns, rows, weights, graph.symmetric, false, bool(spaces), paths_over=over)


def lacking(graph: Graph, columns: Columns) -> list[Diagnostic]:
    """The errors of a recipe that reads what a dataset lacks.

    RRL401 and RRL417 are errors of a column, RRL416 of a file of pairs.
    """
    faults = columns.faults(requires_of(graph).columns)
    known = np.concatenate([columns.sample, columns.others])
    lookups = compile_plan(finished(graph), binary=False).lookups
    lacks = (lookup.lacking(known) for lookup in lookups)
    return faults + list(dict.fromkeys(fault for fault in lacks if fault is not None))


def rows_of(columns: Columns) -> Rows:
    """One row for each sample of a data set."""
    view = np.zeros_like(columns.sample)
    return Rows(columns.sample, view, columns.labels, columns.fields)


def pixels_of(columns: Columns, space: str) -> Pixels:
    """What stands in for the embeddings of a space: the field `pixels` of the data set.

    Raises:
        RRLError: RRL418 where it has none, RRL417 where it holds numbers.
    """
    if _FIELD not in columns.fields:
        message = f"this recipe compares rows in the space `{space}`, and there is no model yet"
        hint = f"`digits` has the field `{_FIELD}`, which stands in for it"
        raise error("RRL418", message, hint=hint)
    pixels = columns.fields[_FIELD]
    if pixels.ndim != 2:
        message = f"`{_FIELD}` of the data set `{columns.name}` holds numbers, not vectors"
        hint = f"vectors in `{_FIELD}` stand in for the space `{space}`; call others otherwise"
        raise error("RRL417", message, hint=hint)
    return lambda places: pixels[places].astype(np.float64)
