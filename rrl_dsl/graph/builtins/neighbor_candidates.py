"""Candidates for the nearest samples: those of scikit-learn, or of faiss on request.

The candidates are ranked again in `neighbor_search`, so the libraries give the same neighbors. On a
core with AVX-512, for 60,000 vectors, the exact search of faiss takes 1.4 times (d = 64) to 1.8
times (d = 512) as long as that of scikit-learn, so it is not used by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.language.diagnostics import did_you_mean, error

_CHOICE: Final = "RRL_DSL_NEIGHBORS"
"""Environment variable with the library that finds candidates."""
_LIBRARIES: Final = ("scikit-learn", "faiss")
_ROUNDING: Final = 2.0**-24
"""Of float32, relative."""

Propose = Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.float64]]]
"""From positions of r vectors to candidates (r, c), and the rounding error (r,): a vector that is
not a candidate is at most this much nearer, squared, than the last candidate."""


def proposers(vectors: NDArray[np.float64], count: int) -> list[Propose]:
    """Returns functions that find the nearest vectors up to rounding, the least exact first.

    Args:
        vectors: (n, d), finite.
        count: The number of nearest vectors, at most n. A vector is one of its own.

    Raises:
        RRLError: RRL502 if `RRL_DSL_NEIGHBORS` names a library that is unknown or not installed.
    """
    exact = _of_sklearn(vectors, count)
    return [_of_faiss(vectors, count), exact] if _is_faiss_requested() else [exact]


def _is_faiss_requested() -> bool:
    chosen = os.environ.get(_CHOICE) or _LIBRARIES[0]
    if chosen not in _LIBRARIES:
        hint = did_you_mean(chosen, _LIBRARIES) or "set it to `scikit-learn` or `faiss`"
        raise error("RRL502", f"{_CHOICE} names an unknown library: `{chosen}`", hint=hint)
    if chosen == "faiss" and find_spec("faiss") is None:
        message = f"{_CHOICE} is `faiss`, which is not installed"
        raise error("RRL502", message, hint="install it with `pip install 'rrl-dsl[faiss]'`")
    return chosen == "faiss"


def _of_sklearn(vectors: NDArray[np.float64], count: int) -> Propose:
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(vectors)

    def propose(rows: NDArray[np.int64]) -> Any:
        return search.kneighbors(vectors[rows], return_distance=False), np.zeros(len(rows))

    return propose


def _of_faiss(vectors: NDArray[np.float64], count: int) -> Propose:
    import faiss

    scale = np.abs(vectors).max(initial=0.0) or 1.0  # squares must not overflow float32
    scaled = np.ascontiguousarray(vectors / scale, dtype=np.float32)
    lengths = np.sqrt(np.square(vectors).sum(axis=1))
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(scaled)

    def propose(rows: NDArray[np.int64]) -> Any:
        _, nearest = index.search(scaled[rows], count)
        # two distances, each a sum of d products of rounded numbers
        terms = 2 * (vectors.shape[1] + 4) * _ROUNDING
        return nearest.astype(np.int64), terms * (lengths[rows] + lengths.max()) ** 2

    return propose
