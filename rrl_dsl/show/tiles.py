"""A matrix cut into tiles, so that a large one fits a small grid of cells."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def tiles(matrix: NDArray[Scalar], height: int, width: int) -> NDArray[Scalar]:
    """The matrix cut into tiles of `height` rows and `width` columns.

    Args:
        matrix: Any dtype, (n, m).
        height: Rows a tile, at least 1.
        width: Columns a tile, at least 1.

    Returns:
        (ceil(n / height), ceil(m / width), height * width), each tile row by row; tiles at the
        lower and right border are filled with zeros.
    """
    rows, columns = matrix.shape
    padded = np.pad(matrix, ((0, -rows % height), (0, -columns % width)))
    grid = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width)
    return grid.swapaxes(1, 2).reshape(grid.shape[0], grid.shape[2], height * width)


def mostly_false(false: NDArray[np.bool_], edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which tiles hold a false edge, and at least as many of them as of true edges.

    Args:
        false: Boolean (..., cells) of false edges.
        edges: Boolean (..., cells) of all edges.

    Returns:
        Boolean (...).
    """
    count = false.sum(axis=-1)
    return np.asarray((count > 0) & (2 * count >= edges.sum(axis=-1)))
