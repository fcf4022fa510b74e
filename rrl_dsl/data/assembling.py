"""Joins samples, their columns and their splits into a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from rrl_dsl.data.cells import Cells
from rrl_dsl.data.channel_statistics import statistics_of
from rrl_dsl.data.column_files import Further, further, with_vectors
from rrl_dsl.data.dataset import DataSet, Images, Split, tensors
from rrl_dsl.data.holding_out import splits_of
from rrl_dsl.data.ids_and_splits import Ids, ids_of, splits_in
from rrl_dsl.data.image_check import check, name_of
from rrl_dsl.data.image_files import ImageFile, ImageFiles
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.language.digest import normal
from rrl_dsl.tables.faults import Faults

_SAMPLE: Final = "sample"
_SPLIT: Final = "split"
_SMALL_SIDE: Final = 64
_USUAL_SIDE: Final = 224
"""The side to which larger images are resized by default, as is usual for ImageNet."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The columns of n samples: everything except their images.

    Attributes:
        place: Where they are, for messages.
        columns: The labels and fields.
        ids: Their ids.
        declared: The split of each sample: `train`, `val` or `test`.
        notes: Warnings about how they were read.
    """

    place: str
    columns: Further
    ids: Ids
    declared: Sequence[str]
    notes: Sequence[str] = ()


def rows_of(
    place: str,
    cells: Sequence[Cells],
    ids: Ids,
    other_words: str,
    declared: Sequence[str] | None = None,
) -> Rows:
    """Decides the kinds of columns. The column `sample` has the ids, and `split` the splits.

    Args:
        place: Where the samples are, for messages.
        cells: The columns of n samples.
        ids: The ids if there is no column `sample`.
        other_words: A hint that says how to use other words for a missing value.
        declared: The splits, so that a column `split` is an error; None if there is such a column,
            or all samples are for training.

    Raises:
        RRLError: RRL412 if ids or splits are wrong, or a column has a reserved name.
    """

    def fault(what: str, hint: str | None) -> RRLError:
        return error("RRL412", f"{place} {what}", hint=hint)

    names = (_SAMPLE,) if declared else (_SAMPLE, _SPLIT)
    own = {column.name: column for column in cells if column.name in names}
    others = [column for column in cells if column.name not in own]
    columns = further(with_vectors(others), (), Faults("RRL412", place), other_words)
    if _SAMPLE in own:
        ids = ids_of(own[_SAMPLE], fault)
    if declared is None:
        declared = splits_in(own[_SPLIT], fault) if _SPLIT in own else ["train"] * len(ids.sample)
    return Rows(place, columns, ids, declared)


def dataset_of(
    name: str,
    images: Images,
    rows: Rows,
    augmentation: str,
    test_share: float | None,
    *,
    kept: Sequence[int] | None = None,
) -> DataSet:
    """Returns the dataset of n samples.

    Args:
        name: Its name.
        images: The n images, vectors or sequences.
        rows: Their ids, splits, labels and fields.
        augmentation: The default augmentation.
        test_share: The share of the samples to hold out for testing if all are for training; None
            for a fifth.
        kept: The indices of the samples to use; None for all.

    Raises:
        RRLError: RRL412 if the splits are wrong, or nothing is left of one.
    """
    labels, fields = tensors(rows.columns.labels), tensors(rows.columns.fields)
    whole = Split(images, rows.ids.sample, labels, fields, rows.ids.names)
    part_of = splits_of(rows.declared, rows.ids.sample, test_share, rows.place)
    kept = range(len(whole)) if kept is None else kept

    def split(part: str) -> Split:
        chosen = [row for row in kept if part_of[row] == part]
        if not chosen:
            hint = "restore images, or move others to this split"
            raise error("RRL412", f"{rows.place} has no readable `{part}` image", hint=hint)
        return whole.at(torch.tensor(chosen))

    train = split("train")
    return DataSet(
        name=name,
        train=train,
        val=split("val") if "val" in part_of else None,
        test=split("test"),
        class_names=rows.columns.class_names,
        shape=tuple(train.images[torch.zeros(1, dtype=torch.int64)].shape[1:]),
        augmentation=augmentation,
        notes=(*rows.columns.notes, *map(note, rows.notes)),
        unreadable=rows.columns.unreadable,
        statistics=statistics_of(train.images, train.sample),
        test_is_drawn=set(rows.declared) == {"train"},
    )


def dataset_of_files(
    name: str,
    files: Sequence[ImageFile],
    rows: Rows,
    size: int | None,
    test_share: float | None,
    *,
    skip_unreadable: bool,
) -> DataSet:
    """Returns the dataset of n image files, which are checked.

    Args:
        name: Its name.
        files: The n files.
        rows: Their ids, splits, labels and fields.
        size: The side of the images in pixels; None for the shorter side of the largest image, but
            at most `_USUAL_SIDE`.
        test_share: As for `dataset_of`.
        skip_unreadable: Whether to leave out images that cannot be read.

    Raises:
        RRLError: RRL412 if an image cannot be read, images differ in channels, or the splits are
            wrong; RRL410 if the images need tifffile, which is not installed.
    """
    place = Path(rows.place)
    checked = check(place, files)
    if not skip_unreadable:
        checked.stop()
    checked.check_channels(files)
    if size is None:
        size = min(_USUAL_SIDE, max(1, checked.side))
    small = "cifar" if size <= _SMALL_SIDE else "photo"
    names = [normal(name_of(place, file)) for file in files]
    rows = replace(rows, notes=(*rows.notes, *checked.notes(place, names)))
    return dataset_of(
        name,
        ImageFiles(tuple(files), size, tuple(checked.digests), checked.deep),
        rows,
        "crop" if checked.deep else small,
        test_share,
        kept=[row for row in range(len(files)) if row not in checked.unreadable],
    )


def note(message: str) -> Diagnostic:
    """Returns a warning about how a dataset was read."""
    return Diagnostic("RRL426", message, severity="warning")
