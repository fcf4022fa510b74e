"""The picture of a recipe: the graph of one batch of a dataset, with a title."""

from __future__ import annotations

from rrl_dsl.data.columns import Columns
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.language.span import Source
from rrl_dsl.report.sample import Pixels, sample_of
from rrl_dsl.show.sample import GraphSample


def picture_of(
    source: Source,
    graph: Graph,
    columns: Columns,
    samples: int,
    *,
    seed: int,
    epoch: int = 0,
    pixels: Pixels | None = None,
) -> GraphSample:
    """Returns the picture of a batch, grouped by the first label that the recipe reads.

    Args:
        source: The text of the recipe, for the title.
        graph: The recipe.
        columns: The dataset.
        samples: The number of samples per batch.
        seed: The seed of the recipe.
        epoch: The epoch, for schedules.
        pixels: The vectors in place of embeddings.

    Raises:
        RRLError: See `rrl_dsl.report.sample.sample_of`.
    """
    requires = requires_of(graph)
    sample = sample_of(graph, columns, samples=samples, seed=seed, epoch=epoch, pixels=pixels)
    file = source.file_name
    title = f"{file} on {columns.name}" if file else columns.name
    title += f", epoch {epoch}" if requires.epochs else ""
    title += ", raw pixels in place of embeddings" if sample.from_pixels else ""
    return sample.picture(title, source.text.strip(), next(iter(requires.labels), "label"))
