"""Random datasets and batches: ids of 64 bits, unknown labels, duplicate and shuffled rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from hypothesis import strategies as st
from parity_oracle import Row
from random_recipes import LABELS, NUMBERS, VECTORS, Recipe, Source, walk

import rrl_dsl as rrl
from rrl_dsl.backends import reference

IDS = (0, 1, 2, 5, 2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**33 + 1, 2**62 + 1, 2**62 + 5, 2**63 - 1)
SEEDS = (0, 1, 2**32 - 1, 2**32 + 5, 2**63 + 17, 2**64 - 1)


@st.composite
def datasets(draw: st.DrawFn) -> list[Row]:
    """One row for each sample of a dataset, in any order; whole numbers, so that ties are many."""
    ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=6, unique=True))
    label = st.integers(-1, 2)
    number = st.sampled_from([None, -1.0, 0.0, 0.5, 2.0, 2.25])
    vector = st.sampled_from([None, (0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (-1, 1), (3, -1)])
    return [
        Row(
            sample,
            0,
            {name: draw(label) for name in LABELS},
            {name: draw(number) for name in NUMBERS},
            {name: draw(vector) for name in VECTORS},
        )
        for sample in ids
    ]


def suits(recipe: Recipe, dataset: Sequence[Row]) -> bool:
    """Whether a dataset has enough vectors for the perplexities of a recipe."""
    for node in walk(recipe):
        call = node.call if isinstance(node, Source) else None
        if call is not None and call.arguments.get("kernel") == "sne":
            known = sum(row.vectors[call.arguments["field"]] is not None for row in dataset)
            if not call.arguments["perplexity"] < known - 1:
                return False
    return True


def views_of(dataset: Sequence[Row], views: int = 2) -> list[Row]:
    """Every view of every sample, each with embeddings of its own."""
    return [
        replace(row, view=view, spaces=embeddings(row.sample, view))
        for row in dataset
        for view in range(views)
    ]


def embeddings(sample: int, view: int) -> dict[str, tuple[float, ...]]:
    """Small whole numbers that hang on the row alone, so that many rows are equally far."""
    chance = random.Random(f"{sample} {view}")
    return {
        space: (chance.randint(-2, 2), chance.randint(-2, 2), chance.randint(0, 1))
        for space in ("projection", "backbone", "teacher")
    }


def batches(dataset: Sequence[Row], most: int = 7) -> st.SearchStrategy[list[Row]]:
    """Some views of some samples, in any order; a row may occur twice."""
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
    nodes = reference_rows_of(rows)
    return rrl.Nodes(nodes.sample, nodes.view, nodes.labels, nodes.fields)


def spaces_of(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """The embeddings of the rows as the library takes them."""
    spaces = reference_rows_of(rows).spaces
    return {name: torch.from_numpy(vectors).float() for name, vectors in spaces.items()}


def reference_rows_of(rows: Sequence[Row]) -> reference.Rows:
    """The rows as the reference backend takes them."""
    missing = (np.nan, np.nan)
    numbers = {
        name: np.array([row.numbers.get(name) for row in rows], dtype=np.float64)
        for name in NUMBERS
    }
    vectors = {
        name: np.array([row.vectors.get(name) or missing for row in rows], dtype=np.float64)
        for name in VECTORS
    }
    return reference.Rows(
        np.array([row.sample for row in rows], dtype=np.int64),
        np.array([row.view for row in rows], dtype=np.int64),
        {name: np.array([row.labels[name] for row in rows], dtype=np.int64) for name in LABELS},
        {**numbers, **vectors},
        {
            name: np.array([row.spaces[name] for row in rows], dtype=np.float64)
            for name in (rows[0].spaces if rows else {})
        },
    )
