"""The graph as a network of nodes and links."""

from __future__ import annotations

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from rrl_dsl.show.colors import ACCENT, QUIET
from rrl_dsl.show.matrix import group_colors
from rrl_dsl.show.sample import GraphSample

MAX_NODES = 80
_LAYOUT_SEED = 7
# steps of this fraction of the rows visit all rows evenly, whatever their order
_GOLDEN = 0.6180339887498949


def chosen_rows(relations: NDArray[np.float64], most: int = MAX_NODES) -> NDArray[np.int64]:
    """Returns the rows that the picture shows: all of them, or a deterministic choice.

    The choice spreads over the batch and adds the strongest neighbor of every row, so that a sparse
    graph, such as that of two views, still has links.

    Args:
        relations: Float64 (n, n) without a diagonal.
        most: The maximum number of rows, at least 1.

    Returns:
        int64 (min(n, most),), ascending.
    """
    rows = len(relations)
    if rows <= most:
        return np.arange(rows)
    kept: set[int] = set()
    for row in np.argsort((np.arange(rows) * _GOLDEN) % 1.0, kind="stable").tolist():
        if len(kept) >= most:
            break
        if row in kept:
            continue
        kept.add(row)
        # ties go to the next row, or else many rows would share a neighbor
        partner = (row + int(np.roll(relations[row], -row).argmax())) % rows
        if relations[row, partner] > 0 and len(kept) < most:
            kept.add(partner)
    return np.array(sorted(kept))


def place_nodes(relations: NDArray[np.float64], aspect: float = 1.0) -> NDArray[np.float64]:
    """Returns the coordinates of the nodes, which are deterministic.

    A spring layout arranges a connected component in a square. The squares fill shelves, the
    largest first, so that components neither overlap nor drift apart.

    Args:
        relations: Float64 (n, n) without a diagonal.
        aspect: The width of the picture divided by its height.

    Returns:
        Float64 (n, 2); neighboring nodes are about one unit apart.
    """
    graph = nx.from_numpy_array(relations)
    components = sorted(map(sorted, nx.connected_components(graph)), key=len, reverse=True)
    sides = [float(np.sqrt(len(nodes))) + 0.5 for nodes in components]
    room = max(sides[0], float(np.sqrt(aspect * np.square(sides).sum())))
    places = np.empty((len(relations), 2))
    left, shelf, height = 0.0, 0.0, sides[0]
    for nodes, side in zip(components, sides, strict=True):
        if left + side > room * 1.05:
            left, shelf, height = 0.0, shelf - height, side
        middle = np.array([left + side / 2, shelf - height / 2])
        places[nodes] = middle + (side - 1) / 2 * _springs(relations[np.ix_(nodes, nodes)])
        left += side
    return places


def _springs(relations: NDArray[np.float64]) -> NDArray[np.float64]:
    """The layout of a connected component in the square from -1 to 1."""
    graph = nx.from_numpy_array(relations)
    if len(relations) < 3:
        places = nx.circular_layout(graph)
    else:
        spread = 2.2 / np.sqrt(len(relations))
        places = nx.spring_layout(graph, k=spread, iterations=150, seed=_LAYOUT_SEED)
    # mirrored, so that the first row of a pair is on the left
    return -np.array([places[node] for node in graph])


def draw_network(axes: Axes, sample: GraphSample) -> str:
    """Draws the nodes, colored by class, and their links.

    Args:
        axes: The axes to draw into.
        sample: The graph, with rows sorted by class.

    Returns:
        A caption of the picture.
    """
    rows = chosen_rows(sample.relations)
    grid = np.ix_(rows, rows)
    relations, false = sample.relations[grid], sample.false_relations[grid]
    frame = axes.get_window_extent()
    places = place_nodes(relations, frame.width / frame.height)
    _draw_links(axes, places, relations, false)
    _draw_nodes(axes, places, sample, rows)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return _caption(sample, rows)


def _draw_links(
    axes: Axes,
    places: NDArray[np.float64],
    relations: NDArray[np.float64],
    false: NDArray[np.bool_],
) -> None:
    relations, false = np.maximum(relations, relations.T), false | false.T  # drawn once
    start, stop = np.nonzero(np.triu(relations))
    if not len(start):
        return
    share = relations[start, stop] / relations.max()
    alpha = float(np.clip(40 / len(start), 0.12, 0.6))
    for color, chosen in ((QUIET, ~false[start, stop]), (ACCENT, false[start, stop])):
        links = np.stack([places[start[chosen]], places[stop[chosen]]], axis=1)
        axes.add_collection(
            LineCollection(
                list(links), colors=color, alpha=alpha, linewidths=0.3 + 0.7 * share[chosen]
            )
        )


def _draw_nodes(
    axes: Axes, places: NDArray[np.float64], sample: GraphSample, rows: NDArray[np.int64]
) -> None:
    colors = group_colors(sample)
    edge = np.array([colors[int(group)] for group in sample.group[rows]])
    first = sample.view[rows] == sample.view.min()
    face = np.where(first, edge, "#ffffff")
    size = 26 if len(rows) <= 40 else 16
    axes.scatter(
        places[:, 0], places[:, 1], s=size, c=list(face), edgecolors=list(edge),
        linewidths=1.0, zorder=3,
    )  # fmt: skip


def _caption(sample: GraphSample, rows: NDArray[np.int64]) -> str:
    notes = ["colored by class"]
    if len(rows) < len(sample.group):
        notes = [f"{len(rows)} of {len(sample.group):,} rows, evenly spaced, with related rows"]
    if sample.view.min() != sample.view.max():
        notes.append("hollow: other views")
    return " · ".join(notes)
