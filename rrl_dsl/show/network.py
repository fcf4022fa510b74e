"""The graph as nodes and links."""

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
# Steps of this share of the rows visit them all evenly, whatever their order.
_GOLDEN = 0.6180339887498949


def chosen_rows(relations: NDArray[np.float64], most: int = MAX_NODES) -> NDArray[np.int64]:
    """The rows that the picture shows: all, or a stable choice of `most`.

    Rows spread evenly over the batch come each with the strongest of its relations, so that
    a sparse graph (two views of each sample, say) still shows its links.

    Args:
        relations: Float64 (n, n) without a diagonal.
        most: How many rows to keep, at least 1.

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
        # Ties go to the next row on, or one row would be everybody's neighbor.
        partner = (row + int(np.roll(relations[row], -row).argmax())) % rows
        if relations[row, partner] > 0 and len(kept) < most:
            kept.add(partner)
    return np.array(sorted(kept))


def place_nodes(relations: NDArray[np.float64], aspect: float = 1.0) -> NDArray[np.float64]:
    """Coordinates for the nodes, the same on every call.

    Each connected part is laid out by springs in a square of its own; the squares stand on
    shelves, the largest first, so that no part covers another or drifts away.

    Args:
        relations: Float64 (n, n) without a diagonal.
        aspect: The width of the picture over its height.

    Returns:
        Float64 (n, 2), nodes about one unit apart.
    """
    graph = nx.from_numpy_array(relations)
    parts = sorted(map(sorted, nx.connected_components(graph)), key=lambda part: -len(part))
    sides = [float(np.sqrt(len(part))) + 0.5 for part in parts]
    room = max(sides[0], float(np.sqrt(aspect * np.square(sides).sum())))
    places = np.empty((len(relations), 2))
    left, shelf, height = 0.0, 0.0, sides[0]
    for part, side in zip(parts, sides, strict=True):
        if left + side > room * 1.05:
            left, shelf, height = 0.0, shelf - height, side
        middle = np.array([left + side / 2, shelf - height / 2])
        places[part] = middle + (side - 1) / 2 * _springs(relations[np.ix_(part, part)])
        left += side
    return places


def _springs(relations: NDArray[np.float64]) -> NDArray[np.float64]:
    """One connected part, laid out around zero within the square from -1 to 1."""
    graph = nx.from_numpy_array(relations)
    if len(relations) < 3:
        places = nx.circular_layout(graph)
    else:
        spread = 2.2 / np.sqrt(len(relations))
        places = nx.spring_layout(graph, k=spread, iterations=150, seed=_LAYOUT_SEED)
    # Mirrored, which puts the first row of a pair on the left.
    return -np.array([places[node] for node in graph])


def draw_network(axes: Axes, sample: GraphSample) -> str:
    """Draws nodes colored by class and their links.

    Args:
        axes: Where to draw.
        sample: The graph, its rows by group.

    Returns:
        A caption that says what is shown.
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
    parts = ["colored by class"]
    if len(rows) < len(sample.group):
        parts = [f"{len(rows)} of {len(sample.group):,} rows, evenly spread, with partners"]
    if sample.view.min() != sample.view.max():
        parts.append("hollow: further views")
    return " · ".join(parts)
