"""Image files, decoded when they are asked for: upright, in RGB, 8 bits a channel."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from rrl_dsl.data.crops import Crop
from rrl_dsl.language.diagnostics import RRLError, error
from rrl_dsl.language.files import open_file
from rrl_dsl.language.machine import needing_memory

FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded, whatever the suffix says; Pillow would also run other programs on a file."""

_MOST_PIXELS: Final = 2**26
"""Of an image, decoded: 256 MiB, which a small file of one colour may unpack to."""

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> what sets the image upright."""

_DEEP: Final = re.compile(r";16[BLN]")
"""In the name that Pillow gives to a layout of pixels: 16 bits a channel, of which it reads 8."""


@dataclass(frozen=True)
class ImageFiles:
    """Image files as a store of squares.

    Attributes:
        paths: The files.
        size: The side of the square that an image is resized and centre-cropped to.
        digests: What each file holds, as hexadecimal digits.
    """

    paths: Sequence[Path]
    size: int
    digests: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """The images at int64 (b,) places, uint8 (b, 3, size, size).

        Raises:
            RRLError: RRL412, if a file is not an image of 8 bits a channel.
        """
        with quiet():
            return torch.stack([self._square(self.paths[place]) for place in index.tolist()])

    def cropped(
        self, index: Tensor, crops: Sequence[Crop], draws: Sequence[Sequence[int]]
    ) -> list[Tensor]:
        """Random crops of the whole images.

        Args:
            index: int64 (b,) places.
            crops: Which crops to draw of each image.
            draws: For each image, what each of its crops follows from.

        Returns:
            For each crop, uint8 (b, 3, side, side).

        Raises:
            RRLError: RRL412, if a file is not an image of 8 bits a channel.
        """
        parts: list[list[Tensor]] = [[] for _ in crops]
        with quiet():
            for place, draw in zip(index.tolist(), draws, strict=True):
                image = decode(self.paths[place])
                for part, crop, number in zip(parts, crops, draw, strict=True):
                    part.append(pil_to_tensor(crop.of(image, number)))
        return [torch.stack(part) for part in parts]

    def _square(self, path: Path) -> Tensor:
        image = decode(path)
        box = _middle(image, self.size)
        square = image.resize((self.size, self.size), Image.Resampling.BILINEAR, box)
        pixels: Tensor = pil_to_tensor(square)
        return pixels


def quiet() -> warnings.catch_warnings[None]:
    """A context without Pillow's warnings, which name no file; not to be entered in threads."""
    return warnings.catch_warnings(action="ignore")


def decode(path: Path) -> Image.Image:
    """The image of a file, RGB: the first frame, upright by its EXIF orientation, over white.

    Raises:
        RRLError: RRL412, if the file is not an image of 8 bits a channel, or has too many pixels;
            RRL515, if there is too little memory.
    """
    try:
        with _opened(path) as image:
            if image.width * image.height > _MOST_PIXELS:
                message = f"{path} has {image.width:,} x {image.height:,} pixels"
                hint = f"an image has at most {_MOST_PIXELS:,}: make it smaller, or cut it up"
                raise error("RRL412", message, hint=hint)
            if _is_deep(image):
                hint = "convert the images to 8 bits, on the scale that suits them"
                raise error("RRL412", f"{path} has more than 8 bits a channel", hint=hint)
            return _over_white(_upright(image))
    except RRLError:
        raise
    except Exception as reason:  # what damaged files raise in Pillow is no fixed list
        found = str(reason) or type(reason).__name__
        raise error("RRL412", f"{path} cannot be decoded: {found}") from reason


def frames(path: Path) -> int:
    """How many frames or pages a file that can be decoded has; 1 for a photograph with previews."""
    with _opened(path) as image:
        return 1 if image.format == "MPO" else getattr(image, "n_frames", 1)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with (
        needing_memory(f"the image {path}", "make the image smaller, or lower `workers`"),
        open_file(path) as file,
        Image.open(file, formats=FORMATS) as image,
    ):
        yield image


def _is_deep(image: Image.Image) -> bool:
    """Whether Pillow would clip the image's values, or keep the upper half of their bits."""
    if image.mode.startswith(("I", "F")):
        return True
    if isinstance(image, TiffImageFile):
        return any(bits > 8 for bits in image.tag_v2.get(BITSPERSAMPLE, ()))
    return bool(_DEEP.search(str(getattr(image, "tile", None))))


def _upright(image: Image.Image) -> Image.Image:
    """The image, turned by the orientation tag alone: other tags may be malformed."""
    if isinstance(image, TiffImageFile):
        orientation = _orientation(image)  # while the file is open
        image.load_end = lambda: None  # type: ignore[method-assign]  # it reads every tag
        image.load()
    else:
        image.load()
        orientation = _orientation(image)  # a PNG may have it behind its pixels
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # tags that cannot be read turn nothing, in every viewer
        return 1


def _over_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _middle(image: Image.Image, size: int) -> tuple[float, float, float, float]:
    """What a centre crop shows of the image with its shorter side resized to `size`.

    The numbers are those of torchvision's `Resize` and `CenterCrop`, but nothing larger than the
    square is made: of a long strip the resized image would not fit into memory.

    Returns:
        Left, top, right and bottom, in the image's pixels.
    """
    short = min(image.size)
    width, height = (int(size * side / short) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    across, down = image.width / width, image.height / height
    return left * across, top * down, (left + size) * across, (top + size) * down
