"""A graph between the samples of a dataset, for calls that need it before any batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rrl_dsl.graph.algebra import Graph
from rrl_dsl.graph.composition import MOST_PATHS
from rrl_dsl.graph.planner import compile_plan
from rrl_dsl.graph.stage import SampleColumns

if TYPE_CHECKING:
    import scipy.sparse as sp


def sample_columns(rows: Any) -> SampleColumns:
    """The columns of a dataset, which can evaluate graphs between its samples."""
    return SampleColumns(rows, _graph_over)


def _graph_over(graph: Graph, rows: Any, seed: int) -> sp.csr_array:
    """The weights between samples, float32 (n, n).

    Raises:
        RRLError: RRL431 if too many pairs would have to be evaluated, RRL515 if there is too little
            memory.
    """
    import torch

    from rrl_dsl.backends import dense, sparse
    from rrl_dsl.backends.nodes import Nodes

    nodes = Nodes(rows.sample, None, rows.labels, rows.fields, check=False)
    device = torch.device("cpu")
    plan = compile_plan(graph, binary=graph.binary)
    samples = sample_columns(nodes)
    tables = [lookup.table(samples, seed) for lookup in plan.lookups]
    scalars = dense.scalars_of(plan, seed=seed, epoch=0, step=0, device=device)
    inputs = dense.Inputs(scalars, [table.to(device) for table in tables], fused=False)
    prepared = dense.prepare(plan, nodes, nodes, {}, inputs)
    return sparse.graph_of(prepared, len(nodes), iter, most=MOST_PATHS)
