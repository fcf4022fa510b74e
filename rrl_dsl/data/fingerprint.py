"""A fingerprint of the content of a dataset, which recognizes the same data elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

from rrl_dsl.data.dataset import DataSet, Images, Split
from rrl_dsl.data.image_files import ImageFiles
from rrl_dsl.data.python_dataset import ItemStore

_LOOKED_AT: Final = 64
"""The number of images to read from a store that is not known here."""


@lru_cache(maxsize=1)  # a run needs it several times
def fingerprint(dataset: DataSet) -> dict[str, str]:
    """Returns the size and a digest of every part of a dataset.

    The parts are the names of the classes and, for every split, the ids, the images, the labels and
    the fields: `train images` -> `1437 x 1 x 8 x 8, 5b0f…`. The name and the path of the dataset
    are ignored. The digest covers every pixel of images in memory, every byte of image files, and
    every item of a dataset of Python. Of other storage it covers `_LOOKED_AT` evenly spaced images.
    """
    return dict(_digests(dataset))


def _digests(dataset: DataSet) -> Iterator[tuple[str, str]]:
    yield "image shape", " x ".join(map(str, dataset.shape))
    yield "augmentation", dataset.augmentation
    for label, names in sorted(dataset.class_names.items()):
        yield f"classes of {label}", _described((len(names),), "\0".join(names).encode())
    for name, split in (("train", dataset.train), ("val", dataset.val), ("test", dataset.test)):
        if split is not None:
            yield from _of_split(name, split)


def _of_split(name: str, split: Split) -> Iterator[tuple[str, str]]:
    yield f"{name} images", _of_images(split.images)
    yield f"{name} ids", _of_tensor(split.sample)
    for kind, columns in (("label", split.labels), ("field", split.fields)):
        for column, values in sorted(columns.items()):
            yield f"{name} {kind} {column}", _of_tensor(values)


def _of_images(images: Images) -> str:
    if isinstance(images, Tensor):
        return _of_tensor(images)
    if isinstance(images, ImageFiles):
        content = repr((images.size, *images.digests)).encode()
        return _described((len(images),), content)
    if isinstance(images, ItemStore):
        return _described((len(images),), "".join(images.digests).encode())
    places = torch.linspace(0, len(images) - 1, min(len(images), _LOOKED_AT)).long()
    return f"{len(images)}, of which {_of_tensor(images[places])}"


def _of_tensor(values: Tensor) -> str:
    array = values.contiguous().cpu().numpy()
    return _described(array.shape, array.dtype.str.encode() + array.tobytes())


def _described(shape: tuple[int, ...], content: bytes) -> str:
    return f"{' x '.join(map(str, shape))}, {hashlib.sha256(content).hexdigest()[:32]}"
