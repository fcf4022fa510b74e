"""`fashion-mnist`, `cifar10` and `cifar100`, read with torchvision.

Ids count the images in the official order, first the training images, then the test images.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import datasets
from torchvision.datasets.utils import check_integrity

from rrl_dsl.data.dataset import DataSet, Split, coarsen
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.files import open_file
from rrl_dsl.language.machine import is_out_of_memory

FASHION_COARSE = ("tops", "bottoms", "dresses", "shoes", "bags")
_FASHION_COARSE_OF = (0, 1, 0, 2, 0, 3, 0, 3, 4, 3)

_UNREADABLE = (
    OSError,
    RuntimeError,
    HTTPException,
    AssertionError,
    EOFError,
    TypeError,
    ValueError,
)
"""The exceptions of torchvision for files that are missing, damaged or not downloadable."""


def fashion_mnist(root: Path, download: bool = False) -> DataSet:
    """Loads Fashion-MNIST: 60,000 + 10,000 gray images of clothes, 28 x 28, in 10 classes.

    Args:
        root: The folder that contains `FashionMNIST/raw`.
        download: Whether to download missing files.

    Returns:
        The dataset, with uint8 (1, 28, 28) images, `label` and `coarse` (tops, bottoms, dresses,
        shoes, bags).

    Raises:
        RRLError: RRL410 if the files are missing; RRL412 if they are damaged.
    """
    kind = datasets.FashionMNIST
    files = {Path(name).stem: None for name, _ in kind.resources}
    folder = root / "FashionMNIST" / "raw"
    train, test = _open("fashion-mnist", kind, folder, files, root, download)

    def split(part: Any, first: int) -> Split:
        label = part.targets.to(torch.int64)
        labels = {"label": label, "coarse": coarsen(label, _FASHION_COARSE_OF)}
        return Split(part.data[:, None], torch.arange(first, first + len(label)), labels)

    return DataSet(
        name="fashion-mnist",
        train=split(train, 0),
        test=split(test, len(train)),
        class_names={"label": tuple(kind.classes), "coarse": FASHION_COARSE},
        shape=(1, 28, 28),
        augmentation="small-gray",
    )


def cifar10(root: Path, download: bool = False) -> DataSet:
    """Loads CIFAR-10: 50,000 + 10,000 color images, 32 x 32, in 10 classes.

    Args:
        root: The folder that contains `cifar-10-batches-py`.
        download: Whether to download missing files.

    Returns:
        The dataset, with uint8 (3, 32, 32) images and `label`.

    Raises:
        RRLError: RRL410 if the files are missing; RRL412 if they are not the official ones.
    """
    train, test = _open_cifar("cifar10", datasets.CIFAR10, root, download)
    return _cifar(
        "cifar10",
        _cifar_split(train, {"label": train.targets}, 0),
        _cifar_split(test, {"label": test.targets}, len(train)),
        {"label": tuple(train.classes)},
    )


def cifar100(root: Path, download: bool = False) -> DataSet:
    """Loads CIFAR-100: 50,000 + 10,000 color images, 32 x 32, in 100 fine and 20 coarse classes.

    Args:
        root: The folder that contains `cifar-100-python`.
        download: Whether to download missing files.

    Returns:
        The dataset, with uint8 (3, 32, 32) images, `fine`, `coarse`, and `label`, which is `fine`.

    Raises:
        RRLError: RRL410 if the files are missing; RRL412 if they are not the official ones.
    """
    train, test = _open_cifar("cifar100", datasets.CIFAR100, root, download)
    folder = root / datasets.CIFAR100.base_folder

    def labels(part: Any, file: str) -> dict[str, Sequence[int]]:
        # torchvision reads only the fine labels
        coarse = _unpickle(folder / file)["coarse_labels"]
        return {"fine": part.targets, "coarse": coarse, "label": part.targets}

    fine = tuple(train.classes)
    coarse = tuple(_unpickle(folder / "meta")["coarse_label_names"])
    return _cifar(
        "cifar100",
        _cifar_split(train, labels(train, "train"), 0),
        _cifar_split(test, labels(test, "test"), len(train)),
        {"fine": fine, "coarse": coarse, "label": fine},
    )


def _cifar(
    name: str, train: Split, test: Split, class_names: Mapping[str, tuple[str, ...]]
) -> DataSet:
    return DataSet(name, train, test, class_names, shape=(3, 32, 32), augmentation="cifar")


def _cifar_split(part: Any, labels: Mapping[str, Sequence[int]], first: int) -> Split:
    images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()
    sample = torch.arange(first, first + len(images))
    return Split(images, sample, {name: _column(values) for name, values in labels.items()})


def _column(values: Sequence[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def _unpickle(path: Path) -> dict[str, Any]:
    # torchvision has already compared the checksum of the file with the official one
    with open_file(path) as file:
        content: dict[str, Any] = pickle.load(file, encoding="latin1")
    return content


def _open_cifar(name: str, kind: Any, root: Path, download: bool) -> tuple[Any, Any]:
    files = dict([*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])])
    return _open(name, kind, root / kind.base_folder, files, root, download)


def _open(
    name: str,
    kind: Any,
    folder: Path,
    files: Mapping[str, str | None],
    root: Path,
    download: bool,
) -> tuple[Any, Any]:
    """The training and the test set of torchvision.

    Raises:
        RRLError: RRL410 if files are missing, RRL412 if they are damaged.
    """
    if not os.path.isdir(folder) and not download:
        raise error(
            "RRL410",
            f"dataset `{name}` is not in {folder}",
            hint="download it with `--download` (in Python: `download=True`), or pass the "
            f"folder above `{folder.relative_to(root).parts[0]}` as the data directory",
        )
    try:
        return kind(root, train=True, download=download), kind(root, train=False)
    except _UNREADABLE as reason:
        if is_out_of_memory(reason):
            raise
        wrong = _wrong_files(folder, files)
        if wrong and download:
            raise _not_downloaded(name, root, reason) from reason
        raise _damaged(name, folder, wrong, reason) from reason


def _wrong_files(folder: Path, files: Mapping[str, str | None]) -> list[str]:
    """The errors of files that are missing or have a wrong checksum."""
    wrong = []
    for file, checksum in files.items():
        if not os.path.isfile(folder / file):
            wrong.append(f"`{file}` is missing")
        elif not check_integrity(folder / file, checksum):
            wrong.append(f"`{file}` is not the official file")
    return wrong


def _not_downloaded(name: str, root: Path, reason: Exception) -> RRLError:
    return error(
        "RRL410",
        f"dataset `{name}` could not be downloaded to {root}: {reason}",
        hint="try again, or copy the official files there by hand",
    )


def _damaged(name: str, folder: Path, wrong: Sequence[str], reason: Exception) -> RRLError:
    what = ", ".join(wrong) or f"they cannot be read ({type(reason).__name__}: {reason})"
    return error(
        "RRL412",
        f"the files of the dataset `{name}` in {folder} are incomplete or damaged: {what}",
        hint="remove that folder and download it again with `--download`; read a copy in "
        "another format as `npz:PATH` or `imagefolder:PATH`",
    )
