"""The pictures of a run: the graph of a batch, and the curves of training."""

from __future__ import annotations

from typing import Any, Final

import torch
from matplotlib.figure import Figure

from rrl_dsl.backends.program import Program
from rrl_dsl.data.dataset import DataSet, columns_of
from rrl_dsl.language.span import Source
from rrl_dsl.report.picture import picture_of
from rrl_dsl.report.tree import tree_of
from rrl_dsl.show import curves
from rrl_dsl.show.figure import draw, save
from rrl_dsl.training.fit import Outcome
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.tensorboard import write_figure

_SAMPLES: Final = 64
"""The samples of a picture in which every row is visible."""


def draw_graph(source: Source, program: Program, data: DataSet, run: RunDirectory) -> None:
    """Draws the graph of a batch of the training data to `graph.png`.

    Raises:
        RRLError: RRL507 if it cannot be written.
    """

    def pixels(places: Any) -> Any:
        images = data.train.images[torch.from_numpy(places)]
        return images.flatten(1).double().numpy() / 255

    columns, seed = columns_of(data), program.seed
    sample = picture_of(source, program.graph, columns, _SAMPLES, seed=seed, pixels=pixels)
    _write(draw(sample, tree_of(program.graph)), "graph", run)


def draw_curves(outcome: Outcome, run: RunDirectory) -> None:
    """Draws the metrics of all epochs to `curves.png`.

    Raises:
        RRLError: RRL507 if it cannot be written.
    """
    _write(curves.draw_curves(outcome.history), "curves", run)


def _write(figure: Figure, name: str, run: RunDirectory) -> None:
    """Writes a picture to the directory of a run, and to its TensorBoard."""
    save(figure, run.path / f"{name}.png")
    write_figure(run.tensorboard, name, figure)
