"""What a batch's graph is like: how many edges, how many of them false."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program


@torch.no_grad()
def edge_statistics(
    program: Program,
    clean: Program | None,
    nodes: Nodes,
    *,
    spaces: Mapping[str, Tensor] | None = None,
    epoch: int = 0,
    step: int = 0,
) -> dict[str, Tensor]:
    """Figures of a batch's graph, each a scalar on the batch's device. Self never counts.

    - `edges/per_row`: edges of a row, on average
    - `edges/density`: the share of pairs that are edges
    - `edges/isolated`: the share of rows without an edge
    - `edges/beyond_views`: the share of rows with an edge to another sample
    - `edges/false`: the share of edges that the recipe's noise added, where it adds any
    - `edges/agree_FIELD`: the share of edges with equal labels, among those whose labels are known

    Args:
        program: The recipe.
        clean: The recipe without the edges its noise adds, where it adds any.
        nodes: The rows.
        spaces: The rows' embeddings, where the recipe compares rows by them.
        epoch: The epoch.
        step: The optimiser step.
    """
    same_sample = nodes.sample[:, None] == nodes.sample
    different = ~(same_sample & (nodes.view[:, None] == nodes.view))
    related = (program(nodes, spaces=spaces, epoch=epoch, step=step) > 0) & different
    edges = related.sum()
    figures = {
        "edges/per_row": edges / len(nodes),
        "edges/density": edges / different.sum().clamp(min=1),
        "edges/isolated": (~related.any(dim=1)).float().mean(),
        "edges/beyond_views": (related & ~same_sample).any(dim=1).float().mean(),
    }
    if clean is not None:
        true = clean(nodes, spaces=spaces, epoch=epoch, step=step) > 0
        figures["edges/false"] = (related & ~true).sum() / edges.clamp(min=1)
    figures.update(_agreement(related, nodes.labels))
    return figures


def _agreement(related: Tensor, labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
    figures: dict[str, Tensor] = {}
    for name, label in labels.items():
        known = related & (label >= 0)[:, None] & (label >= 0)
        agree = known & (label[:, None] == label)
        figures[f"edges/agree_{name}"] = agree.sum() / known.sum().clamp(min=1)
    return figures
