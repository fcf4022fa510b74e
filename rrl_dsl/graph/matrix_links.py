"""A matrix of weights as links between samples, from a file or from Python."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rrl_dsl.graph.links import LinkedSamples, Links, SampleIds, Symmetric
from rrl_dsl.language.diagnostics import Diagnostic
from rrl_dsl.tables.matrix import Matrix, invalid, of_dense, of_sparse, symmetrized, with_ids
from rrl_dsl.tables.matrix_files import ids_of, packed, read_matrix

_BY_POSITION = (
    "row r belongs to the sample with the id r; for others, pass `ids=` in Python, or add an array "
    "`ids` to the .npz file"
)


@dataclass(frozen=True, eq=False)
class MatrixLinks(Links):
    """The links of a matrix.

    Attributes:
        called: The matrix as in a message.
        matrix: Its normal form.
    """

    called: str
    matrix: Matrix
    noun = "a matrix"
    is_matrix = True

    def __str__(self) -> str:
        if self.written is not None:
            return self.written
        return f"<a matrix of {self.matrix.size:,} rows from Python, {self.digest[:8]}>"

    def with_ids(self, ids: SampleIds) -> MatrixLinks:
        """The matrix whose rows are the samples with these ids.

        Raises:
            RRLError: RRL430 if they do not fit the rows.
        """
        matrix = with_ids(self.matrix, ids_of(ids.given, self.matrix.size, self.called))
        return _links(matrix, name=self.name)

    def linked(self, symmetric: Symmetric | None) -> LinkedSamples:
        """The samples of all rows, and the entries of the matrix."""
        given = self.matrix if symmetric is None else symmetrized(self.matrix, symmetric)
        ids = np.arange(given.size) if given.ids is None else given.ids
        return LinkedSamples(ids, given.starts, given.entries, given.weights)

    def saved(self) -> list[memoryview]:
        """The matrix as an `.npz` file."""
        return [packed(self.matrix)]

    def unknown(self, known: NDArray[np.int64]) -> Diagnostic | None:
        """RRL416 or RRL430 for rows of unknown samples."""
        samples = self.matrix.ids
        wanted = np.arange(self.matrix.size) if samples is None else samples
        missing = np.flatnonzero(~np.isin(wanted, known))
        if not len(missing):
            return None
        first = int(missing[0])
        if samples is None:
            rows = f"{self.called} has {self.matrix.size:,} rows"
            message = f"{rows}, but the dataset has no sample {first}"
            return Diagnostic("RRL430", message, hint=_BY_POSITION)
        more = f"; {len(missing) - 1:,} more rows are of unknown samples" * (len(missing) > 1)
        message = (
            f"the dataset has no sample {wanted[first]}, which has a row in {self.called}{more}"
        )
        hint = "an id is a value of the column `sample`, or else the index or path of a sample"
        return Diagnostic("RRL416", message, hint=hint)

    def without_row(self, sample: int) -> Diagnostic:
        """RRL430 for a sample of the dataset without a row, if row r is the sample r."""
        message = f"{self.called} has {self.matrix.size:,} rows, and no row for the sample {sample}"
        return Diagnostic("RRL430", message, hint=_BY_POSITION)


def read_matrix_links(path: Path, written: str, name: str) -> MatrixLinks:
    """The links of the matrix in a file; see `rrl_dsl.tables.matrix_files.read_matrix`."""
    return _links(read_matrix(path, name), written, name, path)


def matrix_links(value: Any) -> MatrixLinks:
    """The links of a SciPy, NumPy, torch or networkx matrix.

    Raises:
        RRLError: RRL430 if it does not relate samples.
    """
    name = "the matrix"
    networkx, torch = sys.modules.get("networkx"), sys.modules.get("torch")
    if networkx is not None and isinstance(value, networkx.Graph):
        matrix = _of_networkx(value, name)
    elif torch is not None and isinstance(value, torch.Tensor):
        matrix = _of_torch(value, name)
    elif sp.issparse(value):
        matrix = of_sparse(value, name)
    else:
        matrix = of_dense(_array(value, name), name)
    return _links(matrix)


def _links(
    matrix: Matrix, written: str | None = None, name: str = "", path: Path | None = None
) -> MatrixLinks:
    called, unequal = f"`{name}`" if name else "the matrix", None
    if matrix.unequal is not None:
        row, column, there, back = matrix.unequal
        unequal = (
            f"{called} is not symmetric: row {row}, column {column} is {there:g}, and row "
            f"{column}, column {row} is {back:g}"
        )
    size, entries = matrix.size, len(matrix.entries)
    return MatrixLinks(
        written,
        name,
        matrix.digest,
        path,
        called,
        matrix,
        summary=f"a matrix of {size:,} x {size:,} with {entries:,} entries",
        weighted=matrix.weights is not None,
        heaviest=matrix.heaviest,
        emptiness=None if entries else f"{called} has no entries above 0",
        unequal=unequal,
        by_position=matrix.ids is None,
    )


def _array(value: Any, name: str) -> NDArray[Any]:
    """The array of a value without masked entries, and without names of its rows."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise invalid(name, "has masked entries", "set their weights: `matrix.filled(0)`")
    if hasattr(value, "columns"):
        hint = "pass `matrix.to_numpy()`, and the samples of its rows as `ids=`"
        raise invalid(name, f"is a {type(value).__name__}, whose names of rows are not ids", hint)
    return np.asarray(value)


