"""What a batch's graph is like: how many edges, how many of them false."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program, Spaces
from rrl_dsl.backends.relation import DenseRelation


@torch.no_grad()
def edge_statistics(
    program: Program,
    clean: Program | None,
    rows: Nodes,
    cols: Nodes | None = None,
    *,
    spaces: Spaces | None = None,
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
        rows: The rows.
        cols: The columns, where they are not the rows.
        spaces: As `Program.relate` takes them.
        epoch: The epoch.
        step: The optimiser step.
    """

    def edges(of: Program) -> Tensor:
        relation = of.relate(rows, cols, spaces=spaces, strategy="dense", epoch=epoch, step=step)
        return cast(DenseRelation, relation).weights > 0

    others = rows if cols is None else cols
    same_sample = rows.sample[:, None] == others.sample
    different = ~(same_sample & (rows.view[:, None] == others.view))
    related = edges(program) & different
    count = related.sum()
    figures = {
        "edges/per_row": count / len(rows),
        "edges/density": count / different.sum().clamp(min=1),
        "edges/isolated": (~related.any(dim=1)).float().mean(),
        "edges/beyond_views": (related & ~same_sample).any(dim=1).float().mean(),
    }
    if clean is not None:
        figures["edges/false"] = (related & ~edges(clean)).sum() / count.clamp(min=1)
    figures.update(_agreement(related, rows, others))
    return figures


def _agreement(related: Tensor, rows: Nodes, cols: Nodes) -> dict[str, Tensor]:
    figures: dict[str, Tensor] = {}
    for name, label in rows.labels.items():
        other = cols.labels[name]
        known = related & (label >= 0)[:, None] & (other >= 0)
        agree = known & (label[:, None] == other)
        figures[f"edges/agree_{name}"] = agree.sum() / known.sum().clamp(min=1)
    return figures
