"""Statistics of the graph of a batch, such as the number of edges and of false edges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from rrl_dsl.backends.blocked import BlockedRelation
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program, Spaces


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
    summed: Callable[[Tensor], Tensor] = lambda totals: totals,
) -> dict[str, Tensor]:
    """Returns statistics of the graph of a batch, scalars on its device. Self-edges are ignored.

    - `edges/per_row`: the mean number of edges per row
    - `edges/density`: the share of pairs that are edges
    - `edges/isolated`: the share of rows without an edge
    - `edges/beyond_views`: the share of rows with an edge to another sample
    - `edges/false`: the share of edges that noise added, if the recipe adds edges
    - `edges/agree_FIELD`: the share of edges with equal labels, among edges with known labels

    Args:
        program: The recipe.
        clean: The recipe without the edges that noise adds; None if it adds none.
        rows: The rows.
        cols: The columns; None if they are the rows.
        spaces: The spaces, see `Program.relate`.
        epoch: The epoch.
        step: The optimizer step.
        summed: Sums totals over processes, of which each has its own rows.
    """
    others = rows if cols is None else cols

    def related(of: Program) -> BlockedRelation:
        relation = of.relate(rows, cols, spaces=spaces, strategy="blocked", epoch=epoch, step=step)
        return cast(BlockedRelation, relation)

    noisy, quiet = related(program), None if clean is None else related(clean)
    nothing = torch.zeros_like(rows.sample)
    degree, beyond = nothing.clone(), nothing.bool()
    totals: defaultdict[str, Tensor] = defaultdict(lambda: torch.zeros_like(nothing.sum()))
    totals["rows"] += len(rows)
    single = [name for name, label in rows.labels.items() if label.ndim == 1]
    for here, there in noisy.tiles():
        tile = noisy.tile(here, there)
        edges = (tile.weights > 0) & ~tile.same
        degree[here] += edges.sum(dim=1)
        beyond[here] |= (edges & (rows.sample[here, None] != others.sample[there])).any(dim=1)
        totals["pairs"] += (~tile.same).sum()
        if quiet is not None:
            totals["false"] += (edges & ~(quiet.tile(here, there).weights > 0)).sum()
        for name in single:
            label = rows.labels[name]
            own, other = label[here, None], others.labels[name][there]
            known = edges & (own >= 0) & (other >= 0)
            totals[f"known {name}"] += known.sum()
            totals[f"agree {name}"] += (known & (own == other)).sum()
    totals |= {"edges": degree.sum(), "isolated": (degree == 0).sum(), "beyond": beyond.sum()}
    sums = dict(zip(totals, summed(torch.stack([*totals.values()])), strict=True))

    def share(part: str, whole: str) -> Tensor:
        return torch.div(sums[part], sums[whole].clamp(min=1))

    figures = {
        "edges/per_row": share("edges", "rows"),
        "edges/density": share("edges", "pairs"),
        "edges/isolated": share("isolated", "rows"),
        "edges/beyond_views": share("beyond", "rows"),
    }
    if clean is not None:
        figures["edges/false"] = share("false", "edges")
    for name in single:
        figures[f"edges/agree_{name}"] = share(f"agree {name}", f"known {name}")
    return figures
