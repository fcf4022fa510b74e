"""`npz:PATH`: a dataset in a NumPy archive.

| array | content |
|---|---|
| `images` | uint8, uint16 or floating point (N, H, W), (N, H, W, C) or (N, C, H, W) |
| `channels` | optional text, `first` or `last`: where C is, if the shape does not tell |
| `inputs` | in place of images: numbers (N, d), vectors; or (N, T, d), sequences; NaN is missing |
| `split` | optional strings (N,): `train`, `val`, `test`; else a hash of the id draws `test` |
| `sample` | optional integers or texts (N,), the ids; by default, the index in the archive |
| NAME | class numbers: integers (N,) up to 99,999, negative if unknown: a label and a number |
| NAME`_names` | optional strings: the names of the classes of NAME, which then is only a label |
| NAME | truth values, or integers 0 and 1, (N, C): a label with several of C classes per image |
| NAME | any other (N,), or numbers (N, d): `rrl_dsl.data.kinds` decides by the values |
| `prompts_`NAME | optional: NAME for each class of `label`, (classes, d), as of a `DataSet` |
| `unknown` | optional (K,), the words for a missing value; see `rrl_dsl.data.unknown` |

Labels are optional. Without an array `label`, the class numbers with the most classes are also
`label`, unless every image has its own class.
"""

from __future__ import annotations

import math
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rrl_dsl.data import cells
from rrl_dsl.data.arrays import arrays_of, augmentation_of, images_of, inputs_of
from rrl_dsl.data.assembling import Rows, dataset_of
from rrl_dsl.data.cells import NOT_UNICODE, NUMBERS, Cells
from rrl_dsl.data.column_files import Further, further
from rrl_dsl.data.columns import Array
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.ids_and_splits import Ids, ids_of, splits_in
from rrl_dsl.data.unknown import KEY, UNKNOWN, words
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.language.files import ARCHIVE_BYTES, check_size, is_utf8, open_file
from rrl_dsl.language.machine import is_out_of_memory
from rrl_dsl.tables.faults import Faults

Arrays = dict[str, Array]

_RESERVED = ("images", "inputs", "channels", "split", "sample", KEY)
_NAMES = "_names"
_PROMPTS = "prompts_"
_OTHER_WORDS = f"to use other words, list them in an array `{KEY}` of the archive"
_AS_VALUES = "store it with the type of its values: `array.astype(str)` or `astype(float)`"
_MAX_CLASSES = 100_000
"""Larger integers are times or ids, not class numbers."""


def load(
    path: Path, test_share: float | None = None, *, inputs: Sequence[str] | None = None
) -> DataSet:
    """Loads the dataset in an archive with the layout that this module describes.

    Args:
        path: The `.npz` file.
        test_share: The share of the images to hold out for testing if there are only training
            images; None for a fifth.
        inputs: The columns that the encoder reads, in place of images.

    Returns:
        The dataset, with the images, labels and fields of the archive.

    Raises:
        RRLError: RRL410 if the file does not exist; RRL412 if its content is malformed; RRL428 if
            it is too large.
    """
    archive = _Archive(path, *_read(path))
    columns = archive.columns()
    images, notes = archive.inputs(columns, inputs)
    rows = Rows(str(path), columns, archive.sample(), archive.splits(), notes)
    dataset = dataset_of(f"npz:{path}", images, rows, augmentation_of(images), test_share)
    return replace(dataset, prompts=archive.prompts())


