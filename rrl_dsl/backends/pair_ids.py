"""The samples that a file of pairs names, held against those of a data set."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rrl_dsl.graph.links import Links
from rrl_dsl.language.diagnostics import Diagnostic


def lacking_pairs(links: Links, sample: npt.NDArray[np.int64]) -> Diagnostic | None:
    """RRL416 at the first pair of the file with a sample that a data set lacks, if there is one.

    Args:
        links: The pairs.
        sample: int64 (n,), the ids there are.
    """
    ends = np.array([links.a, links.b], dtype=np.int64).reshape(2, -1)
    missing = ~np.isin(ends, sample)
    pairs = np.flatnonzero(missing.any(axis=0))
    if not len(pairs):
        return None
    first = int(pairs[0])
    return links.lacking(first, int(missing[:, first].argmax()), more=len(pairs) - 1)
