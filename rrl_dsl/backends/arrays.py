"""The array functions of operations, columns and stages in NumPy; `tensors.py` has them in torch.

Vectors are not split into slices here, so the last bits of a sum depend on the order of its terms.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rrl_dsl.graph import draws
from rrl_dsl.language.weights import ORTHOGONAL

_BITS: Final = 40  # the bits of a float64 that rank distances, of 53

Weights = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

amin, exp, isfinite, where = np.amin, np.exp, np.isfinite, np.where
full_like, zeros_like, searchsorted = np.full_like, np.zeros_like, np.searchsorted
maximum, minimum = np.maximum, np.minimum
row_hash, pair_draw = draws.row_hash, draws.pair_draw


def float32(x: Array) -> Weights:
    """As float32, the dtype of weights."""
    return x.astype(np.float32)


def float64(x: Array) -> Vectors:
    """As float64, the dtype of kernels."""
    return x.astype(np.float64)


def positions(like: Array) -> Ids:
    """0, 1, ... for each row of a column."""
    return np.arange(len(like))


def slices(x: Vectors) -> Vectors:
    """The vectors unchanged."""
    return x


def units(x: Vectors) -> Vectors:
    """1 for each vector."""
    return np.ones(len(x))


def squares(x: Vectors) -> Vectors:
    """The squared length of each vector."""
    return np.asarray(np.square(np.linalg.norm(x, axis=1)))


def squared(i: Vectors, j: Vectors) -> Vectors:
    """(n, m): squared distances of vectors (n, 1, d) and (1, m, d), from differences."""
    rows, cols = i[:, 0], j[0]
    distances = [np.square(row - cols).sum(axis=1) for row in rows]
    return np.array(distances).reshape(len(rows), len(cols))


def cosines(i: Vectors, j: Vectors, of_i: Vectors, of_j: Vectors) -> Vectors:
    """Cosines of vectors."""
    return np.asarray(_inner(i, j) / np.maximum(_lengths(i, j), np.finfo(np.float64).tiny))


def dots(
    i: Vectors, j: Vectors, of_i: Vectors, of_j: Vectors, unit_i: Vectors, unit_j: Vectors
) -> Vectors:
    """Inner products of vectors."""
    return _inner(i, j)


def unit_vectors(x: Vectors) -> Vectors:
    """Vectors of the same directions with length 1."""
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))


def ranked_distance(q: Vectors, k: Vectors, metric: str) -> Vectors:
    """The distances that rank neighbors, (n, m); vectors have length 1 for `cosine`."""
    if metric == "cosine":
        rows = [2.0 - (k * row).sum(axis=1) for row in q]
    else:
        rows = [np.sqrt(np.square(k - row).sum(axis=1)) for row in q]
    mantissa, exponent = np.frexp(np.array(rows).reshape(len(q), len(k)))
    return np.asarray(np.ldexp(np.round(mantissa * 2.0**_BITS), exponent - _BITS))


def smallest(values: Array, k: int) -> Ids:
    """The columns of the k smallest finite values of each row; see `tensors.smallest`."""
    order = np.argsort(values, axis=1, kind="stable")[:, :k]
    chosen = np.where(np.take_along_axis(values, order, axis=1) < np.inf, order, -1)
    return chosen if chosen.shape[1] else np.full((len(values), 1), -1)


def scatter_minimum(x: Ids, index: Ids, values: Ids) -> Ids:
    """A copy of x with x[index] = min(x[index], values)."""
    lowered = x.copy()
    np.minimum.at(lowered, index, values)
    return lowered


def surely_equal(x: Array, y: Array) -> bool:
    """Whether two arrays are equal."""
    return np.array_equal(x, y)


def _inner(i: Vectors, j: Vectors) -> Vectors:
    """(n, m): inner products, 0 if the cosine is only a rounding error."""
    rows, cols = i[:, 0], j[0]
    inner = np.array([(row * cols).sum(axis=1) for row in rows]).reshape(len(rows), len(cols))
    return np.where(np.abs(inner) <= ORTHOGONAL * _lengths(i, j), 0.0, inner)


def _lengths(i: Vectors, j: Vectors) -> Vectors:
    """(n, m): the products of the lengths of two vectors."""
    length_i, length_j = (np.linalg.norm(x, axis=-1) for x in (i, j))
    return np.asarray(length_i * length_j)
