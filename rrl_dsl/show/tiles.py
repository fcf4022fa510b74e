"""Cuts a large matrix into tiles, which are drawn as cells of a smaller one."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def tiles(matrix: NDArray[Scalar], height: int, width: int) -> NDArray[Scalar]:
    """Cuts a matrix into tiles.

    Args:
        matrix: Any dtype, (n, m).
        height: The number of rows per tile, at least 1.
        width: The number of columns per tile, at least 1.

    Returns:
        (ceil(n / height), ceil(m / width), height * width), the tiles in row-major order; tiles at
        the bottom and right border are padded with zeros.
    """
    rows, columns = matrix.shape
    padded = np.pad(matrix, ((0, -rows % height), (0, -columns % width)))
    grid = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width)
    return grid.swapaxes(1, 2).reshape(grid.shape[0], grid.shape[2], height * width)


def mostly_false(false: NDArray[np.bool_], edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns which tiles have false edges, and at least as many as true edges.

    Args:
        false: Boolean (..., cells) of false edges.
        edges: Boolean (..., cells) of all edges.

    Returns:
        Boolean (...).
    """
    count = false.sum(axis=-1)
    return np.asarray((count > 0) & (2 * count >= edges.sum(axis=-1)))
