"""Evaluates features at the end of a run: linear probes and nearest neighbors.

Accuracies are cached on disk under a hash of the features. Probes of raw pixels and of the
untrained encoder are therefore fitted once.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from rrl_dsl.data.batches import Batch, loader
from rrl_dsl.data.dataset import DataSet, Split, is_image
from rrl_dsl.data.pixels import unit
from rrl_dsl.language.cache import Cache

PER_CLASS: Final = 10
DRAWS: Final = 5
NEIGHBORS: Final = 20
MOST_CLASSES: Final = 2_000
"""ImageNet has 1,000. Time and memory of a linear probe grow with samples times classes."""
MOST_INPUTS: Final = 2**30
"""The bytes of the raw inputs that probes are fitted on; a fit takes about twice as many."""

_FORMAT: Final = 2  # of the cache: increase it when the measurement changes
_ITERATIONS: Final = 100  # the accuracy no longer changes
_TILE: Final = 1024

Encode = Callable[[Batch], Tensor]
"""Maps a batch of b samples to float features (b, d)."""


@dataclass(frozen=True)
class Accuracies:
    """Test accuracies of one kind of features, from 0 to 1.

    Attributes:
        linear: A linear probe trained with all labels.
        few: A linear probe with `PER_CLASS` labels per class; the mean over `DRAWS` draws.
        neighbors: A vote of the nearest training samples by cosine similarity.
    """

    linear: float
    few: float
    neighbors: float


def unmeasured(dataset: DataSet) -> str | None:
    """Returns why a dataset has no accuracies, or None if it has some.

    Probes train on the known labels of the training split, and are tested on those of the test
    split.
    """
    if "label" in dataset.train.labels and dataset.train.labels["label"].ndim > 1:
        return "`label` has several values per sample, so there are no accuracies"
    train, test = (has_known_labels(split) for split in (dataset.train, dataset.test))
    if train and test:
        if (classes := len(dataset.class_names["label"])) <= MOST_CLASSES:
            return None
        bound = f"but probes are fitted for at most {MOST_CLASSES:,}"
        return f"`label` has {classes:,} classes, {bound}, so there are no accuracies"
    where = " in the training split" if test else " in the test split" if train else ""
    return f"no `label` is known{where}, so there are no accuracies"


def unmeasured_inputs(dataset: DataSet) -> str | None:
    """Returns why the raw inputs of a dataset have no accuracies, or None if they have some."""
    samples = len(dataset.train) + len(dataset.test)
    size = samples * math.prod(dataset.shape) * torch.float32.itemsize
    if size <= MOST_INPUTS:
        return None
    what = "raw pixels" if is_image(dataset.shape) else "raw features"
    return (
        f"{what} have no accuracies, because those of {samples:,} samples take "
        f"{size / 2**30:.1f} GiB, and the limit is {MOST_INPUTS / 2**30:.0f}"
    )


def probed_classes(dataset: DataSet) -> int | None:
    """Returns the number of classes of the online probes; None if there are no probes."""
    classes = len(dataset.class_names.get("label", ()))
    return classes if has_known_labels(dataset.train) and classes <= MOST_CLASSES else None


def has_known_labels(split: Split) -> bool:
    """Returns whether probes can be trained or tested on a split."""
    label = split.labels.get("label")
    return label is not None and label.ndim == 1 and bool((label >= 0).any())


@dataclass(frozen=True, eq=False)
class LabeledFeatures:
    """The features and labels of the samples of a dataset whose label is known.

    Attributes:
        train: float (n, d), of the training split.
        train_labels: int64 (n,).
        test: float (m, d), of the test split.
        test_labels: int64 (m,).
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor

    def few(self, count: int) -> float:
        """Returns the accuracy of a linear probe with `count` labels per class, a mean over draws.

        Args:
            count: The number of labels per class; all of a class that has fewer.
        """
        return fmean(
            _linear_probe(self.train[rows], self.train_labels[rows], self.test, self.test_labels)
            for rows in _few_of_each(self.train_labels, count)
        )

    def accuracies(self) -> Accuracies:
        """Returns the accuracies of the features; cached on disk."""
        cache, key = Cache("probes"), self._key()
        known = cache.read(key)
        if known is not None:
            return Accuracies(**json.loads(known))
        measured = _measured(self)
        cache.write(key, json.dumps(asdict(measured)).encode())
        return measured

    def _key(self) -> str:
        """The key of the cache: features, labels, and the version of the measurement."""
        digest = hashlib.sha256()
        for tensor in (self.train, self.train_labels, self.test, self.test_labels):
            digest.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
            digest.update(tensor.cpu().contiguous().numpy().data)
        return json.dumps([_FORMAT, torch.__version__, self.train.device.type, digest.hexdigest()])


