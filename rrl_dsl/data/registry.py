"""Datasets by name: built-in ones, and those that other packages declare."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rrl_dsl.language.diagnostics import did_you_mean, error, listing
from rrl_dsl.language.files import is_utf8
from rrl_dsl.language.machine import needing_memory

if TYPE_CHECKING:
    from rrl_dsl.data.columns import Columns
    from rrl_dsl.data.dataset import DataSet

GROUP: Final = "rrl_dsl.datasets"
"""The group of entry points; they are callables `(root: Path, download: bool) -> DataSet`."""

DEFAULT_ROOT: Final = Path.home() / ".cache" / "rrl-dsl"
"""The default folder of named datasets."""

_BUILT_IN: Final = {
    "digits": ("digits:load", "1,797 gray images of digits, 8 x 8, from scikit-learn"),
    "digits-captions": ("captions:load", "the digits with captions as token arrays and vectors"),
    "digits-captions-noisy": ("captions:load_noisy", "the same; half of the captions are wrong"),
    "fashion-mnist": ("torchvision_sets:fashion_mnist", "70,000 gray images of clothes, 28 x 28"),
    "cifar10": ("torchvision_sets:cifar10", "60,000 color images of 10 classes, 32 x 32"),
    "cifar100": (
        "torchvision_sets:cifar100",
        "60,000 color images of 100 classes in 20 coarse classes, 32 x 32",
    ),
}
_FROM_PATH: Final = {
    "imagefolder": "images in PATH/train/CLASS and PATH/test/CLASS, or in PATH; columns in a table",
    "npz": "images or vectors, labels and other columns in one NumPy archive",
    "table": "vectors, labels and other columns in a CSV, TSV or Parquet file",
    "hf": "images, labels and other columns that the library datasets of Hugging Face saved",
    "wds": "images, labels and other columns in tar archives with the layout of webdataset",
}
IMAGE_FILES: Final = ("imagefolder", "hf", "wds")
"""The kinds of datasets whose images are decoded and resized on access."""
_SAVED: Final = ("dataset_dict.json", "dataset_info.json")
"""The files by which a dataset of Hugging Face is recognized."""


def names() -> dict[str, str]:
    """Returns the names of all datasets with a line of description; imports none of them."""
    built_in = {name: text for name, (_, text) in _BUILT_IN.items()}
    from_path = {f"{kind}:{_argument(kind)}": text for kind, text in _FROM_PATH.items()}
    declared = {name: f"declared by {point.value}" for name, point in _declared().items()}
    return {**declared, **built_in, **from_path}


def _argument(kind: str) -> str:
    return "PATTERN" if kind == "wds" else "PATH"


def load(
    spec: str,
    *,
    root: Path,
    download: bool = False,
    size: int | None = None,
    skip_unreadable: bool = False,
    split: float | None = None,
    inputs: Sequence[str] | None = None,
) -> DataSet:
    """Loads a dataset by name.

    Args:
        spec: A key of `names()`, with a path in place of `PATH` or `PATTERN`.
        root: The folder that contains the files of named datasets.
        download: Whether a named dataset may be downloaded if its files are missing.
        size: The side of the images in pixels, where they are decoded from files of any size.
        skip_unreadable: Whether to leave out image files that cannot be read.
        split: The share of the training samples to draw as the validation split; if there is no
            test split either, as the test split. By default, there is no validation split, and the
            share of the test split is a fifth.
        inputs: The columns of an archive or a table that the encoder reads.

    Returns:
        The dataset.

    Raises:
        RRLError: RRL410 if its files are missing; RRL411 if there is no dataset of that name;
            RRL412 if it is malformed; RRL502 if the size is not positive, or if an option of image
            folders is given for another dataset; RRL515 if memory runs out.
    """
    with needing_memory(f"the dataset `{spec}`", _less(spec)):
        dataset = _load(spec, root, download, size, skip_unreadable, split, inputs)
        if split is None or dataset.test_is_drawn:
            return dataset
        return dataset.with_validation(split)


def _less(spec: str) -> str:
    """What to lower if there is too little memory."""
    kind = spec.partition(":")[0]
    if kind in IMAGE_FILES:
        return "remove columns, or images"
    if kind not in _FROM_PATH:
        return "close other programs that use memory"
    parts = "rows or columns" if kind == "table" else "samples or arrays"
    by_item = "a dataset of PyTorch, whose items are read when a batch needs them"
    return f"remove {parts}, or pass `rrl_dsl.train` {by_item}"


def _load(
    spec: str,
    root: Path,
    download: bool,
    size: int | None,
    skip_unreadable: bool,
    test_share: float | None,
    inputs: Sequence[str] | None,
) -> DataSet:
    kind, colon, path = spec.partition(":")
    if kind == "python":
        hint = (
            "pass it as `dataset=` to `rrl_dsl.train`; `rrl_dsl.load_encoder(RUN)` gives features"
        )
        raise error("RRL411", f"`{spec}` is an object of Python", hint=hint)
    if colon or kind in _FROM_PATH:
        if kind not in _FROM_PATH:
            raise _unknown(spec)
        if not path:
            raise error(
                "RRL411", f"`{spec}` needs a path", hint=f"write `{kind}:{_argument(kind)}`"
            )
        if kind in IMAGE_FILES:
            _refuse("inputs", inputs is not None, spec, "`npz` and `table`")
            return _load_files(kind, _path(path), size, skip_unreadable, test_share)
    _refuse("image_size", size is not None, spec, listing(IMAGE_FILES))
    _refuse("skip_unreadable", skip_unreadable, spec, listing(IMAGE_FILES))
    if kind == "npz":
        from rrl_dsl.data import npz

        return npz.load(_path(path), test_share, inputs=inputs)
    if kind == "table":
        from rrl_dsl.data import table_file

        return table_file.load(_path(path), test_share, inputs=inputs)
    _refuse("inputs", inputs is not None, spec, "`npz` and `table`")
    return _load_named(spec, root, download)


def _refuse(setting: str, given: bool, spec: str, kinds: str) -> None:
    if given:
        message = f"`{setting}` is only for {kinds}, not for `{spec}`"
        raise error("RRL502", message, settings=(setting,))


def columns(spec: str, *, root: Path, download: bool = False) -> Columns:
    """Returns the columns of the training split; for `digits` this does not import torch.

    Args:
        spec: See `load`.
        root: See `load`.
        download: See `load`.

    Raises:
        RRLError: See `load`.
    """
    if spec == "digits":
        from rrl_dsl.data import digits

        return digits.columns()
    from rrl_dsl.data.dataset import columns_of

    return columns_of(load(spec, root=root, download=download))


def reads(spec: str, file: Path) -> bool:
    """Whether a dataset reads a file of this path, or would read it if it existed.

    Args:
        spec: See `load`; the dataset can be loaded.
        file: The path.
    """
    kind, _, path = spec.partition(":")
    if kind == "imagefolder":
        from rrl_dsl.data import image_folder

        return image_folder.reads(_path(path), file)
    same = kind in _FROM_PATH and os.path.exists(_path(path)) and os.path.exists(file)
    return same and os.path.samefile(_path(path), file)


def absolute(spec: str) -> str:
    """Returns the name of a dataset with an absolute path.

    Raises:
        RRLError: RRL410 if `~` names a home directory that does not exist, or if the path is not
            UTF-8.
    """
    kind, colon, path = spec.partition(":")
    return f"{kind}:{_path(path).absolute()}" if colon and kind in _FROM_PATH else spec


def _path(text: str) -> Path:
    """A path, with `~` expanded."""
    try:
        path = Path(text).expanduser()
    except RuntimeError as reason:  # there is no user of that name
        message = f"`{text}` starts with an unknown home directory"
        raise error(
            "RRL410", message, hint=f"for a file of that name, write `./{text}`"
        ) from reason
    if not is_utf8(path.absolute()):
        hint = "rename the file or folder: a run stores its path as text"
        raise error("RRL410", f"the path {path.absolute()} is not UTF-8", hint=hint)
    return path


def _load_files(
    kind: str, path: Path, size: int | None, skip_unreadable: bool, test_share: float | None
) -> DataSet:
    from rrl_dsl.data import hugging_face, image_folder, shards

    if size is not None and size < 1:
        message = f"`size` must be at least 1 pixel, not {size}"
        raise error("RRL502", message, settings=("image_size",))
    loaders = {"imagefolder": image_folder.load, "hf": hugging_face.load, "wds": shards.load}
    return loaders[kind](path, size, skip_unreadable=skip_unreadable, test_share=test_share)


def _load_named(name: str, root: Path, download: bool) -> DataSet:
    declared = _declared()
    if name in _BUILT_IN:
        built_in = EntryPoint(name, f"rrl_dsl.data.{_BUILT_IN[name][0]}", GROUP)
        dataset: DataSet = built_in.load()(root, download)
        return dataset
    if name not in declared:
        raise _unknown(name)
    return _load_declared(declared[name], root, download)


def _load_declared(point: EntryPoint, root: Path, download: bool) -> DataSet:
    from rrl_dsl.data.dataset import DataSet

    try:
        build = point.load()
    except (ImportError, AttributeError) as reason:
        what = f"dataset `{point.name}` is declared as {point.value}, which cannot be imported"
        raise error("RRL412", f"{what}: {reason}") from reason
    dataset = build(root, download)
    if not isinstance(dataset, DataSet):
        kind = type(dataset).__name__
        raise error("RRL412", f"{point.value} returned a {kind}, not a DataSet, for `{point.name}`")
    return dataset


def _declared() -> dict[str, EntryPoint]:
    """The datasets that other packages declare; built-in names take precedence."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _unknown(spec: str) -> Exception:
    known = tuple(names())
    hint = did_you_mean(spec, known)
    path = spec.partition(":")[2] or spec
    if path.lower().endswith(".npz"):
        hint = f"write `npz:{path}`"
    elif path.lower().endswith(".tar"):
        hint = f"write `wds:{path}`"
    elif os.path.isdir(folder := os.path.expanduser(path)):
        saved = any(os.path.exists(os.path.join(folder, name)) for name in _SAVED)
        hint = f"write `{'hf' if saved else 'imagefolder'}:{path}`"
    return error(
        "RRL411",
        f"there is no dataset `{spec}`; the datasets are {listing(known, 'and')}",
        hint=hint,
    )
