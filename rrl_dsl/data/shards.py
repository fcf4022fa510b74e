"""`wds:PATTERN`: images in tar archives with the layout of webdataset, which are read by place.

| file in an archive | content |
|---|---|
| `KEY.jpg`, `KEY.png`, ... | the image of the sample KEY |
| `KEY.cls` | optional: its class, in the column `label` |
| `KEY.json` | optional: an object with the values of further columns |

A key ends at the first dot of a file name. PATTERN is a path with braces or wildcards, see
`rrl_dsl.data.braces`. The archives must be local files without compression. The id of a sample is
a hash of `ARCHIVE/KEY`, where ARCHIVE is the path below the fixed part of the pattern. In
`KEY.json`, `sample` replaces it, and `split` is the split. Without `split`, the names of the
archives have the splits: `train-0.tar`, `val/0.tar`.

Unlike webdataset, this reads samples in any order, so that every epoch is shuffled over the whole
dataset and a resumed run sees the same batches.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rrl_dsl.data.assembling import Rows, dataset_of_files, rows_of
from rrl_dsl.data.braces import fixed, paths_of
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.folder_rule import IMAGES
from rrl_dsl.data.ids_and_splits import hashed, part_of
from rrl_dsl.data.image_check import listed
from rrl_dsl.data.records import cells_of
from rrl_dsl.data.tar_index import Archive, Member, Stored, archive_at, members_of
from rrl_dsl.data.unknown import how_to_list, words_of
from rrl_dsl.data.written import kind_of
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.files import is_utf8

_KEY: Final = re.compile(r"((?:.*/)?[^./][^./]*)(\.[^/]*)")
_CLASS: Final = ".cls"
_COLUMNS: Final = ".json"
_TEXTS: Final = (_CLASS, _COLUMNS)
_AN_OBJECT: Final = 'write names and values: `{"time": 3.5}`'
_LABEL: Final = "label"
_WORD: Final = re.compile(r"[a-z]+")
_SCHEME: Final = re.compile(r"pipe:|[a-z0-9]+:/", re.IGNORECASE)


@dataclass(slots=True)
class _Sample:
    """A sample: its archive, its key, its image, and its texts by their endings."""

    archive: Archive
    key: str
    image: Stored | None = None
    texts: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"`{self.key}` in {self.archive.path}"

    def record(self) -> dict[str, Any]:
        """The values of its columns."""
        values = self._columns() if _COLUMNS in self.texts else {}
        if _CLASS in self.texts:
            if _LABEL in values:
                message = f"{self} has both `{_CLASS}` and `{_LABEL}` in `{_COLUMNS}`"
                raise error("RRL412", message, hint="remove one of them")
            values[_LABEL] = self._class()
        return values

    def _class(self) -> str:
        text = self.texts[_CLASS].strip()
        kind = kind_of(text)
        if kind in ("text", "whole number") or (kind == "number" and float(text).is_integer()):
            return text
        what = f"has `{text}` in its `{_CLASS}`, which is a {kind}, not a class"
        hint = 'write a class as a whole number or a word; numbers belong in `.json`, `{"x": 1.5}`'
        raise error("RRL412", f"{self} {what}", hint=hint)

    def _columns(self) -> dict[str, Any]:
        try:
            values = json.loads(self.texts[_COLUMNS])
        except (ValueError, RecursionError) as reason:
            message = f"{self} has a `{_COLUMNS}` that is not JSON: {reason}"
            raise error("RRL412", message, hint=_AN_OBJECT) from reason
        if not isinstance(values, dict):
            message = f"{self} has a `{_COLUMNS}` that is not an object"
            raise error("RRL412", message, hint=_AN_OBJECT)
        return values


def load(
    pattern: Path,
    size: int | None,
    *,
    skip_unreadable: bool = False,
    test_share: float | None = None,
) -> DataSet:
    """Loads the images of archives with the layout that this module describes.

    Args:
        pattern: The pattern of the archives.
        size: The side of the images in pixels, as for an image folder.
        skip_unreadable: Whether to leave out images that cannot be read.
        test_share: The share of the images to hold out for testing if there are only training
            images; None for a fifth.

    Returns:
        The dataset, with images as those of an image folder, and the labels and fields of the
        `.cls` and `.json` files.

    Raises:
        RRLError: RRL410 if an archive does not exist; RRL411 if the pattern is wrong; RRL412 if the
            content is malformed.
    """
    rows, images = _read(str(pattern))
    return dataset_of_files(
        f"wds:{pattern}", images, rows, size, test_share, skip_unreadable=skip_unreadable
    )


def _read(pattern: str) -> tuple[Rows, list[Stored]]:
    """The columns of the samples, and the places of their images."""
    unread: Counter[str] = Counter()
    archives = _archives(pattern)
    samples = [sample for archive in archives for sample in _samples_of(archive, unread)]
    if not samples:
        raise error("RRL412", f"{pattern} contains no images")
    folder = Path(fixed(pattern) or ".")
    records = [sample.record() for sample in samples]
    cells = cells_of(records, pattern, [*map(str, samples)], words_of(folder))
    ids = hashed([f"{sample.archive.name}/{sample.key}" for sample in samples])
    rows = rows_of(pattern, cells, ids, how_to_list(folder))
    if not any(column.name == "split" for column in cells):
        rows = replace(rows, declared=_declared(samples))
    if unread:
        many = f"{unread.total():,} files with other endings are ignored"
        rows = replace(rows, notes=(*rows.notes, f"{pattern}: {many}: {listed(unread)}"))
    return rows, [sample.image for sample in samples if sample.image is not None]


def _archives(pattern: str) -> list[Archive]:
    if _SCHEME.match(pattern):
        hint = "copy the archives to a local disk: samples are read in any order"
        raise error("RRL410", f"`{pattern}` is not a local path", hint=hint)
    if os.path.isdir(pattern):
        raise error("RRL410", f"{pattern} is a folder", hint=f"write `wds:{pattern}/*.tar`")
    paths = paths_of(pattern)
    if not paths:
        hint = "`*`, `?` and `[...]` match existing files"
        raise error("RRL410", f"no file matches {pattern}", hint=hint)
    base = fixed(pattern) or "."
    if len({*paths}) < len(paths):
        raise error("RRL411", f"`{pattern}` means an archive twice")
    return [archive_at(Path(path), Path(os.path.relpath(path, base)).as_posix()) for path in paths]


def _samples_of(archive: Archive, unread: Counter[str]) -> Iterator[_Sample]:
    """The samples of an archive; counts the endings of files that are not read."""
    samples: dict[str, _Sample] = {}
    for member in members_of(archive, _TEXTS):
        named = _KEY.fullmatch(member.path.removeprefix("./"))
        ending = named[2].lower() if named else ""
        if named is None or ending not in (*IMAGES, *_TEXTS):
            unread[ending or os.path.basename(member.path)] += 1
            continue
        if not is_utf8(member.path):
            message = f"the name of {member.path} in {archive.path} is not UTF-8"
            raise error("RRL412", message, hint="rename it: keys of samples are stored as text")
        sample = samples.setdefault(named[1], _Sample(archive, named[1]))
        if ending in sample.texts or (ending in IMAGES and sample.image is not None):
            raise _several(sample, member)
        if member.text is None:
            sample.image = Stored(archive, member)
        else:
            sample.texts[ending] = member.text
    for sample in samples.values():
        if sample.image is None:
            hint = f"every sample needs an image, such as `{sample.key}.jpg`"
            raise error("RRL412", f"{sample} has no image", hint=hint)
        yield sample


def _several(sample: _Sample, member: Member) -> RRLError:
    image = sample.image if member.text is None else None
    other = "" if image is None else f" and {image.member.path}"
    hint = "a key has at most one image, one `.cls` and one `.json`"
    return error("RRL412", f"{sample} has several files of a kind: {member.path}{other}", hint=hint)


def _declared(samples: Sequence[_Sample]) -> list[str]:
    """The splits that the names of archives have; all for training if these do not differ."""
    of_archive = {sample.archive.name: _part_in(sample.archive.name) for sample in samples}
    if len(set(of_archive.values())) == 1:
        return ["train"] * len(samples)
    return [of_archive[sample.archive.name] for sample in samples]


def _part_in(name: str) -> str:
    parts = (part_of(word) for word in _WORD.findall(name.casefold()))
    return next((part for part in parts if part is not None), "train")