def _read(path: Path) -> tuple[Arrays, list[str]]:
    """The arrays of an archive, and the names of the arrays of Python objects."""
    with _opened(path) as file:
        if not zipfile.is_zipfile(file):
            hint = "write one with `numpy.savez`; a truncated copy is not valid"
            raise error("RRL412", f"{path} is not an .npz archive", hint=hint)
        file.seek(0)
        try:
            unpacked = sum(member.file_size for member in zipfile.ZipFile(file).infolist())
            file.seek(0)
            archive = np.load(file, allow_pickle=False)
        except Exception as reason:  # NumPy may raise anything for a damaged archive
            if is_out_of_memory(reason):
                raise
            raise _unreadable(str(path), reason) from reason
        check_size(str(path), unpacked, ARCHIVE_BYTES)
        repeated = next((name for name, n in Counter(archive.files).items() if n > 1), None)
        if repeated is not None:
            raise error("RRL412", f"{path} has several arrays `{repeated}`")
        read = {name: _read_array(path, archive, name) for name in archive.files}
    arrays = {name: array for name, array in read.items() if array is not None}
    return arrays, [name for name, array in read.items() if array is None]


def _opened(path: Path) -> BufferedReader:
    try:
        return open_file(path)
    except OSError as reason:
        message = f"cannot read {path}: {reason.strerror}"
        raise error("RRL410", message, hint="give the path of an .npz file") from reason


def _read_array(path: Path, archive: Any, name: str) -> Array | None:
    """An array; None for an array of Python objects, because unpickling may run any code."""
    try:
        array = archive[name]
    except Exception as reason:  # NumPy may raise anything for a damaged array
        if is_out_of_memory(reason) and not _is_larger_than_its_file(archive, name):
            raise
        if isinstance(reason, ValueError) and "pickle" in str(reason):
            return None
        raise _unreadable(f"array `{name}` of {path}", reason) from reason
    if not isinstance(array, np.ndarray):
        message = f"{path} contains `{name}`, which is not an array"
        raise error("RRL412", message, hint="write the archive again with `numpy.savez`")
    if not array.itemsize:  # any number of empty strings takes no bytes in the file
        check_size(str(path), array.size, ARCHIVE_BYTES)
    return array


def _is_larger_than_its_file(archive: Any, name: str) -> bool:
    """Whether the header of an array declares more than the archive holds."""
    member = next(
        member for member in archive.zip.infolist() if member.filename.removesuffix(".npy") == name
    )
    with archive.zip.open(member) as file:
        if np.lib.format.read_magic(file) == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return math.prod(shape) * int(dtype.itemsize) > int(member.file_size)


def _unreadable(what: str, reason: Exception) -> RRLError:
    cause = str(reason).partition("\n")[0]
    hint = "write the archive again with `numpy.savez`"
    return error("RRL412", f"{what} cannot be read: {cause}", hint=hint)


