"""A square matrix of weights between samples: checks, the normal form, and its copy on disk.

The normal form is compressed sparse rows: sorted, without zeros, float32. Equal matrices have equal
digests, in any format and dtype and with any order of entries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from rrl_dsl.language.cache import Cache
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.files import ARCHIVE_BYTES, check_size
from rrl_dsl.language.weights import LARGEST, LEAST

Array = NDArray[Any]
Symmetric = Literal["max", "mean"]

_NUMBERS: Final = "biuf"
_CELLS: Final = 2**23
"""The cells of a dense matrix that are converted at once."""
_WORTH_KEEPING: Final = 2**20
"""The fewest entries of a copy on disk; fewer are converted faster than they are read."""
_FORMAT: Final = 1  # of the copies on disk
_ALIGNED: Final = 64


class Unequal(NamedTuple):
    """Two different weights of one pair, at (row, column) and (column, row)."""

    row: int
    column: int
    there: float
    back: float


class Matrix(NamedTuple):
    """The normal form of a matrix of n rows and columns with e entries above 0.

    Attributes:
        starts: int64 (n + 1,), the position of the first entry of each row.
        entries: int32 (e,), the column of each entry, ascending in a row.
        weights: float32 (e,), the weight of each entry; None if all weights are 1.
        ids: int64 (n,), ascending, the sample of each row; None if row r is the sample with the id
            r, and every sample has a row.
        digest: SHA-256 of the above.
        heaviest: The largest weight.
        unequal: The first pair with two different weights, by the original rows; None if the matrix
            is symmetric.
    """

    starts: Array
    entries: Array
    weights: Array | None
    ids: Array | None
    digest: str
    heaviest: float
    unequal: Unequal | None

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.starts) - 1


def invalid(name: str, what: str, hint: str | None = None) -> RRLError:
    """RRL430, for a matrix that does not relate samples."""
    return error("RRL430", f"{name} {what}", hint=hint)


def check_shape(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Checks the shape and the dtype of a matrix before its entries are read.

    Raises:
        RRLError: RRL430 if it is not square or does not contain numbers, RRL428 if it has so many
            rows that the list of their starts is too large.
    """
    if len(shape) != 2 or shape[0] != shape[1]:
        hint = "a matrix must have one row and one column for each sample"
        raise invalid(name, f"has shape {_plain(shape)}", hint)
    if dtype.kind not in _NUMBERS:
        what = "Python objects" if dtype.hasobject else str(dtype)
        raise invalid(name, f"contains {what}", "convert it to numbers: `matrix.astype(float)`")
    check_size(name.strip("`"), 8 * (shape[0] + 1), ARCHIVE_BYTES)


def of_sparse(matrix: Any, name: str, *, copy: bool = True) -> Matrix:
    """The normal form of a SciPy sparse matrix or array.

    Args:
        matrix: (n, n), of any format and real dtype.
        name: The name of the matrix in messages.
        copy: Whether to copy the matrix; otherwise its memory is overwritten.

    Raises:
        RRLError: RRL430 for entries that occur twice, and weights that are negative or not finite.
    """
    check_shape(matrix.shape, matrix.dtype, name)
    try:
        given = _checked(matrix)
    except ValueError as reason:
        hint = "make it from its entries: `scipy.sparse.coo_array((weights, (rows, columns)))`"
        raise invalid(name, f"is not a valid sparse matrix: {reason}", hint) from None
    rows = sp.csr_array(given.tocsr(copy=copy))
    rows.sort_indices()
    if rows.nnz < given.nnz:  # SciPy has added them
        entries = given.tocoo()
        order = np.lexsort((entries.col, entries.row))
        row, column = entries.row[order], entries.col[order]
        again = np.flatnonzero((row[1:] == row[:-1]) & (column[1:] == column[:-1]))
        raise _repeated(name, int(row[again[0]]), int(column[again[0]]))
    same = rows.indices[1:] == rows.indices[:-1]
    begins = rows.indptr[1:-1]
    same[begins[(begins > 0) & (begins < rows.nnz)] - 1] = False
    if same.any():
        raise _repeated(name, *_place(rows.indptr, rows.indices, int(same.argmax())))
    wrong = _not_weights(rows.data)
    if wrong.any():
        at = int(wrong.argmax())
        raise _not_a_weight(name, *_place(rows.indptr, rows.indices, at), rows.data[at])
    rows.eliminate_zeros()
    return _normal(rows.indptr, rows.indices, _float32(rows.data))


