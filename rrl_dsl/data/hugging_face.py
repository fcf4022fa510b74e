"""`hf:PATH`: a dataset that the library datasets of Hugging Face wrote with `save_to_disk`.

| feature | content |
|---|---|
| `Image` | the images: the column `image`, or the only one |
| `ClassLabel` | a label. Without `label`, the one with the most classes is also `label` |
| any other scalar or list | a column; `rrl_dsl.data.kinds` decides by the values |
| `sample` | optional ids, as for a table; by default, the position in train, val and test |

A `DatasetDict` has its splits: `train`, `validation` (or `val`) and `test`. In a `Dataset`, the
column `split` may have them. The files stay on disk: they are mapped, and an image is decoded when
a batch needs it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds
import torch

from rrl_dsl.data.assembling import Rows, dataset_of_files, rows_of
from rrl_dsl.data.cells import Cells, of_table_column, unreadable
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.ids_and_splits import PARTS, Ids, part_of
from rrl_dsl.data.image_check import listed
from rrl_dsl.data.unknown import how_to_list, words_of
from rrl_dsl.language.diagnostics import error, listing
from rrl_dsl.language.digest import stable_id
from rrl_dsl.language.machine import is_out_of_memory
from rrl_dsl.tables.arrow import ArrowTable
from rrl_dsl.tables.faults import HEADER, Faults, Location
from rrl_dsl.tables.table import WHAT_IS_READ

_CODE: Final = "RRL412"
_IMAGE: Final = "image"
_LABEL: Final = "label"
_WRITE: Final = "write it with `dataset.save_to_disk(PATH)`"


@dataclass(frozen=True)
class _Source:
    """A split on disk.

    Attributes:
        path: The folder.
        part: The name of the split, or the empty text if the folder has no splits.
        images: The `datasets.Dataset` of the encoded images.
        column: The name of its column.
        stamp: A number that changes with the files.
    """

    path: Path
    part: str
    images: Any
    column: str
    stamp: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """An image in a row of a dataset."""

    source: _Source
    row: int

    @property
    def name(self) -> str:
        """The split and the row."""
        return f"{self.source.part}/{self.row}"

    @property
    def state(self) -> list[int]:
        """The state of the files."""
        return [self.source.stamp]

    def open(self) -> BytesIO:
        """Reads the content.

        Raises:
            RRLError: RRL412 if the row has no image.
        """
        image = self.source.images[self.row][self.source.column]
        if image is None or image["bytes"] is None:
            hint = f"remove the row; to embed images of other files, {_WRITE}"
            raise error(_CODE, f"{self} has no image", hint=hint)
        return BytesIO(image["bytes"])

    def __str__(self) -> str:
        split = f" of `{self.source.part}`" if self.source.part else ""
        return f"row {self.row}{split} in {self.source.path}"


def load(
    path: Path, size: int | None, *, skip_unreadable: bool = False, test_share: float | None = None
) -> DataSet:
    """Loads a dataset with the layout that this module describes.

    Args:
        path: The folder.
        size: The side of the images in pixels, as for an image folder.
        skip_unreadable: Whether to leave out images that cannot be read.
        test_share: The share of the images to hold out for testing if there are only training
            images; None for a fifth.

    Returns:
        The dataset, with images as those of an image folder, and the labels and fields of the other
        columns.

    Raises:
        RRLError: RRL410 if the folder does not exist, or the package datasets is not installed;
            RRL412 if the content is malformed.
    """
    parts, ignored = _splits_of(path)
    # a saved format may hide columns, or convert their values
    parts = {part: data.with_format(None) for part, data in parts.items()}
    features = next(iter(parts.values())).features
    for part, data in parts.items():
        if data.features != features:
            message = f"{path} has other columns in `{part}` than in the other splits"
            hint = "give all splits the same features: `dataset.cast(features)`"
            raise error(_CODE, message, hint=hint)
    image = _image_column(path, features)
    images = [
        Encoded(source, row)
        for source in _sources(path, parts, image)
        for row in range(len(source.images))
    ]
    declared = [part for part, data in parts.items() for _ in range(len(data))]
    rows = rows_of(
        str(path),
        _cells(path, parts, image),
        Ids(torch.arange(len(images))),
        how_to_list(path),
        declared if any(parts) else None,
    )
    rows = _labeled(rows, parts)
    if ignored:
        rows = replace(rows, notes=(*rows.notes, f"{path}: ignored splits: {listed(ignored)}"))
    return dataset_of_files(
        f"hf:{path}", images, rows, size, test_share, skip_unreadable=skip_unreadable
    )


def _splits_of(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Split -> its `datasets.Dataset`, and the names of further splits.

    A dataset without splits has the empty text as the name.
    """
    try:
        import datasets
    except ImportError as reason:
        hint = "install it with `pip install 'rrl-dsl[hf]'`"
        raise error("RRL410", "`hf:PATH` needs the package datasets", hint=hint) from reason
    if not os.path.isdir(path):
        raise error("RRL410", f"there is no folder {path}", hint=_WRITE)
    for file in path.rglob("*"):
        if not (file.is_file() or file.is_dir()):  # reading a pipe may never end
            raise error(_CODE, f"{file} is neither a file nor a folder")
    try:
        read = datasets.load_from_disk(str(path))
        for data in [read] if isinstance(read, datasets.Dataset) else read.values():
            data.data.validate(full=True)  # a wrong offset in a mapped file ends the process
    except Exception as reason:  # of a damaged folder it may raise anything
        if is_out_of_memory(reason):
            raise
        cause = str(reason).partition("\n")[0] or type(reason).__name__
        hint = f"{_WRITE}; every split must have rows"
        raise error(_CODE, f"{path} is not a saved dataset: {cause}", hint=hint) from reason
    if isinstance(read, datasets.Dataset):
        return {"": read}, []
    named = {part_of(name): data for name, data in read.items()}
    ignored = [name for name in read if part_of(name) is None]
    if len(named) + len(ignored) - bool(ignored) < len(read):
        raise error(_CODE, f"{path} has two validation splits: {listing(read, 'and')}")
    splits: dict[str, Any] = {part: named[part] for part in PARTS if part in named}
    if not splits:
        raise error(_CODE, f"{path} has the splits {listing(read, 'and')}, but not `train`")
    return splits, ignored


