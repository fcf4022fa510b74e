"""`digits`: the 1,797 hand-written digits that scikit-learn carries, 8 x 8 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

from rrl_dsl.data.dataset import DataSet, Split, coarsen

COARSE = ("loops", "strokes", "curves")
_COARSE_OF_DIGIT = (0, 1, 2, 2, 1, 2, 0, 1, 0, 0)


def load(root: Path, download: bool = False) -> DataSet:
    """The digits: 1,437 to train on and 360 to test on, always the same ones.

    Args:
        root: Not used; the images come with scikit-learn.
        download: Not used.

    Returns:
        uint8 (1, 8, 8) images, `label` (the digit) and `coarse` (loops 0 6 8 9, strokes 1 4 7,
        curves 2 3 5). A sample's id is its place in scikit-learn's array.
    """
    source = load_digits()
    # scikit-learn counts the ink of 4 x 4 cells: 0 to 16
    images = torch.from_numpy(np.round(source.images * (255 / 16)).astype(np.uint8))[:, None]
    label = torch.from_numpy(source.target.astype(np.int64))
    # every fifth of each digit in the order of the array: stratified by class, and spread over
    # the writers, whose digits stand together
    by_class = label.argsort(stable=True)
    tested = torch.zeros(len(label), dtype=torch.bool)
    tested[by_class[1::5]] = True

    def split(chosen: torch.Tensor) -> Split:
        digit = label[chosen]
        labels = {"label": digit, "coarse": coarsen(digit, _COARSE_OF_DIGIT)}
        return Split(images[chosen], chosen.nonzero().flatten(), labels)

    return DataSet(
        name="digits",
        train=split(~tested),
        test=split(tested),
        class_names={"label": tuple("0123456789"), "coarse": COARSE},
        shape=(1, 8, 8),
        augmentation="digits",
    )
