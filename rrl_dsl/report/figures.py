"""How dense a recipe's graph is on a data set: expected from label counts, or else measured."""

from __future__ import annotations

from dataclasses import dataclass

from rrl_dsl.backends.expectation import expected, is_expected
from rrl_dsl.data.columns import Columns
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.report.sample import sample_of


@dataclass(frozen=True)
class Figures:
    """Of a batch of samples; a row's pair with itself counts nowhere.

    Attributes:
        dataset: The data set's name.
        samples: Samples a batch.
        views: Views of each.
        epoch: The epoch; None where the recipe is the same in all.
        exact: Whether they are expectations over all batches and draws, from the label counts;
            else they are measured on one batch.
        degree: The weight of a row's edges.
        edges: Edges of a row.
        density: The share of pairs that are edges.
        false: The share of edges that the recipe's noise adds; None where it adds none.
        paths_over: Over how many of the data set's samples paths were found; None for all of them.
    """

    dataset: str
    samples: int
    views: int
    epoch: int | None
    exact: bool
    degree: float
    edges: float
    density: float
    false: float | None
    paths_over: int | None = None


def figures_of(
    graph: Graph, columns: Columns, *, samples: int, seed: int = 0, epoch: int = 0
) -> Figures:
    """The figures of a recipe on a data set, which must have the columns that it reads.

    Args:
        graph: The recipe.
        columns: The data set.
        samples: Samples a batch; all of them where there are fewer.
        seed: The recipe's seed, where figures are measured.
        epoch: The epoch, for schedules.

    Raises:
        RRLError: As `rrl_dsl.report.sample.sample_of`.
    """
    samples = min(samples, len(columns.sample))
    requires = requires_of(graph)
    views = requires.views
    found = over = None
    if is_expected(graph):
        found = expected(graph, columns.labels, samples=samples, views=views, epoch=epoch)
    if found is not None:
        degree, edges, density, false = found.degree, found.edges, found.density, found.false
    else:
        seen = sample_of(graph, columns, samples=samples, seed=seed, epoch=epoch)
        degree, edges, density, false = seen.degree, seen.edges, seen.density, seen.false_share
        over = seen.paths_over
    return Figures(
        dataset=columns.name,
        samples=samples,
        views=views,
        epoch=epoch if requires.epochs else None,
        exact=found is not None,
        degree=degree,
        edges=edges,
        density=density,
        false=false,
        paths_over=over,
    )


def in_words(figures: Figures) -> list[str]:
    """The figures, one line each."""
    how = "expected from the label counts" if figures.exact else "measured on one batch"
    when = "" if figures.epoch is None else f" in epoch {figures.epoch}"
    lines = [
        f"on {figures.dataset}, {figures.samples} samples x {figures.views} "
        f"view{'s' if figures.views > 1 else ''} per batch{when}, {how}:",
        f"{figures.edges:.4g} edges per row, {figures.density:.3%} of all pairs",
    ]
    if abs(figures.degree - figures.edges) > 1e-9:
        lines.append(f"degree {figures.degree:.4g}, the sum of the edge weights of a row")
    if figures.paths_over is not None:
        lines.append(f"paths are computed over only {figures.paths_over:,} samples of the dataset")
    if figures.false is not None:
        lines.append(f"{figures.false:.1%} of the edges are added by noise")
    return lines
