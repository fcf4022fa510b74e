"""Random data sets and batches: ids of 64 bits, unknown labels, duplicate and shuffled rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from parity_oracle import Row
from random_recipes import LABELS

import rrl_dsl as rrl
from rrl_dsl.backends import reference

IDS = (0, 1, 2, 5, 2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**33 + 1, 2**62 + 1, 2**62 + 5, 2**63 - 1)
SEEDS = (0, 1, 2**32 - 1, 2**32 + 5, 2**63 + 17, 2**64 - 1)


@st.composite
def datasets(draw: st.DrawFn) -> list[Row]:
    """One row for each sample of a data set, in any order."""
    ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=6, unique=True))
    label = st.integers(-1, 2)
    return [Row(sample, 0, {name: draw(label) for name in LABELS}) for sample in ids]


def views_of(dataset: Sequence[Row], views: int = 2) -> list[Row]:
    """Every view of every sample."""
    return [Row(row.sample, view, row.labels) for row in dataset for view in range(views)]


def batches(dataset: Sequence[Row], most: int = 7) -> st.SearchStrategy[list[Row]]:
    """Some views of some samples, in any order; a row may stand twice."""
    rows = views_of(dataset, views=3)
    return st.lists(st.sampled_from(rows), min_size=1, max_size=most)


settings_of_a_run = st.fixed_dictionaries(
    {
        "seed": st.sampled_from(SEEDS),
        "epoch": st.sampled_from([0, 1, 2, 100_000]),
        "step": st.sampled_from([0, 1, 2**31, 2**32 - 1]),
    }
)


def nodes_of(rows: Sequence[Row]) -> rrl.Nodes:
    """The rows as the library takes them."""
    return rrl.Nodes(
        sample=np.array([row.sample for row in rows], dtype=np.int64),
        view=np.array([row.view for row in rows], dtype=np.int64),
        labels={name: np.array([row.labels[name] for row in rows]) for name in LABELS},
    )


def reference_rows_of(rows: Sequence[Row]) -> reference.Rows:
    """The rows as the reference backend takes them."""
    return reference.Rows(
        np.array([row.sample for row in rows], dtype=np.int64),
        np.array([row.view for row in rows], dtype=np.int64),
        {name: np.array([row.labels[name] for row in rows], dtype=np.int64) for name in LABELS},
    )
