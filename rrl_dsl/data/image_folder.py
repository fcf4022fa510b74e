"""`imagefolder:PATH`: images in one folder a class, decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path

import torch
import yaml
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.datasets.folder import is_image_file
from torchvision.transforms.v2 import functional

from rrl_dsl.data import columns
from rrl_dsl.data.dataset import DataSet, Split, coarsen, tensors
from rrl_dsl.language.diagnostics import RRLError, did_you_mean, error
from rrl_dsl.language.digest import stable_id

DEFAULT_SIZE = 224
_SMALL_SIDE = 64
_UNDECODABLE = (OSError, EOFError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises on a damaged image; a broken PNG is a `SyntaxError` to it."""
_EIGHT_BITS = "convert the images to 8 bits, on the scale that suits them"


@dataclass(frozen=True)
class ImageFiles:
    """Image files as a store: decoded, turned upright, resized and cropped on access.

    Attributes:
        paths: The files.
        size: The side of the square that an image is resized and centre-cropped to.
    """

    paths: Sequence[Path]
    size: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """The images at int64 (b,) places, uint8 (b, 3, size, size).

        Raises:
            RRLError: RRL412, if a file is not an image of 8 bits a channel.
        """
        return torch.stack([self._decode(self.paths[place]) for place in index.tolist()])

    def _decode(self, path: Path) -> Tensor:
        try:
            with Image.open(path) as image:
                if image.mode.startswith(("I", "F")):
                    # Pillow would clip these to white
                    raise error(
                        "RRL412", f"{path} has more than 8 bits a channel", hint=_EIGHT_BITS
                    )
                upright = ImageOps.exif_transpose(image).convert("RGB")
        except _UNDECODABLE as reason:
            raise error("RRL412", f"{path} cannot be decoded: {reason}") from reason
        pixels = functional.resize(functional.pil_to_tensor(upright), [self.size], antialias=True)
        square: Tensor = functional.center_crop(pixels, [self.size, self.size])
        return square


def load(path: Path, size: int = DEFAULT_SIZE) -> DataSet:
    """The images in `path/train` and in `path/test` (or, where there is none, `path/val`).

    Each holds one folder a class, whose images may lie in further folders. The classes are those
    of `train`, sorted by name. `path/hierarchy.yaml`, where there is one, names the coarse class
    of each class, and `rrl_dsl.data.columns` says what a table of further columns holds. A sample's
    id is a hash of its path below `path`.

    Args:
        path: The folder.
        size: The side in pixels that the shorter side of every image is resized to, before the
            middle is cut out.

    Returns:
        uint8 (3, size, size) images, `label`, `coarse` where there is a hierarchy, and the labels
        and fields of the table where there is one.

    Raises:
        RRLError: RRL410, if a folder is not there; RRL412, if it does not hold what it should.
    """
    train, test = _existing(path, ("train",)), _existing(path, ("test", "val"))
    classes = tuple(folder.name for folder in _class_folders(train))
    for folder in _class_folders(test):
        if folder.name not in classes:
            raise error(
                "RRL412",
                f"{folder} is a class that {train} lacks",
                hint=did_you_mean(folder.name, classes),
            )
    found = [[*_labelled_files(part, classes)] for part in (train, test)]
    files = [file for part in found for file, _ in part]
    labels = {"label": torch.tensor([number for part in found for _, number in part])}
    class_names: dict[str, tuple[str, ...]] = {"label": classes}
    hierarchy = path / "hierarchy.yaml"
    if hierarchy.exists():
        coarse = _read_hierarchy(hierarchy, classes)
        class_names["coarse"] = tuple(sorted(set(coarse)))
        coarse_of = [class_names["coarse"].index(name) for name in coarse]
        labels["coarse"] = coarsen(labels["label"], coarse_of)
    below = [file.relative_to(path).as_posix() for file in files]
    table = columns.read(path, below, taken=class_names)
    labels |= tensors(table.labels)
    fields = tensors(table.fields)
    sample = torch.tensor([stable_id(name) for name in below])

    def split(rows: slice) -> Split:
        return Split(
            ImageFiles(tuple(files[rows]), size),
            sample[rows],
            {name: label[rows] for name, label in labels.items()},
            {name: field[rows] for name, field in fields.items()},
        )

    return DataSet(
        name=f"imagefolder:{path}",
        train=split(slice(len(found[0]))),
        test=split(slice(len(found[0]), None)),
        class_names=class_names | table.class_names,
        shape=(3, size, size),
        augmentation="cifar" if size <= _SMALL_SIDE else "photo",
    )


def _existing(path: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (path / name).is_dir():
            return path / name
    wanted = " or ".join(f"`{name}`" for name in names)
    raise error(
        "RRL410",
        f"there is no folder {wanted} in {path}",
        hint="an image folder is laid out as PATH/train/CLASS/image.png and "
        "PATH/test/CLASS/image.png",
    )


def _class_folders(part: Path) -> list[Path]:
    folders = sorted(entry for entry in part.iterdir() if entry.is_dir() and not _hidden(entry))
    if not folders:
        raise error("RRL412", f"{part} holds no class folders")
    return folders


def _labelled_files(part: Path, classes: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """The images of a part, each with the number of its class."""
    for folder in _class_folders(part):
        number = classes.index(folder.name)
        yield from ((file, number) for file in _images_in(folder))


def _images_in(folder: Path) -> list[Path]:
    images = []
    for file in sorted(folder.rglob("*")):
        if _hidden(file) or not file.is_file():
            continue
        if is_image_file(str(file)):
            images.append(file)
        elif (guess_type(file.name)[0] or "").startswith("image/"):
            raise error(
                "RRL412",
                f"{file} is of a format that is not read",
                hint="convert it to PNG, JPEG or WebP, or take it away",
            )
    if not images:
        raise error("RRL412", f"the class folder {folder} holds no images")
    return images


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _read_hierarchy(path: Path, classes: Sequence[str]) -> list[str]:
    """The name of the coarse class of each class."""
    try:
        # the base loader keeps every word a string: classes may be called 0, no or null
        tree = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as reason:
        raise error("RRL412", f"{path} is not readable YAML: {reason}") from reason
    if not isinstance(tree, Mapping) or not all(isinstance(name, str) for name in tree.values()):
        raise _bad_hierarchy(path, "must map each class to the name of its coarse class")
    unknown = [name for name in tree if name not in classes]
    if unknown:
        hint = did_you_mean(str(unknown[0]), classes)
        raise _bad_hierarchy(path, f"names `{unknown[0]}`, which is not a class folder", hint)
    missing = [name for name in classes if name not in tree]
    if missing:
        raise _bad_hierarchy(path, f"gives no coarse class for `{missing[0]}`")
    return [tree[name] for name in classes]


def _bad_hierarchy(path: Path, what: str, hint: str | None = None) -> RRLError:
    return error("RRL412", f"{path} {what}", hint=hint or "one line a class, such as `cat: animal`")
