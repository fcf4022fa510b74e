"""The graph over a whole dataset as a file: a sparse matrix with its samples."""

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
    """Writes the graph over all samples, with one view per sample, for `scipy.sparse.load_npz`.

    The file contains the arrays of `scipy.sparse.save_npz`, the ids `sample`, int64 (n,), and the
    labels `label_NAME`, int64 (n,).

    Args:
        program: The recipe.
        columns: The dataset, with all columns that the recipe reads.
        path: The file; an existing file is replaced.
        epoch: The epoch, for schedules.
        progress: See `Program.to_scipy`.

    Returns:
        The number of edges, including loops.

    Raises:
        RRLError: See `Program.bind` and `Program.to_scipy`; RRL418 if the recipe compares
            embeddings and the dataset has no `pixels`; RRL507 if the file cannot be written.
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
    with needing_memory(f"the file of a graph with {matrix.nnz:,} edges", "use fewer samples"):
        np.savez(content, **arrays)
    write_bytes(path, content.getbuffer())
    return int(matrix.nnz)