def sample_ids(value: Sequence[Any]) -> SampleIds:
    """Ids from Python; they are checked together with their matrix."""
    import hashlib

    cells = value.tolist() if hasattr(value, "tolist") else list(value)
    digest = hashlib.sha256(repr(cells).encode("utf-8", "surrogatepass")).hexdigest()
    return SampleIds(None, "", digest, cells)


def _of_torch(tensor: Any, name: str) -> Matrix:
    import torch

    tensor = tensor.detach()
    if tensor.is_meta:
        raise invalid(name, "is on the device meta, without values", "pass a tensor with values")
    if tensor.is_complex():
        raise invalid(name, f"contains {tensor.dtype}".replace("torch.", ""))
    if tensor.dtype == torch.bfloat16 or tensor.dtype == torch.float16:
        tensor = tensor.float()
    if tensor.layout == torch.strided:
        return of_dense(tensor.cpu().numpy(), name)
    if tensor.layout != torch.sparse_coo:
        tensor = tensor.to_sparse_coo()
    places, values = tensor._indices().cpu().numpy(), tensor._values().cpu().numpy()
    if len(places) != 2 or values.ndim != 1:
        raise invalid(name, f"has shape {tuple(tensor.shape)}", "pass a matrix (n, n)")
    return of_sparse(sp.coo_array((values, tuple(places)), shape=tuple(tensor.shape)), name)


def _of_networkx(graph: Any, name: str) -> Matrix:
    """A graph whose nodes are sample ids."""
    import networkx as nx

    if graph.is_multigraph():
        hint = "`nx.Graph(graph)` keeps one edge of each pair"
        raise invalid(name, "may have several edges of one pair", hint)
    nodes = list(graph)
    if not all(isinstance(node, Integral | str) and not isinstance(node, bool) for node in nodes):
        hint = "number them by position with `nx.convert_node_labels_to_integers(graph)`"
        raise invalid(name, "has nodes that are not sample ids", hint)
    ids = ids_of([node if isinstance(node, str) else int(node) for node in nodes], len(nodes), name)
    try:
        matrix = nx.to_scipy_sparse_array(graph, nodes, np.dtype(float)) if nodes else None
    except (TypeError, ValueError) as reason:
        what = f"has an edge whose weight is not a number: {reason}"
        raise invalid(name, what, "set the attribute `weight` of every edge") from None
    return with_ids(of_sparse(sp.csr_array((0, 0)) if matrix is None else matrix, name), ids)
