"""Writes some classes and images of CIFAR-100 as one archive for `--dataset npz:PATH`.

    python experiments/cifar100_subset.py --out cifar10of100.npz
    python experiments/cifar100_subset.py --dataset npz:cifar100.npz --out cifar10of100.npz

The classes are the first in alphabetical order. The images of a class are those with the smallest
SHA-256, so copies of CIFAR-100 in another order give the same subset.
"""

from __future__ import annotations

import argparse
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from rrl_dsl.data.dataset import Split
from rrl_dsl.data.registry import DEFAULT_ROOT, load


def chosen(split: Split, classes: int, count: int) -> torch.Tensor:
    """Returns the rows of some images of the first classes.

    Args:
        split: The samples.
        classes: The number of classes.
        count: The number of images of a class.
    """
    label = split.labels["fine"]

    def digest(row: int) -> bytes:
        return sha256(split.images[torch.tensor([row])].numpy().tobytes()).digest()

    kept: list[int] = []
    for index in range(classes):
        kept += sorted((label == index).nonzero()[:, 0].tolist(), key=digest)[:count]
    return torch.tensor(kept)


def main() -> None:
    """Writes the archive."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--dataset", default="cifar100", help="with the label `fine`")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_ROOT)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--train", type=int, default=400, help="training images of a class")
    parser.add_argument("--test", type=int, default=100, help="test images of a class")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    data = load(given.dataset, root=given.data_dir)
    parts = {
        "train": (data.train, chosen(data.train, given.classes, given.train)),
        "test": (data.test, chosen(data.test, given.classes, given.test)),
    }
    label = torch.cat([split.labels["fine"][rows] for split, rows in parts.values()])
    np.savez(
        given.out,
        images=np.concatenate([split.images[rows].numpy() for split, rows in parts.values()]),
        split=np.repeat(list(parts), [len(rows) for _, rows in parts.values()]),
        label=label.numpy(),
        label_names=np.array(data.class_names["fine"][: given.classes]),
    )
    print(f"{given.out}: {', '.join(f'{len(rows)} {name}' for name, (_, rows) in parts.items())}")


if __name__ == "__main__":
    main()
