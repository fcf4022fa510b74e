"""The graph over a whole dataset as a file: a sparse matrix with its samples, or a network."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import scipy.sparse as sp

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program
from rrl_dsl.backends.reference import Rows
from rrl_dsl.backends.sparse import Progress
from rrl_dsl.data.columns import Columns
from rrl_dsl.language.files import write_bytes
from rrl_dsl.language.machine import available_memory, needing_memory, too_little_memory
from rrl_dsl.report import export
from rrl_dsl.report.sample import pixels_of

if TYPE_CHECKING:
    import networkx as nx

_EDGE_BYTES: Final = 2**11
"""Bytes of an edge in a network while it is written."""


def save(program: Program, columns: Columns, path: Path, *, epoch: int, progress: Progress) -> int:
    """Writes the graph over all samples, with one view per sample.

    `scipy.sparse.load_npz` reads an `.npz` file. It contains the arrays of
    `scipy.sparse.save_npz`, the ids `sample`, int64 (n,), and the labels `label_NAME`, int64 (n,).
    A `.graphml` or `.dot` file has the network without loops, with the names of classes.

    Args:
        program: The recipe.
        columns: The dataset, with all columns that the recipe reads.
        path: The file, with the suffix `.npz`, `.graphml` or `.dot`; an existing file is replaced.
        epoch: The epoch, for schedules.
        progress: See `Program.to_scipy`.

    Returns:
        The number of edges, including loops.

    Raises:
        RRLError: See `Program.bind` and `Program.to_scipy`; RRL418 if the recipe compares
            embeddings and the dataset has no `pixels`; RRL515 if a network does not fit into
            memory; RRL507 if the file cannot be written.
    """
    nodes = Nodes(columns.sample, None, columns.labels, columns.fields)
    if program.requires.bound:
        program.bind(nodes)
    spaces: dict[str, Any] = {}
    for name in program.requires.spaces:
        spaces[name] = pixels_of(columns, name)(np.arange(len(nodes)))
    matrix = program.to_scipy(nodes, spaces=spaces, epoch=epoch, progress=progress)
    with needing_memory(f"the file of a graph with {matrix.nnz:,} edges", "use fewer samples"):
        suffix = path.suffix.lower()
        if suffix in export.TEXTS:
            directed = not program.graph.symmetric
            write_bytes(path, export.TEXTS[suffix](_network(matrix, columns, directed=directed)))
        else:
            write_bytes(path, _arrays(matrix, columns))
    return int(matrix.nnz)


def _arrays(matrix: sp.csr_array, columns: Columns) -> memoryview:
    arrays: dict[str, Any] = {
        "format": np.array(b"csr"),
        "shape": np.array(matrix.shape),
        "data": matrix.data,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "_is_array": np.array(True),
        "sample": columns.sample,
        **{f"label_{name}": label for name, label in columns.labels.items()},
    }
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getbuffer()


def _network(matrix: sp.csr_array, columns: Columns, *, directed: bool) -> nx.Graph[int]:
    """The graph without loops; an edge of a symmetric one once.

    Raises:
        RRLError: RRL515 if it does not fit into memory.
    """
    edges = sp.coo_array(matrix if directed else sp.triu(matrix))
    free = available_memory()
    if free is not None and edges.nnz * _EDGE_BYTES > free:
        what = f"the network of a graph with {edges.nnz:,} edges"
        raise too_little_memory(what, "write a `.npz` file, or use fewer samples")
    entries = zip(edges.row.tolist(), edges.col.tolist(), edges.data.tolist(), strict=True)
    rows = Rows(columns.sample, np.zeros_like(columns.sample), columns.labels)
    links = ((one, other, {"weight": weight}) for one, other, weight in entries if one != other)
    return export.network_of(rows, columns, links, directed=directed)