def _sources(path: Path, parts: Mapping[str, Any], column: str) -> Iterator[_Source]:
    from datasets import Image

    for part, data in parts.items():
        states = [os.stat(file["filename"]) for file in data.cache_files]
        times = [(state.st_size, state.st_mtime_ns, state.st_ctime_ns) for state in states]
        images = data.select_columns([column]).cast_column(column, Image(decode=False))
        yield _Source(path, part, images, column, stable_id(repr(times)))


def _image_column(path: Path, features: Mapping[str, Any]) -> str:
    from datasets import Image

    names = [name for name, feature in features.items() if isinstance(feature, Image)]
    if _IMAGE in names or len(names) == 1:
        return _IMAGE if _IMAGE in names else names[0]
    if names:
        hint = f"rename the one to read to `{_IMAGE}`: `dataset.rename_column`"
        raise error(
            _CODE, f"{path} has several columns of images: {listing(names, 'and')}", hint=hint
        )
    hint = "write vectors with `dataset.to_parquet` and read them as `table:PATH`"
    raise error(_CODE, f"{path} has no column of images", hint=hint)


def _cells(path: Path, parts: Mapping[str, Any], image: str) -> list[Cells]:
    """The columns other than the images and the class labels."""
    from datasets import ClassLabel

    [data, *_] = parts.values()
    rows, unknown = sum(len(data) for data in parts.values()), words_of(path)
    cells = []
    for at, (name, feature) in enumerate(data.features.items()):
        if name == image or isinstance(feature, ClassLabel):
            continue
        kind = data.features.arrow_schema.field(name).type
        if _is_read(kind):
            table = ArrowTable(pa.table({name: _column(parts, name)}), str(path), _CODE)
            cells.append(of_table_column(table.columns()[0], unknown))
            continue
        faults = Faults(_CODE, str(path))
        message = f"`{name}` has values of type {kind}, which is not supported"
        faults.add(message, Location(HEADER, at), WHAT_IS_READ)
        cells.append(unreadable(name, at, rows, faults))
    return cells


def _is_read(kind: Any) -> bool:
    """Whether a column of a type is read into memory."""
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        kind = kind.value_type
    is_binary = kinds.is_binary(kind) or kinds.is_large_binary(kind)
    return not (kinds.is_nested(kind) or is_binary or isinstance(kind, pa.BaseExtensionType))


def _column(parts: Mapping[str, Any], name: str) -> Any:
    """A column of all splits, as a `pyarrow.ChunkedArray`."""
    tables = [data.select_columns([name]).with_format("arrow")[:] for data in parts.values()]
    return pa.concat_tables(tables).column(name)


def _labeled(rows: Rows, parts: Mapping[str, Any]) -> Rows:
    """The rows with the class labels."""
    from datasets import ClassLabel

    [data, *_] = parts.values()
    labels, class_names = rows.columns.labels, rows.columns.class_names
    classes = {
        name: tuple(feature.names)
        for name, feature in data.features.items()
        if isinstance(feature, ClassLabel)
    }
    for name, names in classes.items():
        values = _column(parts, name).fill_null(-1).to_numpy()
        labels[name], class_names[name] = np.maximum(values, -1).astype(np.int64), names
    if _LABEL in labels or not classes:
        return rows
    finest = max(classes, key=lambda name: len(classes[name]))
    labels[_LABEL], class_names[_LABEL] = labels[finest], class_names[finest]
    note = f"{rows.place}: there is no column `{_LABEL}`, so `{finest}` is the label"
    return replace(rows, notes=(*rows.notes, note))
