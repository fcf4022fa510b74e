"""`imagefolder:PATH`: images in one folder a class, decoded when they are asked for.

| in PATH | what it holds |
|---|---|
| `train/` | what is trained on: a folder for each class |
| `val/`, `valid/`, `validation/` | what the curves are measured on; without `test/` it is that |
| `test/` | what the final table is measured on |
| `unlabelled/` | further images to train on, of unknown class |
| `hierarchy.yaml` | the coarse class of each class |
| `columns.csv`, `.tsv`, `.parquet` | further columns; see `rrl_dsl.data.column_files` |
| `columns.yaml` | the words for a missing value; see `rrl_dsl.data.unknown` |

Images may lie in further folders below that of their class. Those in a folder of a name of
`UNLABELLED` are of unknown class, and so are those that lie beside the folders of the classes. A
PATH without `train/`, `val/` and `test/` is one folder of this kind itself, of which a hash of the
path holds out one image in five as the test split. `rrl_dsl.data.folder_rule` says which files are
images.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from rrl_dsl.data import column_files
from rrl_dsl.data.dataset import DataSet, Split, coarsen, held_out, tensors
from rrl_dsl.data.folder_rule import FolderRule
from rrl_dsl.data.image_check import Checked, check
from rrl_dsl.data.image_files import ImageFiles
from rrl_dsl.data.unknown import words_of
from rrl_dsl.data.written import is_negative
from rrl_dsl.data.yaml_files import read_yaml
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, did_you_mean, error
from rrl_dsl.language.digest import normal, stable_id

UNLABELLED: Final = ("unlabelled", "unlabeled", "_unlabelled", "_unlabeled")
"""Folders whose images are of unknown class; regardless of case."""

DEFAULT_SIZE: Final = 224
_VALIDATION: Final = ("val", "valid", "validation")
_NAMED_AS: Final = {"train": ("train",), "val": _VALIDATION, "test": ("test",)}
_NAMES: Final = [name for names in _NAMED_AS.values() for name in names]
_PARTS: Final = (*_NAMED_AS,)
_HIERARCHY_STEM: Final = "hierarchy"
_HIERARCHY: Final = f"{_HIERARCHY_STEM}.yaml"
_SMALL_SIDE: Final = 64
_NAMED: Final = 3


@dataclass(frozen=True)
class _Found:
    """An image file: the part that it is in, its path below the data set, and its class."""

    part: str
    name: str
    label: str | None
    path: Path


def load(path: Path, size: int = DEFAULT_SIZE, *, skip_unreadable: bool = False) -> DataSet:
    """The images of a folder; this module says how it is laid out.

    The classes are those of `train`, or of the other splits where it has none, sorted by name. A
    sample's id is a hash of its path below `path`, in Unicode's normal form C.

    Args:
        path: The folder.
        size: The side in pixels that the shorter side of every image is resized to, before the
            middle is cut out.
        skip_unreadable: Whether images that cannot be read are left out, not refused.

    Returns:
        uint8 (3, size, size) images; `label` where an image has a class, `coarse` where there is a
        hierarchy, and the labels and fields of the table where there is one.

    Raises:
        RRLError: RRL410, if a folder is not there; RRL412, if it does not hold what it should.
    """
    rule = FolderRule()
    found = [*_images_of(path, rule)]
    _check_names(path, found)
    labels, class_names = _labels_of(path, found)
    table = column_files.read(path, [each.name for each in found], taken=class_names)
    labels |= tensors(table.labels)
    fields = tensors(table.fields)
    checked = check(path, [each.path for each in found])
    if not skip_unreadable:
        checked.stop()
    sample = torch.tensor([stable_id(each.name) for each in found])
    part_of = _parts_of(path, found, sample)

    def split(part: str) -> Split:
        readable = (place for place in range(len(found)) if place not in checked.unreadable)
        places = [place for place in readable if part_of[place] == part]
        rows = torch.tensor(places)
        return Split(
            ImageFiles(
                tuple(found[place].path for place in places),
                size,
                tuple(checked.digests[place] for place in places),
            ),
            sample[rows],
            {name: label[rows] for name, label in labels.items()},
            {name: field[rows] for name, field in fields.items()},
        )

    return DataSet(
        name=f"imagefolder:{path}",
        train=split("train"),
        val=split("val") if "val" in part_of else None,
        test=split("test"),
        class_names=class_names | table.class_names,
        shape=(3, size, size),
        augmentation="cifar" if size <= _SMALL_SIDE else "photo",
        notes=(*_notes(path, rule, found, checked, part_of, labels), *table.notes),
        unreadable=table.unreadable,
    )


def _images_of(path: Path, rule: FolderRule) -> Iterator[_Found]:
    """Every image, those of `train` first."""
    for part, folder in _folders_of(path).items():
        folders, beside = rule.entries(folder)
        for file in beside:
            yield _Found(part, _name(path, file), None, file)
        for each in folders:
            yield from _images_in(path, each, part, rule)
        if part == "train" and folder != path:
            for each in sorted(path.iterdir()):
                if each.name.casefold() in UNLABELLED and os.path.isdir(each):
                    yield from _images_in(path, each, part, rule)


def _images_in(path: Path, folder: Path, part: str, rule: FolderRule) -> Iterator[_Found]:
    name = normal(folder.name)
    label = None if name.casefold() in UNLABELLED else name
    images = [*rule.below(folder)]
    if not images:
        raise error("RRL412", f"the class folder {folder} holds no images")
    for file in sorted(images, key=lambda file: normal(str(file)).split("/")):
        yield _Found(part, _name(path, file), label, file)


def _name(path: Path, file: Path) -> str:
    return normal(file.relative_to(path).as_posix())


def _folders_of(path: Path) -> dict[str, Path]:
    """Part -> the folder that holds it; `train` alone where the folder has no parts."""
    hint = (
        "an image folder is laid out as PATH/train/CLASS/image.png and PATH/test/CLASS/image.png; "
        "one without splits as PATH/CLASS/image.png or PATH/image.png"
    )
    if not os.path.isdir(path):
        raise error("RRL410", f"there is no folder {path}", hint=hint)
    try:
        # regardless of case, but one that is written as here comes first
        inside = sorted(os.listdir(path), key=lambda name: name in _NAMES)
    except OSError as reason:
        raise error("RRL410", f"{path} cannot be read: {reason.strerror}") from None
    there = {name.casefold(): path / name for name in inside if os.path.isdir(path / name)}
    folders = {
        part: next(there[name] for name in names if name in there)
        for part, names in _NAMED_AS.items()
        if there.keys() & set(names)
    }
    if not folders:
        if not inside:
            raise error("RRL410", f"there is no folder `train` in {path}, nor any image", hint=hint)
        return {"train": path}
    if "train" not in folders:
        raise error("RRL410", f"there is no folder `train` in {path}", hint=hint)
    if len(folders) == 1:
        raise error("RRL410", f"there is no folder `test` or `val` in {path}", hint=hint)
    if "test" not in folders:
        folders["test"] = folders.pop("val")
    return folders


def _check_names(path: Path, found: Sequence[_Found]) -> None:
    if not any(each.part == "train" for each in found):
        raise error("RRL412", f"{path} holds no images to train on")
    paths: dict[str, Path] = {}
    for each in found:
        other = paths.setdefault(each.name, each.path)
        if other is not each.path:
            message = f"{each.path} and {other} differ only in how Unicode writes their letters"
            raise error("RRL412", message, hint="rename one of them")


def _labels_of(
    path: Path, found: Sequence[_Found]
) -> tuple[dict[str, Tensor], dict[str, tuple[str, ...]]]:
    """The labels that the folders give, and the names of their classes; none without classes."""
    of_part = {part: {each.label for each in found if each.part == part} for part in _PARTS}
    of_part = {part: names - {None} for part, names in of_part.items()}
    classes = sorted(name for name in of_part["train"] or of_part["val"] | of_part["test"] if name)
    for each in found:
        if each.label is not None and each.label not in classes:
            raise error(
                "RRL412",
                f"`{each.label}` of {each.path} is a class that {path / 'train'} lacks",
                hint=did_you_mean(each.label, classes),
            )
    hierarchy = _hierarchy_in(path)
    coarse = _read_hierarchy(hierarchy, classes, words_of(path)) if hierarchy else None
    if not classes:
        return {}, {}
    number: dict[str | None, int] = {name: place for place, name in enumerate(classes)}
    number[None] = -1
    labels = {"label": torch.tensor([number[each.label] for each in found])}
    class_names = {"label": tuple(classes)}
    if coarse is not None:
        class_names["coarse"] = tuple(sorted({name for name in coarse if name is not None}))
        number = {name: place for place, name in enumerate(class_names["coarse"])} | {None: -1}
        coarse_of = [number[name] for name in coarse]
        labels["coarse"] = coarsen(labels["label"], coarse_of)
    return labels, class_names


def _parts_of(path: Path, found: Sequence[_Found], sample: Tensor) -> list[str]:
    """The split of each image."""
    if any(each.part != "train" for each in found):
        return [each.part for each in found]
    parts = ["test" if held else "train" for held in held_out(sample).tolist()]
    if len(set(parts)) == 1:
        message = f"the {len(found)} images of {path} are too few to hold out one in five"
        raise error("RRL412", message, hint="put some into PATH/train and some into PATH/test")
    return parts


def _notes(
    path: Path,
    rule: FolderRule,
    found: Sequence[_Found],
    checked: Checked,
    parts: Sequence[str],
    labels: Mapping[str, Tensor],
) -> Iterator[Diagnostic]:
    """What the user should know of what was read."""
    left_out = [each for each in rule.left_out if each.parent != path]
    if left_out:
        names = _listed(_name(path, each) for each in left_out)
        yield _note(f"{path}: {len(left_out):,} hidden and side files are left out: {names}")
    if checked.unreadable:
        names = _listed(found[place].name for place in checked.unreadable)
        many = f"{len(checked.unreadable):,} of {len(found):,} images"
        yield _note(f"{path}: {many} cannot be read and are left out: {names}")
    if checked.several:
        names = _listed(found[place].name for place in checked.several)
        many = f"{len(checked.several):,} of {len(found):,} images"
        yield _note(f"{path}: {many} have several frames, and the first is read: {names}")
    labelled = sum(each.label is not None for each in found)
    if labelled < len(found):
        many = f"{len(found) - labelled:,} of {len(found):,} images"
        yield _note(f"{path}: {many} lie in no folder of a class, and are unlabelled")
    if "coarse" in labels:
        unknown = int(((labels["label"] >= 0) & (labels["coarse"] < 0)).sum())
        if unknown:
            many = f"{unknown:,} of {len(found):,} images"
            yield _note(f"{path}: {many} are of a class whose coarse class is unknown")
    folders = _folders_of(path)
    if folders["train"] == path:
        many = f"{parts.count('test'):,} of {len(found):,} images"
        yield _note(f"{path}: there is no test split, and a hash of the path holds out {many}")
        return
    if folders["test"].name in _VALIDATION:
        yield _note(f"{path}: there is no `test`, and `{folders['test'].name}` is the test split")
    read = {folder.name for folder in folders.values()} | {*column_files.FILES, _HIERARCHY}
    top, images = FolderRule().entries(path)
    unread = [each.name for each in [*top, *images] if each.name not in read]
    unread = [name for name in unread if name.casefold() not in UNLABELLED]
    if unread:
        yield _note(f"{path}: beside the splits this is not read: {_listed(unread)}")


def _listed(names: Iterable[str]) -> str:
    first = [*names]
    more = f" and {len(first) - _NAMED:,} more" if len(first) > _NAMED else ""
    return ", ".join(f"`{name}`" for name in first[:_NAMED]) + more


def _note(message: str) -> Diagnostic:
    return Diagnostic("RRL426", message, severity="warning")


def _hierarchy_in(folder: Path) -> Path | None:
    """The hierarchy beside the images, if there is one."""
    called = sorted(path for path in folder.iterdir() if path.stem.casefold() == _HIERARCHY_STEM)
    for path in called:
        if path.name != _HIERARCHY and os.path.isfile(path):
            hint = f"the hierarchy is called `{_HIERARCHY}`"
            raise error("RRL412", f"{path} is not read", hint=hint)
    return next((path for path in called if path.name == _HIERARCHY), None)


def _read_hierarchy(
    path: Path, classes: Sequence[str], unknown: frozenset[str]
) -> list[str | None]:
    """The name of the coarse class of each class; None for a word of `unknown` or a negative."""
    tree = read_yaml(path)
    if not isinstance(tree, Mapping) or not all(isinstance(name, str) for name in tree.values()):
        raise _bad_hierarchy(path, "must map each class to the name of its coarse class")
    strange = [name for name in tree if name not in classes]
    if strange:
        hint = did_you_mean(str(strange[0]), classes)
        raise _bad_hierarchy(path, f"names `{strange[0]}`, which is not a class folder", hint)
    missing = [name for name in classes if name not in tree]
    if missing:
        raise _bad_hierarchy(path, f"gives no coarse class for `{missing[0]}`")
    named = [tree[name] for name in classes]
    return [None if each.casefold() in unknown or is_negative(each) else each for each in named]


def _bad_hierarchy(path: Path, what: str, hint: str | None = None) -> RRLError:
    return error("RRL412", f"{path} {what}", hint=hint or "one line a class, such as `cat: animal`")
