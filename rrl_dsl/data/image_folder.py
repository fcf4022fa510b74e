"""`imagefolder:PATH`: images in a folder per class, decoded on access.

| in PATH | content |
|---|---|
| `train/` | the training split: a folder for every class |
| `val/`, `valid/`, `validation/` | the validation split; without `test/` it is the test split |
| `test/` | the test split |
| `unlabeled/` | further training images of unknown class |
| `hierarchy.yaml` | the coarse class of every class |
| `columns.csv`, `.tsv`, `.parquet` | further columns; see `rrl_dsl.data.column_files` |
| `columns.yaml` | the words for a missing value; see `rrl_dsl.data.unknown` |

The folder of a class may contain further folders. Images beside the folders of the classes, and
those in a folder whose name is in `UNLABELED`, have no class. A PATH without `train/`, `val/` and
`test/` is one split. Without `val/` and `test/`, a hash of the path draws the test split.
`rrl_dsl.data.folder_rule` says which files are images.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rrl_dsl.data import column_files
from rrl_dsl.data.assembling import Rows, dataset_of_files, note
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.folder_rule import FolderRule, is_side
from rrl_dsl.data.ids_and_splits import NAMES, PARTS, hashed
from rrl_dsl.data.image_check import listed
from rrl_dsl.data.unknown import words_of
from rrl_dsl.data.written import is_negative
from rrl_dsl.data.yaml_files import read_yaml
from rrl_dsl.language.diagnostics import RRLError, did_you_mean, error
from rrl_dsl.language.digest import normal
from rrl_dsl.language.files import resolved

UNLABELED: Final = ("unlabeled", "unlabelled", "_unlabeled", "_unlabelled")
"""The names of folders whose images have no class; case is ignored."""

_HIERARCHY_STEM: Final = "hierarchy"
_HIERARCHY: Final = f"{_HIERARCHY_STEM}.yaml"


@dataclass(frozen=True)
class _ImageFile:
    """An image file: its split, its path relative to the dataset, and its class."""

    part: str
    name: str
    label: str | None
    path: Path


def load(
    path: Path,
    size: int | None = None,
    *,
    skip_unreadable: bool = False,
    test_share: float | None = None,
) -> DataSet:
    """Loads the images of a folder with the layout that this module describes.

    The classes are those of `train`, sorted by name; if `train` has none, those of the other
    splits. The id of a sample is a hash of its path relative to `path`, in Unicode's normal form C.

    Args:
        path: The folder.
        size: The side of the images in pixels. The shorter side of an image is resized to it,
            before the center is cropped. None for the shorter side of the largest image, but at
            most 224.
        skip_unreadable: Whether to leave out images that cannot be read.
        test_share: The share of the images to hold out for testing if there are only training
            images; None for a fifth.

    Returns:
        The dataset, with uint8 (3, size, size) images, or float32 (C, size, size) if some files
        have bands or more than 8 bits per channel, `label` if images have classes, `coarse` if
        there is a hierarchy, and the labels and fields of the table if there is one.

    Raises:
        RRLError: RRL410 if a folder does not exist; RRL412 if its content is malformed.
    """
    rule = FolderRule()
    images = [*_images_of(path, rule)]
    _check_names(path, images)
    labels, class_names = _labels_of(path, images)
    table = column_files.read(path, [image.name for image in images], taken=class_names)
    columns = replace(
        table, labels=labels | table.labels, class_names=class_names | table.class_names
    )
    ids = hashed([image.name for image in images])
    declared = [image.part for image in images]
    dataset = dataset_of_files(
        f"imagefolder:{path}",
        [image.path for image in images],
        Rows(str(path), columns, ids, declared),
        size,
        test_share,
        skip_unreadable=skip_unreadable,
    )
    notes = map(note, _notes(path, rule, images, dataset, labels))
    return replace(dataset, notes=(*dataset.notes, *notes))


def reads(path: Path, file: Path) -> bool:
    """Whether the dataset in a folder would read a file of this path, or refuse it.

    Raises:
        RRLError: RRL410 if the folder does not exist.
    """
    inside = [folder.name for folder in _folders_of(path).values() if folder != path]
    for base, given in itertools.product(
        (path.absolute(), resolved(path)), (file.absolute(), resolved(file))
    ):
        if not given.is_relative_to(base):
            continue
        below = given.relative_to(base).parts
        if len(below) == 1 and Path(below[0]).stem.casefold() in (
            column_files.STEM,
            _HIERARCHY_STEM,
        ):
            return True
        if not inside or below[0] in inside or below[0].casefold() in UNLABELED:
            return not is_side(file.name)
    return False


def _images_of(path: Path, rule: FolderRule) -> Iterator[_ImageFile]:
    """All images, those of `train` first."""
    for part, folder in _folders_of(path).items():
        folders, beside = rule.entries(folder)
        for file in beside:
            yield _ImageFile(part, _name(path, file), None, file)
        for child in folders:
            yield from _images_in(path, child, part, rule)
        if part == "train" and folder != path:
            for sibling in sorted(path.iterdir()):
                if sibling.name.casefold() in UNLABELED and os.path.isdir(sibling):
                    yield from _images_in(path, sibling, part, rule)


def _images_in(path: Path, folder: Path, part: str, rule: FolderRule) -> Iterator[_ImageFile]:
    name = normal(folder.name)
    label = None if name.casefold() in UNLABELED else name
    images = [*rule.below(folder)]
    if not images:
        hint = "add images, or remove the folder"
        raise error("RRL412", f"the class folder {folder} contains no images", hint=hint)
    for file in sorted(images, key=lambda file: normal(str(file)).split("/")):
        yield _ImageFile(part, _name(path, file), label, file)


def _name(path: Path, file: Path) -> str:
    return normal(file.relative_to(path).as_posix())


def _folders_of(path: Path) -> dict[str, Path]:
    """Split -> its folder; only `train` if the folder has no splits."""
    hint = (
        "use the layout PATH/train/CLASS/image.png and PATH/test/CLASS/image.png, or "
        "without splits PATH/CLASS/image.png or PATH/image.png"
    )
    if not os.path.isdir(path):
        raise error("RRL410", f"there is no folder {path}", hint=hint)
    try:
        # case is ignored, but a name in lower case takes precedence
        inside = sorted(os.listdir(path), key=lambda name: name == name.casefold())
    except OSError as reason:
        raise error("RRL410", f"{path} cannot be read: {reason.strerror}") from None
    there = {name.casefold(): path / name for name in inside if os.path.isdir(path / name)}
    folders = {
        part: next(there[name] for name in names if name in there)
        for part, names in NAMES.items()
        if there.keys() & set(names)
    }
    if not folders:
        if not inside:
            raise error("RRL410", f"there is no folder `train` in {path}, and no image", hint=hint)
        return {"train": path}
    if "train" not in folders:
        raise error("RRL410", f"there is no folder `train` in {path}", hint=hint)
    return folders


def _check_names(path: Path, images: Sequence[_ImageFile]) -> None:
    if not any(image.part == "train" for image in images):
        raise error("RRL412", f"{path} contains no training images")
    paths: dict[str, Path] = {}
    for image in images:
        other = paths.setdefault(image.name, image.path)
        if other is not image.path:
            message = f"{image.path} and {other} differ only in their Unicode normalization"
            raise error("RRL412", message, hint="rename one of them")


def _labels_of(
    path: Path, images: Sequence[_ImageFile]
) -> tuple[dict[str, NDArray[np.int64]], dict[str, tuple[str, ...]]]:
    """The labels from the folders and the names of their classes; empty without classes."""
    of_part = {part: {image.label for image in images if image.part == part} for part in PARTS}
    of_part = {part: names - {None} for part, names in of_part.items()}
    classes = sorted(name for name in of_part["train"] or of_part["val"] | of_part["test"] if name)
    for image in images:
        if image.label is not None and image.label not in classes:
            raise error(
                "RRL412",
                f"the class `{image.label}` of {image.path} is missing in {path / 'train'}",
                hint=did_you_mean(image.label, classes) or "add training images of this class",
            )
    hierarchy = _hierarchy_in(path)
    coarse = _read_hierarchy(hierarchy, classes, words_of(path)) if hierarchy else None
    if not classes:
        return {}, {}
    number: dict[str | None, int] = {name: place for place, name in enumerate(classes)}
    number[None] = -1
    labels = {"label": np.array([number[image.label] for image in images], dtype=np.int64)}
    class_names = {"label": tuple(classes)}
    if coarse is not None:
        class_names["coarse"] = tuple(sorted({name for name in coarse if name is not None}))
        number = {name: place for place, name in enumerate(class_names["coarse"])} | {None: -1}
        coarse_of = [*(number[name] for name in coarse), -1]  # the last is that of unknown classes
        labels["coarse"] = np.array(coarse_of, dtype=np.int64)[labels["label"]]
    return labels, class_names


def _notes(
    path: Path,
    rule: FolderRule,
    images: Sequence[_ImageFile],
    dataset: DataSet,
    labels: Mapping[str, NDArray[np.int64]],
) -> Iterator[str]:
    """Warnings about how the folder was read."""
    left_out = [entry for entry in rule.left_out if entry.parent != path]
    if left_out:
        names = listed(_name(path, entry) for entry in left_out)
        yield f"{path}: {len(left_out):,} hidden and system files are ignored: {names}"
    labeled = sum(image.label is not None for image in images)
    if labeled < len(images):
        many = f"{len(images) - labeled:,} of {len(images):,} images"
        yield f"{path}: {many} are in no class folder and are unlabeled"
    if "coarse" in labels:
        unknown = int(((labels["label"] >= 0) & (labels["coarse"] < 0)).sum())
        if unknown:
            many = f"{unknown:,} of {len(images):,} images"
            yield f"{path}: {many} belong to a class whose coarse class is unknown"
    folders = _folders_of(path)
    if len(folders) == 1:
        many = f"{len(dataset.test):,} of {len(images):,} images"
        yield f"{path}: there is no test split; a hash of the path holds out {many}"
    elif "test" not in folders:
        yield f"{path}: there is no `test`, so `{folders['val'].name}` is the test split"
    if folders["train"] == path:
        return
    read = {folder.name for folder in folders.values()} | {*column_files.FILES, _HIERARCHY}
    top, beside = FolderRule().entries(path)
    unread = [entry.name for entry in [*top, *beside] if entry.name not in read]
    unread = [name for name in unread if name.casefold() not in UNLABELED]
    if unread:
        yield f"{path}: these entries next to the splits are ignored: {listed(unread)}"


def _hierarchy_in(folder: Path) -> Path | None:
    """The path of the hierarchy, if there is one."""
    called = sorted(path for path in folder.iterdir() if path.stem.casefold() == _HIERARCHY_STEM)
    for path in called:
        if path.name != _HIERARCHY and os.path.isfile(path):
            hint = f"the hierarchy must be named `{_HIERARCHY}`"
            raise error("RRL412", f"{path} is not used", hint=hint)
    return next((path for path in called if path.name == _HIERARCHY), None)


def _read_hierarchy(
    path: Path, classes: Sequence[str], unknown: frozenset[str]
) -> list[str | None]:
    """The name of the coarse class of every class; None for a word in `unknown` or a negative."""
    tree = read_yaml(path)
    if not isinstance(tree, Mapping) or not all(isinstance(name, str) for name in tree.values()):
        raise _bad_hierarchy(path, "must map each class to the name of its coarse class")
    strange = [name for name in tree if name not in classes]
    if strange:
        hint = did_you_mean(str(strange[0]), classes)
        raise _bad_hierarchy(path, f"names `{strange[0]}`, which is not a class folder", hint)
    missing = [name for name in classes if name not in tree]
    if missing:
        raise _bad_hierarchy(path, f"has no coarse class for `{missing[0]}`")
    named = [tree[name] for name in classes]
    return [None if name.casefold() in unknown or is_negative(name) else name for name in named]


def _bad_hierarchy(path: Path, what: str, hint: str | None = None) -> RRLError:
    return error(
        "RRL412", f"{path} {what}", hint=hint or "write one line per class, such as `cat: animal`"
    )