class _Archive:
    """The arrays of a file, which are checked on access."""

    def __init__(self, path: Path, arrays: Arrays, objects: Sequence[str]) -> None:
        self._path = path
        self._arrays = arrays
        self._objects = objects
        for name in objects:
            if name in _RESERVED or self._names_classes(name):
                raise self._malformed(f"has an array `{name}` of Python objects", _AS_VALUES)
        self._input = self._chosen()
        self._rows = len(arrays[self._input]) if arrays[self._input].ndim else 0
        if self._rows == 0:
            raise self._malformed(
                f"has no samples in `{self._input}`", "the samples are along the first axis"
            )

    def _chosen(self) -> str:
        """The array of the samples: `images`, `inputs`, or the only array of vectors."""
        given = [name for name in ("images", "inputs") if name in self._arrays]
        if len(given) == 2:
            raise self._malformed("has both `images` and `inputs`", "rename one of them")
        vectors = [
            name
            for name, array in self._arrays.items()
            if name not in _RESERVED
            and array.dtype.kind in NUMBERS
            and array.ndim in (2, 3)
            and not self._prompts(name)
        ]
        if not given and len(vectors) != 1:
            names = ", ".join(self._arrays) or "nothing"
            what = f"has no array `images` or `inputs`; it contains {names}"
            hint = "name the array of images `images`, or that of vectors `inputs`"
            raise self._malformed(what, hint)
        return (given or vectors)[0]

    def inputs(self, columns: Further, chosen: Sequence[str] | None) -> tuple[Tensor, list[str]]:
        """Returns the samples, as in `Split`, and notes.

        Args:
            columns: The columns.
            chosen: The columns to read in place of the samples.
        """
        if chosen is not None:
            return inputs_of(columns, chosen, self._rows, self._malformed)[0], []
        values, name = self._arrays[self._input], self._input
        if name == "images":
            return images_of(values, self._order(), self._malformed), []
        vectors = arrays_of(values, name, self._malformed)
        if name == "inputs":
            return vectors, []
        note = f"{self._path}: there is no array `inputs`, so the encoder reads `{name}`"
        return vectors, [note]

    def _order(self) -> str | None:
        """Where the channels of images are, if the archive has an array that says so."""
        if "channels" not in self._arrays:
            return None
        order = self._arrays["channels"]
        if order.dtype.kind != "U" or order.size != 1:
            raise self._malformed("has `channels`, which is not one text: `first` or `last`")
        return str(order.item())

    def columns(self) -> Further:
        """Returns the labels and fields."""
        read = {*_RESERVED, self._input} if self._arrays[self._input].ndim == 3 else {*_RESERVED}
        names = [name for name in [*self._arrays, *self._objects] if name not in read]
        names = [
            name for name in names if not self._names_classes(name) and not self._prompts(name)
        ]
        unknown = words(self._words()) if KEY in self._arrays else UNKNOWN
        cells = [self._cells(name, unknown) for name in names]
        columns = further(cells, (), Faults("RRL412", str(self._path)), _OTHER_WORDS)
        if "label" in columns.fields and "label" not in columns.labels:
            what = f"{self._arrays['label'].dtype} {self._arrays['label'].shape}"
            hint = "a class must be one integer or text: `astype(int)`, `ravel()`, `argmax(axis=1)`"
            raise self._malformed(f"has {what} in `label`, which are not classes", hint)
        numbered = [name for name in names if self._is_numbered(name, columns)]
        for name in numbered:
            raw = columns.fields[name]
            label = np.where(raw >= 0, raw, -1).astype(np.int64)  # NaN is not >= 0
            columns.labels[name], columns.class_names[name] = label, self._class_names(name, label)
            if name + _NAMES in self._arrays:
                del columns.fields[name]
        for name in names:
            if self._is_hot(name, columns) and name + _NAMES in self._arrays:
                columns.class_names[name] = self._hot_names(name)
        notes = [*columns.notes]
        finest = self._finest(numbered, columns)
        if "label" not in {**columns.labels, **columns.unreadable} and finest is not None:
            columns.labels["label"] = columns.labels[finest]
            columns.class_names["label"] = columns.class_names[finest]
            message = f"{self._path}: there is no array `label`, so `{finest}` is the label"
            notes.append(Diagnostic("RRL426", message, severity="warning"))
        return replace(columns, notes=tuple(notes))

    def _finest(self, numbered: Sequence[str], columns: Further) -> str | None:
        """The class numbers with the most classes, unless every image has its own class."""
        known = {name: columns.labels[name][columns.labels[name] >= 0] for name in numbered}
        shared = [name for name, label in known.items() if len(np.unique(label)) < len(label)]
        return max(shared, key=lambda name: len(columns.class_names[name]), default=None)

    def _cells(self, name: str, unknown: frozenset[str]) -> Cells:
        """An array as a column; it is unreadable if its length is not the number of images."""
        faults = Faults("RRL412", str(self._path))
        if name in self._objects:
            faults.add(
                f"`{name}` contains Python objects, which are not supported", hint=_AS_VALUES
            )
            return cells.unreadable(name, 0, self._rows, faults)
        array = self._arrays[name]
        if array.shape[:1] != (self._rows,):
            faults.add(
                f"the array `{name}` of {array.dtype} {array.shape} does not have one "
                f"entry for each of the {self._rows} samples"
            )
            return cells.unreadable(name, 0, self._rows, faults)
        if array.dtype.kind == "U" and array.ndim == 1:
            texts = [text.strip() for text in array.tolist()]
            return cells.of_text(name, 0, texts, faults, unknown)
        return cells.of_array(name, 0, array, faults, unknown)

    def sample(self) -> Ids:
        """Returns the ids of the N samples."""
        if "sample" not in self._arrays:
            return Ids(torch.arange(self._rows))
        return ids_of(self._cells("sample", UNKNOWN), self._malformed)

    def splits(self) -> list[str]:
        """Returns the split of every sample as the archive has it: `train`, `val` or `test`."""
        if "split" not in self._arrays:
            return ["train"] * self._rows
        return splits_in(self._cells("split", UNKNOWN), self._malformed)

    def prompts(self) -> dict[str, Tensor]:
        """Returns the prompts, as in `DataSet`."""
        prompts = {}
        for name in filter(self._prompts, self._arrays):
            if self._arrays[name].dtype.kind not in NUMBERS:
                raise self._malformed(f"has `{name}` of {self._arrays[name].dtype}, not of numbers")
            prompts[name.removeprefix(_PROMPTS)] = torch.from_numpy(self._arrays[name])
        return prompts

    def _prompts(self, name: str) -> bool:
        return name.startswith(_PROMPTS) and name.removeprefix(_PROMPTS) in self._arrays

    def _names_classes(self, name: str) -> bool:
        return name.endswith(_NAMES) and name.removesuffix(_NAMES) in self._arrays

    def _is_numbered(self, name: str, columns: Further) -> bool:
        """Whether an array contains class numbers, as opposed to times or ids."""
        if self._is_hot(name, columns):
            return False
        whole = name in columns.labels and name in columns.fields
        if name + _NAMES in self._arrays:
            if not whole:
                what = f"has `{name}{_NAMES}`, but `{name}` does not contain class numbers"
                raise self._malformed(what)
            return True
        if not whole or self._arrays[name].dtype.kind not in "iu":
            return False
        return name == "label" or bool(self._arrays[name].max() < _MAX_CLASSES)

    def _is_hot(self, name: str, columns: Further) -> bool:
        """Whether an array has a column for each class."""
        return name in columns.labels and self._arrays[name].ndim == 2

    def _hot_names(self, name: str) -> tuple[str, ...]:
        names = self._strings(name + _NAMES)
        classes = self._arrays[name].shape[1]
        if len(names) != classes:
            what = f"names {len(names)} classes in `{name}{_NAMES}`, but `{name}` has {classes}"
            raise self._malformed(f"{what} columns", "name each of them")
        return tuple(names)

    def _class_names(self, name: str, label: NDArray[np.int64]) -> tuple[str, ...]:
        classes = int(label.max()) + 1
        if classes > _MAX_CLASSES:
            raise self._malformed(
                f"has the value {classes - 1} in `{name}`, which is too large for a class",
                hint="number the classes 0, 1, ..., and leave out arrays that are not labels",
            )
        if name + _NAMES not in self._arrays:
            return tuple(str(number) for number in range(classes))
        names = self._strings(name + _NAMES)
        if len(names) < classes:
            raise self._malformed(
                f"names {len(names)} classes in `{name}{_NAMES}`, but `{name}` has {classes}",
                "name the classes 0, 1, ... in this order",
            )
        return tuple(names)

    def _words(self) -> list[str]:
        """The words for a missing value; an array of numbers is allowed."""
        array = self._arrays[KEY]
        if array.dtype.kind in NUMBERS:
            return [str(value) for value in array.ravel().tolist()]
        return self._strings(KEY)

    def _strings(self, name: str) -> list[str]:
        array = self._arrays[name]
        if array.dtype.kind != "U" or array.ndim != 1:
            what = f"has an array `{name}` of {array.dtype} {array.shape}"
            raise self._malformed(
                f"{what}, which is not a list of texts", "store it as `array.astype(str).ravel()`"
            )
        texts = [str(text) for text in array.astype(np.str_)]
        if not all(map(is_utf8, texts)):
            raise self._malformed(f"has a text in `{name}` that is not Unicode", NOT_UNICODE)
        return texts

    def _malformed(self, what: str, hint: str | None = None) -> RRLError:
        return error("RRL412", f"{self._path} {what}", hint=hint)
