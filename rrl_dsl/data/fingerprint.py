"""What a dataset is by its content, so that the same data are known in another place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from rrl_dsl.data.dataset import DataSet, Images, Split
from rrl_dsl.data.image_files import ImageFiles

_LOOKED_AT: Final = 64
"""Images of a store that is neither a tensor nor files, evenly spaced."""


def fingerprint(dataset: DataSet) -> str:
    """SHA-256 of a dataset's content, 64 hexadecimal digits; its name and place do not count.

    It is made of the ids, labels, class names and fields of every split, and of the images: the
    pixels of those in memory, the size in bytes of each image file, and `_LOOKED_AT` images of any
    other store. A file that changes and keeps its size is not noticed.
    """
    digest = hashlib.sha256()
    for part in _parts(dataset):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(dataset: DataSet) -> Iterator[bytes]:
    yield repr((dataset.shape, sorted(dataset.class_names.items()))).encode()
    for name, split in (("train", dataset.train), ("val", dataset.val), ("test", dataset.test)):
        if split is not None:
            yield name.encode()
            yield from _of_split(split)


def _of_split(split: Split) -> Iterator[bytes]:
    for name, column in sorted({"": split.sample, **split.labels, **split.fields}.items()):
        yield name.encode()
        yield _content(column)
    yield from _of_images(split.images)


def _of_images(images: Images) -> Iterator[bytes]:
    if isinstance(images, Tensor):
        yield _content(images)
    elif isinstance(images, ImageFiles):
        yield repr((images.size, [path.stat().st_size for path in images.paths])).encode()
    else:
        places = torch.linspace(0, len(images) - 1, min(len(images), _LOOKED_AT)).long()
        yield _content(images[places])


def _content(values: Tensor) -> bytes:
    """Shape, type and bytes of a tensor."""
    array = values.contiguous().cpu().numpy()
    return repr((array.shape, array.dtype.str)).encode() + array.tobytes()
