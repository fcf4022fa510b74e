"""The ids and weights of the pairs in a Parquet file, a column at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow.types as kinds
from numpy.typing import NDArray

from rrl_dsl.tables.pairs import LARGEST_ID, LARGEST_WEIGHT, sample_id

Known = NDArray[np.bool_]


def ids_of(column: Any) -> tuple[NDArray[np.int64], Known]:
    """Returns the ids of a `pyarrow.ChunkedArray` of integers or texts, and which cells are ids.

    A text that occurs several times is read once.
    """
    kind = column.type
    if kinds.is_dictionary(kind) and kinds.is_integer(kind.value_type):
        column = column.cast(kind.value_type)
    if kinds.is_integer(column.type):
        values = column.fill_null(0).to_numpy()
        known = column.is_valid().to_numpy() & (values >= 0)
        if values.dtype == np.uint64:
            known &= values <= LARGEST_ID
        return values.astype(np.int64), known
    texts = column if kinds.is_dictionary(kind) else column.dictionary_encode()
    chunks = texts.unify_dictionaries().chunks
    if not chunks:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=bool)
    read = [sample_id(text) for text in chunks[0].dictionary.to_pylist()]
    read.append(None)  # so that there is one, where all cells are null
    ids = np.array([0 if id_ is None else id_ for id_ in read], dtype=np.int64)
    is_id = np.array([id_ is not None for id_ in read])
    indices = _joined([chunk.indices.fill_null(0) for chunk in chunks])
    return ids[indices], is_id[indices] & _joined([chunk.is_valid() for chunk in chunks])


def weights_of(column: Any) -> tuple[NDArray[np.float64], Known]:
    """Returns the weights of a column of numbers, float64, and which cells are weights."""
    kind = column.type
    if kinds.is_dictionary(kind):
        kind = kind.value_type
    column = column.cast("float64" if kinds.is_decimal(kind) else kind)
    weights = column.to_numpy().astype(np.float64)  # NaN where null
    return weights, (weights >= 0) & (weights <= LARGEST_WEIGHT)


def _joined(chunks: list[Any]) -> NDArray[Any]:
    return np.concatenate([chunk.to_numpy(zero_copy_only=False) for chunk in chunks])
