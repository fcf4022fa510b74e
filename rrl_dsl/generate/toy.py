"""A dataset of twelve samples with all kinds of fields, for the pictures of the built-ins."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from rrl_dsl.data.columns import Columns
from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.call import Call
from rrl_dsl.graph.recipe import parse
from rrl_dsl.graph.registry import Signature
from rrl_dsl.graph.requires import requires_of
from rrl_dsl.graph.traversal import calls_of
from rrl_dsl.report.sample import sample_of
from rrl_dsl.show.svg import matrix_svg

LINKS: Final = "a,b\n0,1\n1,2\n4,7\n8,9\n9,10\n10,11\n"
"""The content of `links.csv` in the examples."""

EPOCH: Final = 25
"""The epoch of the pictures of schedules."""

_CLASSES: Final = ("cat", "bus", "fruit")


def columns() -> Columns:
    """Returns three classes of four samples; captions of the same class are similar."""
    label = np.repeat([0, 1, 2], 4)
    angle = np.array([0, 8, 22, 40, 95, 104, 118, 128, 190, 205, 214, 236]) * np.pi / 180
    caption = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Columns(
        name="twelve samples",
        sample=np.arange(12),
        labels={"label": label, "coarse": np.where(label == 1, 1, 0)},
        class_names={"label": _CLASSES, "coarse": ("living", "made")},
        fields={
            "time": np.array([0.0, 2, 4, 30, 33, 60, 62, 64, 66, 90, 120, 122]),
            "caption": caption,
            "pixels": caption,
        },
    )


def example_of(signature: Signature) -> Graph:
    """Parses the example of a built-in, with a file of pairs that it may read."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "links.csv").write_text(LINKS)
        return parse(signature.example, directory=folder)


def call_of(signature: Signature) -> Call:
    """Returns the call of a source or transform in its example."""
    return next(call for call in calls_of(example_of(signature)) if call.signature is signature)


def picture_of(signature: Signature) -> str:
    """Returns the graph of the example of a built-in, as SVG."""
    graph = example_of(signature)
    views = requires_of(graph).views
    sample = sample_of(graph, columns(), samples=12, views=max(views, 2), seed=1, epoch=EPOCH)
    return matrix_svg(sample.picture(signature.example, signature.example, "label"))