def labeled_features(dataset: DataSet, encode: Encode, *, batch_size: int = 512) -> LabeledFeatures:
    """Encodes the samples of both splits whose finest label is known.

    Args:
        dataset: The samples; both splits have some with a known label.
        encode: Maps a batch to its features.
        batch_size: The number of samples encoded at a time.
    """
    train = _encoded(dataset.train, encode, batch_size)
    return LabeledFeatures(*train, *_encoded(dataset.test, encode, batch_size))


def evaluate(dataset: DataSet, encode: Encode) -> Accuracies:
    """Returns the accuracies of the finest label with some features; cached on disk.

    Args:
        dataset: As for `labeled_features`.
        encode: Maps a batch to its features.
    """
    return labeled_features(dataset, encode).accuracies()


def _measured(features: LabeledFeatures) -> Accuracies:
    both = features.train, features.train_labels, features.test, features.test_labels
    return Accuracies(
        linear=_linear_probe(*both), few=features.few(PER_CLASS), neighbors=_neighbors(*both)
    )


def pixels(batch: Batch) -> Tensor:
    """Returns the raw pixels of a batch as features, float32 (b, C * H * W).

    Whole numbers are scaled to [0, 1].
    """
    return unit(batch.images).flatten(1)


def _linear_probe(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> float:
    """Returns the test accuracy of multinomial logistic regression on standardized features.

    The penalty is scikit-learn's default, |w|^2 / 2 added to the summed cross-entropy. It is fitted
    in float32 on the device of the features.
    """
    center, spread = train.mean(dim=0), train.std(dim=0, correction=0)
    spread = spread.masked_fill(spread == 0, 1.0)
    # in place, because the features may take much of the memory
    train, test = ((values - center).div_(spread) for values in (train, test))
    classes = int(torch.maximum(train_labels.max(), test_labels.max())) + 1
    weight = torch.zeros(train.shape[1], classes, device=train.device, requires_grad=True)
    bias = torch.zeros(classes, device=train.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_ITERATIONS,
        tolerance_grad=1e-5,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        penalty = weight.square().sum() / (2 * len(train))
        value = F.cross_entropy(train @ weight + bias, train_labels) + penalty
        weight.grad, bias.grad = torch.autograd.grad(value, (weight, bias))
        return value

    with torch.enable_grad():
        optimizer.step(objective)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return _share(((test @ weight + bias).argmax(dim=1)) == test_labels)


@torch.no_grad()
def _neighbors(train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor) -> float:
    """Returns the test accuracy of a vote of the nearest rows, weighted by cosine similarity."""
    train, test = F.normalize(train), F.normalize(test)
    classes = int(torch.maximum(train_labels.max(), test_labels.max())) + 1
    votes = torch.zeros(len(test), classes, device=train.device)
    for start in range(0, len(test), _TILE):
        similarity, nearest = (test[start : start + _TILE] @ train.T).topk(
            min(NEIGHBORS, len(train)), dim=1
        )
        votes[start : start + _TILE].scatter_add_(1, train_labels[nearest], similarity + 1)
    return _share(votes.argmax(dim=1) == test_labels)


def _share(right: Tensor) -> float:
    return float(right.double().mean())


def _few_of_each(labels: Tensor, count: int) -> Iterator[Tensor]:
    """Draws `count` rows of each class; the draws are equal for every kind of features."""
    for draw in range(DRAWS):
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(draw))
        order = order.to(labels.device)
        chosen = [order[labels[order] == label][:count] for label in torch.unique(labels)]
        yield torch.cat(chosen)


@torch.no_grad()
def _encoded(split: Split, encode: Encode, batch_size: int) -> tuple[Tensor, Tensor]:
    """The features and labels of the samples whose label is known."""
    labels = split.labels["label"]
    labels = labels[labels >= 0]
    features, filled = torch.empty(0), 0
    for batch in loader(split, min(batch_size, len(split)), shuffle=False):
        encoded = encode(batch).float()
        encoded = encoded[batch.labels["label"].to(encoded.device) >= 0]
        if not filled:  # the width and the device are known from here on
            features = encoded.new_empty(len(labels), encoded.shape[1])
        features[filled : filled + len(encoded)] = encoded
        filled += len(encoded)
    return features, labels.to(features.device)
