"""`digits`: the 1,797 handwritten digits of scikit-learn, 8 x 8 pixels."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from sklearn.datasets import load_digits

from rrl_dsl.data.columns import Columns

if TYPE_CHECKING:
    from rrl_dsl.data.dataset import DataSet, Split

COARSE: Final = ("loops", "strokes", "curves")
_COARSE_OF_DIGIT: Final = (0, 1, 2, 2, 1, 2, 0, 1, 0, 0)
_INK: Final = 16
"""The largest value of a pixel: scikit-learn counts the dark cells of a 4 x 4 block."""


def columns(part: Literal["train", "test"] = "train") -> Columns:
    """Returns the columns of the 1,437 training or 360 test digits, without torch.

    Args:
        part: The split, which is fixed.

    Returns:
        The label `label`, which is the digit; the label `coarse` (loops 0 6 8 9, strokes 1 4 7,
        curves 2 3 5); the fields `label` and `pixels`, float32 (n, 64) from 0 to 1. The id of a
        sample is its index in scikit-learn's array.
    """
    digit = _source().target.astype(np.int64)
    # every fifth image of a digit in the order of the array: stratified by class, and spread over
    # the writers, whose digits are adjacent
    tested = np.zeros(len(digit), dtype=bool)
    tested[digit.argsort(kind="stable")[1::5]] = True
    chosen = tested if part == "test" else ~tested
    sample = np.flatnonzero(chosen)
    return Columns(
        name="digits",
        sample=sample,
        labels={
            "label": digit[sample],
            "coarse": np.array(_COARSE_OF_DIGIT, dtype=np.int64)[digit[sample]],
        },
        class_names={"label": tuple("0123456789"), "coarse": COARSE},
        fields={
            "label": digit[sample],
            "pixels": (_source().data[sample] / _INK).astype(np.float32),
        },
        others=np.flatnonzero(~chosen),
    )


def load(root: Path, download: bool = False) -> DataSet:
    """Returns the digits with their images.

    Args:
        root: Not used; scikit-learn contains the images.
        download: Not used.

    Returns:
        The dataset, with uint8 (1, 8, 8) images and the columns of `columns`.
    """
    from rrl_dsl.data.dataset import DataSet

    train, test = columns("train"), columns("test")
    return DataSet(
        name=train.name,
        train=_split(train),
        test=_split(test),
        class_names=train.class_names,
        shape=(1, 8, 8),
        augmentation="digits",
    )


def _split(chosen: Columns) -> Split:
    import torch

    from rrl_dsl.data.dataset import Split, tensors

    ink = _source().images[chosen.sample]
    images = torch.from_numpy(np.round(ink * (255 / _INK)).astype(np.uint8))[:, None]
    sample = torch.from_numpy(chosen.sample)
    return Split(images, sample, tensors(chosen.labels), tensors(chosen.fields))


@cache
def _source() -> Any:
    return load_digits()
