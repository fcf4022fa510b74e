"""What was learned, at the end: linear probes and nearest neighbours on frozen features."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from rrl_dsl.data.batches import Batch, loader
from rrl_dsl.data.dataset import DataSet, Split

PER_CLASS: Final = 10
DRAWS: Final = 5

_NEIGHBOURS = 20
_ITERATIONS = 500

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Encode = Callable[[Batch], Tensor]
"""A batch of b samples -> float features (b, d)."""


@dataclass(frozen=True)
class Accuracies:
    """Test accuracies of one kind of features, as shares.

    Attributes:
        linear: A linear probe trained with all labels.
        few: A linear probe with `PER_CLASS` labels a class, the mean over `DRAWS` draws.
        neighbours: A vote of the nearest training samples, by cosine.
    """

    linear: float
    few: float
    neighbours: float


def evaluate(dataset: DataSet, encode: Encode, *, batch_size: int = 512) -> Accuracies:
    """How well the finest label can be read off some features.

    Args:
        dataset: The samples; those of unknown label are left out.
        encode: From a batch to its features.
        batch_size: Samples encoded at a time.
    """
    train, train_labels = _encoded(dataset.train, encode, batch_size)
    test, test_labels = _encoded(dataset.test, encode, batch_size)

    def linear(rows: npt.NDArray[np.int64]) -> float:
        return _linear_probe(train[rows], train_labels[rows], test, test_labels)

    few = [linear(rows) for rows in _few_of_each(train_labels)]
    neighbours = KNeighborsClassifier(
        min(_NEIGHBOURS, len(train)), metric="cosine", weights="distance"
    ).fit(train, train_labels)
    return Accuracies(
        linear=linear(np.arange(len(train))),
        few=float(np.mean(few)),
        neighbours=float(neighbours.score(test, test_labels)),
    )


def pixels(batch: Batch) -> Tensor:
    """The raw pixels of a batch as features, float32 (b, C * H * W) in [0, 1]."""
    return batch.images.flatten(1).float() / 255


def _linear_probe(
    train: Features, train_labels: Labels, test: Features, test_labels: Labels
) -> float:
    if len(np.unique(train_labels)) < 2:
        return float(np.mean(test_labels == train_labels[0]))
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_ITERATIONS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # its accuracy has long settled
        probe.fit(train, train_labels)
    return float(probe.score(test, test_labels))


def _few_of_each(labels: Labels) -> Iterator[npt.NDArray[np.int64]]:
    """Rows with `PER_CLASS` samples of each class, fixed draws for every kind of features."""
    for draw in range(DRAWS):
        random = np.random.default_rng(draw)
        chosen = [
            random.permutation(np.flatnonzero(labels == each))[:PER_CLASS]
            for each in np.unique(labels)
        ]
        yield np.concatenate(chosen)


@torch.no_grad()
def _encoded(split: Split, encode: Encode, batch_size: int) -> tuple[Features, Labels]:
    features, labels = [], []
    for batch in loader(split, min(batch_size, len(split)), shuffle=False):
        features.append(encode(batch).float().cpu().numpy())
        labels.append(batch.labels["label"].numpy())
    whole, targets = np.concatenate(features), np.concatenate(labels)
    known = targets >= 0
    return whole[known], targets[known]
