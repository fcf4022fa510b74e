"""The density of the graph of a recipe: expected from label counts, or measured on a batch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rrl_dsl.data.columns import Columns
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.report.expectation import expected, is_expected
from rrl_dsl.report.sample import sample_of


@dataclass(frozen=True)
class Figures:
    """Figures of the graph over a batch, without the pairs of a row with itself.

    Attributes:
        dataset: The name of the dataset.
        samples: The number of samples per batch.
        views: The number of views per sample.
        epoch: The epoch; None if the recipe does not depend on it.
        exact: Whether the figures are expectations over all batches and draws, computed from the
            label counts. Otherwise they are measured on one batch.
        degree: The mean total weight of the edges of a row.
        edges_per_row: The mean number of edges of a row.
        density: The fraction of pairs that are edges.
        false: The fraction of edges that noise adds; None if the recipe adds no noise.
        paths_over: The number of samples over which paths were searched; None for all of them.
    """

    dataset: str
    samples: int
    views: int
    epoch: int | None
    exact: bool
    degree: float
    edges_per_row: float
    density: float
    false: float | None
    paths_over: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON. There, `edges_per_row` has the key `edges`."""
        return {
            "edges" if name == "edges_per_row" else name: value
            for name, value in asdict(self).items()
        }


def figures_of(
    graph: Graph, columns: Columns, *, samples: int, seed: int = 0, epoch: int = 0
) -> Figures:
    """Returns the figures of a recipe on a dataset.

    Args:
        graph: The recipe.
        columns: The dataset, with all columns that the recipe reads.
        samples: The number of samples per batch; all samples if there are fewer.
        seed: The seed of the recipe, for measured figures.
        epoch: The epoch, for schedules.

    Raises:
        RRLError: See `rrl_dsl.report.sample.sample_of`.
    """
    samples = min(samples, len(columns.sample))
    requires = requires_of(graph)
    views = requires.views
    exact = searched = None
    if is_expected(graph):
        exact = expected(graph, columns.labels, samples=samples, views=views, epoch=epoch)
    if exact is not None:
        degree, edges, density, false = (
            exact.degree,
            exact.edges_per_row,
            exact.density,
            exact.false,
        )
    else:
        sample = sample_of(graph, columns, samples=samples, seed=seed, epoch=epoch)
        degree, edges, density = sample.degree, sample.edges_per_row, sample.density
        false, searched = sample.false_share, sample.paths_over
    return Figures(
        dataset=columns.name,
        samples=samples,
        views=views,
        epoch=epoch if requires.epochs else None,
        exact=exact is not None,
        degree=degree,
        edges_per_row=edges,
        density=density,
        false=false,
        paths_over=searched,
    )


def in_words(figures: Figures) -> list[str]:
    """Returns the figures in words, with one figure per line."""
    how = "expected from the label counts" if figures.exact else "measured on one batch"
    when = "" if figures.epoch is None else f" in epoch {figures.epoch}"
    lines = [
        f"on {figures.dataset}, {figures.samples} samples x {figures.views} "
        f"view{'s' if figures.views > 1 else ''} per batch{when}, {how}:",
        f"{figures.edges_per_row:.4g} edges per row, {figures.density:.3%} of all pairs",
    ]
    if abs(figures.degree - figures.edges_per_row) > 1e-9:
        lines.append(f"degree {figures.degree:.4g}, the sum of the edge weights of a row")
    if figures.paths_over is not None:
        lines.append(f"paths are computed over only {figures.paths_over:,} samples of the dataset")
    if figures.false is not None:
        lines.append(f"{figures.false:.1%} of the edges are added by noise")
    return lines
