"""The graph over a whole data set as a file: a sparse matrix with its samples."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program
from rrl_dsl.backends.sparse import Progress
from rrl_dsl.data.columns import Columns
from rrl_dsl.language.files import write_bytes
from rrl_dsl.language.machine import needing_memory
from rrl_dsl.report.sample import pixels_of


def save(program: Program, columns: Columns, path: Path, *, epoch: int, progress: Progress) -> int:
    """Writes the graph over all samples, one row each, as `scipy.sparse.load_npz` reads it.

    The file holds the arrays of `scipy.sparse.save_npz`, `sample` int64 (n,), and `label_NAME`
    int64 (n,) for each label.

    Args:
        program: The recipe.
        columns: The data set; it must have the columns that the recipe reads.
        path: The file; one that exists is replaced.
        epoch: The epoch, for schedules.
        progress: As `Program.to_scipy` takes it.

    Returns:
        The number of edges, loops included.

    Raises:
        RRLError: As `Program.bind` and `Program.to_scipy`; RRL418 where the recipe compares rows
            by embeddings and the data set has no `pixels`; RRL507 where the file cannot be written.
    """
    nodes = Nodes(columns.sample, None, columns.labels, columns.fields)
    if program.requires.bound:
        program.bind(nodes)
    spaces: dict[str, Any] = {}
    for name in program.requires.spaces:
        spaces[name] = pixels_of(columns, name)(np.arange(len(nodes)))
    matrix = program.to_scipy(nodes, spaces=spaces, epoch=epoch, progress=progress)
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
    with needing_memory(f"the file of a graph with {matrix.nnz:,} edges", "take fewer samples"):
        np.savez(content, **arrays)
    write_bytes(path, content.getbuffer())
    return int(matrix.nnz)
