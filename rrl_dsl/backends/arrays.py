"""NumPy, as operations, columns and stages use it; `rrl_dsl.backends.tensors` is the same in torch.

Vectors are not cut into slices here: the last bits of a sum depend on the order of its terms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy import exp, full_like, maximum, minimum, searchsorted, where, zeros_like

from rrl_dsl.graph.weights import ORTHOGONAL

__all__ = ["exp", "full_like", "maximum", "minimum", "searchsorted", "where", "zeros_like"]

Weights = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float64]
Array = npt.NDArray[Any]


def float32(x: Array) -> Weights:
    """As weights are."""
    return x.astype(np.float32)


def float64(x: Array) -> Vectors:
    """As kernels are computed."""
    return x.astype(np.float64)


def float32_of(x: float) -> np.float32:
    """A number that meets weights."""
    return np.float32(x)


def places(like: Array) -> Ids:
    """0, 1, ... for each row of a column."""
    return np.arange(len(like))


def slices(x: Vectors) -> Vectors:
    """The vectors themselves."""
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
    """Cosines of vectors with their squares."""
    return np.asarray(_inner(i, j) / np.maximum(_lengths(i, j), np.finfo(np.float64).tiny))


def dots(
    i: Vectors, j: Vectors, of_i: Vectors, of_j: Vectors, unit_i: Vectors, unit_j: Vectors
) -> Vectors:
    """Inner products of vectors."""
    return _inner(i, j)


def _inner(i: Vectors, j: Vectors) -> Vectors:
    """(n, m): inner products, 0 where the cosine is no more than rounding."""
    rows, cols = i[:, 0], j[0]
    inner = np.array([(row * cols).sum(axis=1) for row in rows]).reshape(len(rows), len(cols))
    return np.where(np.abs(inner) <= ORTHOGONAL * _lengths(i, j), 0.0, inner)


def _lengths(i: Vectors, j: Vectors) -> Vectors:
    """(n, m): the products of the lengths of two vectors."""
    length_i, length_j = (np.linalg.norm(x, axis=-1) for x in (i, j))
    return np.asarray(length_i * length_j)