def _checked(matrix: Any) -> Any:
    """The matrix in a format in which entries may occur twice.

    Raises:
        ValueError: If an index is out of range.
    """
    if matrix.format in ("csr", "csc", "bsr"):
        matrix.check_format(full_check=True)
        return matrix
    entries = matrix.tocoo(copy=False)
    return sp.coo_array((entries.data, (entries.row, entries.col)), shape=matrix.shape)


def of_dense(matrix: Array, name: str) -> Matrix:
    """The normal form of an array, which is converted in bands of rows; see `of_sparse`."""
    check_shape(matrix.shape, matrix.dtype, name)
    size = len(matrix)
    counts, entries, weights = [np.zeros(1, np.int64)], [], []
    height = max(1, _CELLS // max(size, 1))
    for top in range(0, size, height):
        band = np.asarray(matrix[top : top + height])
        rows, columns = band.nonzero()
        values = band[rows, columns]
        wrong = _not_weights(values)
        if wrong.any():
            at = int(wrong.argmax())
            raise _not_a_weight(name, top + int(rows[at]), int(columns[at]), values[at])
        counts.append(np.bincount(rows, minlength=len(band)))
        entries.append(columns.astype(np.int32))
        weights.append(_float32(values))
    starts = np.cumsum(np.concatenate(counts))
    return _normal(starts, _joined(entries, np.int32), _joined(weights, np.float32))


def with_ids(matrix: Matrix, ids: Array) -> Matrix:
    """The matrix with ids of its rows, int64 (n,), and its rows sorted by id."""
    order = np.argsort(ids)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    there = _sparse(matrix)
    there.indices = place[there.indices].astype(there.indices.dtype)
    there.has_sorted_indices = False
    moved = sp.csr_array(there[order])
    moved.sort_indices()
    named = _normal(moved.indptr, moved.indices, moved.data, ids[order])
    return named._replace(unequal=matrix.unequal)


def symmetrized(matrix: Matrix, how: Symmetric) -> Matrix:
    """The matrix with the larger weight, or the mean weight, of both directions."""
    if matrix.unequal is None:
        return matrix

    def both() -> Matrix:
        there = _sparse(matrix)
        back = there.T.tocsr()
        mean = how == "mean"
        joined = (there.astype(np.float64) + back) * 0.5 if mean else there.maximum(back)
        joined.sort_indices()
        return _normal(joined.indptr, joined.indices, _float32(joined.data), matrix.ids)

    return kept([matrix.digest, how], both, worth=len(matrix.entries) >= _WORTH_KEEPING)


def kept(key: list[str], make: Callable[[], Matrix], *, worth: bool) -> Matrix:
    """A matrix from its copy on disk, mapped into memory, or from `make`.

    Args:
        key: Identifies the matrix.
        make: Creates the matrix.
        worth: Whether a copy on disk pays off.
    """
    if not worth:
        return make()
    cache, text = Cache(f"matrices-{_FORMAT}"), json.dumps(key)
    known = cache.mapped(text)
    if known is None:
        made = make()
        if len(made.entries) < _WORTH_KEEPING:
            return made
        cache.write(text, *_packed(made))
        known = cache.mapped(text)
        if known is None:
            return made
    return _unpacked(known)


def _normal(starts: Any, entries: Any, weights: Any, ids: Array | None = None) -> Matrix:
    """The normal form of sorted rows without zeros."""
    size = len(starts) - 1
    starts = starts.astype(np.int64)
    entries = entries.astype(np.int32 if size < 2**31 else np.int64, copy=False)
    weighted = bool((weights != 1).any())
    heaviest = float(weights.max(initial=0)) if weighted else 1.0
    matrix = Matrix(starts, entries, weights if weighted else None, ids, "", heaviest, None)
    return matrix._replace(digest=_digest(matrix), unequal=_unequal(matrix))


def _digest(matrix: Matrix) -> str:
    digest = hashlib.sha256(f"matrix {matrix.size} {matrix.weights is not None}".encode())
    for column, dtype in ((matrix.starts, "<i8"), (matrix.entries, "<i4"), (matrix.weights, "<f4")):
        if column is not None:
            kind = "<i8" if column.dtype == np.int64 else dtype
            digest.update(np.ascontiguousarray(column, kind).data)
    if matrix.ids is not None and not np.array_equal(matrix.ids, np.arange(matrix.size)):
        digest.update(np.ascontiguousarray(matrix.ids, "<i8").data)
    return digest.hexdigest()


def _unequal(matrix: Matrix) -> Unequal | None:
    there = _sparse(matrix)
    back = there.T.tocsr()
    same = all(
        np.array_equal(getattr(there, part), getattr(back, part))
        for part in ("indptr", "indices", "data")
    )
    if same:
        return None
    differs: Any = there != back
    differs = differs.tocoo()
    at = int(np.lexsort((differs.col, differs.row))[0])
    row, column = int(differs.row[at]), int(differs.col[at])
    return Unequal(row, column, float(there[row, column]), float(there[column, row]))


def _sparse(matrix: Matrix) -> sp.csr_array:
    weights = matrix.weights
    weights = np.ones(len(matrix.entries), np.int8) if weights is None else weights
    rows = sp.csr_array((weights, matrix.entries, matrix.starts), shape=(matrix.size, matrix.size))
    rows.has_canonical_format = True
    return rows


def _float32(values: Any) -> Any:
    """Weights as float32, where weights above 0 stay above 0. Changes float32 in place."""
    if values.dtype.kind == "b":
        return values.astype(np.float32)
    if values.dtype != np.float32:
        values = values.astype(np.float64)
    return np.clip(values, LEAST, LARGEST, out=values).astype(np.float32, copy=False)


def _not_weights(values: Any) -> Any:
    if values.dtype.kind in "bu":
        return np.zeros(len(values), dtype=bool)
    if values.dtype == np.float16:  # it does not represent the largest weight
        return ~((values >= 0) & np.isfinite(values))
    return ~((values >= 0) & (values <= LARGEST))


def _joined(parts: list[Array], dtype: type[np.generic]) -> Array:
    return np.concatenate([np.empty(0, dtype), *parts])


def _place(starts: Any, entries: Any, at: int) -> tuple[int, int]:
    """The row and column of an entry."""
    return int(np.searchsorted(starts, at, "right")) - 1, int(entries[at])


def _repeated(name: str, row: int, column: int) -> RRLError:
    hint = (
        "each pair must occur once: for the sum of its weights, call `matrix.sum_duplicates()`, or "
        "`matrix.coalesce()` in torch"
    )
    return invalid(name, f"has row {row}, column {column} more than once", hint)


def _not_a_weight(name: str, row: int, column: int, value: Any) -> RRLError:
    hint = "weights must be finite and at least 0; leave out pairs without an edge"
    return invalid(name, f"has the weight {value:g} in row {row}, column {column}", hint)


def _plain(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


# copies on disk: facts as JSON, then the arrays, those of int64 first


def _packed(matrix: Matrix) -> list[memoryview]:
    facts = {
        "size": matrix.size,
        "entries": len(matrix.entries),
        "dtype": matrix.entries.dtype.str,
        "weighted": matrix.weights is not None,
        "ids": matrix.ids is not None,
        "digest": matrix.digest,
        "heaviest": matrix.heaviest,
        "unequal": matrix.unequal,
    }
    text = json.dumps(facts).encode()
    head = len(text).to_bytes(8, "little") + text
    head += b" " * (-len(head) % _ALIGNED)
    columns = (matrix.starts, matrix.ids, matrix.entries, matrix.weights)
    parts = [np.ascontiguousarray(column) for column in columns if column is not None]
    return [memoryview(head), *(part.data.cast("B") for part in parts if part.size)]


def _unpacked(content: memoryview) -> Matrix:
    length = int.from_bytes(content[:8], "little")
    facts = json.loads(bytes(content[8 : 8 + length]))
    at = 8 + length + -(8 + length) % _ALIGNED

    def column(dtype: str, count: int) -> Array:
        nonlocal at
        values: Array = np.frombuffer(content, dtype, count, at) if count else np.empty(0, dtype)
        at += values.nbytes
        return values

    starts = column("<i8", facts["size"] + 1)
    ids = column("<i8", facts["size"]) if facts["ids"] else None
    entries = column(facts["dtype"], facts["entries"])
    weights = column("<f4", facts["entries"]) if facts["weighted"] else None
    unequal = None if facts["unequal"] is None else Unequal(*facts["unequal"])
    return Matrix(starts, entries, weights, ids, facts["digest"], facts["heaviest"], unequal)
