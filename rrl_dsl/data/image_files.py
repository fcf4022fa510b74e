"""Image files, which are decoded on access: upright, in RGB with 8 bits per channel, or float32.

A file is a file on disk, or a part of a larger file such as an archive.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np
import torch
import torchvision
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from rrl_dsl.data import tiff
from rrl_dsl.data.crops import Crop
from rrl_dsl.language.diagnostics import RRLError, error, listing
from rrl_dsl.language.files import open_file
from rrl_dsl.language.machine import needing_memory

FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""The formats to decode, whatever the suffix; for others Pillow may run external programs."""

_MOST_PIXELS: Final = 2**26
"""The maximum number of pixels, 256 MiB decoded; a small file may unpack to any size."""

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> the operation that makes the image upright."""

_WHITE_16: Final = 65535

_DEEP: Final = re.compile(r";16[BLN]")
"""Matches Pillow's name of a pixel layout with 16 bits per channel; Pillow reads only 8 of them."""


class Part(Protocol):
    """An image file that is a part of a larger file. Messages name it by its text, `str(part)`."""

    @property
    def name(self) -> str:
        """A name that no other image of the dataset has."""
        ...

    @property
    def state(self) -> list[int]:
        """Numbers that change with the content."""
        ...

    def open(self) -> BytesIO:
        """Reads the content."""
        ...


ImageFile = Path | Part


class Form(NamedTuple):
    """What the pixels of an image file are.

    Attributes:
        channels: The number of channels; 3 if Pillow reads the file.
        side: The shorter side in pixels.
        deep: Whether they are read as float32, because RGB with 8 bits does not hold them.
        several: Whether the file has several frames or pages; only the first is read. A photo
            with previews has one.
    """

    channels: int
    side: int
    deep: bool
    several: bool


@dataclass(frozen=True)
class ImageFiles:
    """Image files as a store of square images.

    Attributes:
        files: The files.
        size: The side of the square in pixels; an image is resized and center-cropped.
        digests: The digests of the files.
        deep: Whether to read float32 in [0, 1], because RGB with 8 bits does not hold the pixels of
            some files. Floating-point pixels are not scaled.
    """

    files: Sequence[ImageFile]
    size: int
    digests: Sequence[str] = ()
    deep: bool = False

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: Tensor, /) -> Tensor:
        """Returns those at int64 indices (b,): uint8, or float32 if deep, (b, C, size, size).

        Raises:
            RRLError: RRL412 if a file is not an image with 8 bits per channel.
        """
        with quiet():
            return torch.stack([self._square(self.files[place]) for place in index.tolist()])

    def at(self, index: Tensor) -> ImageFiles:
        """Returns the files at int64 indices (b,)."""
        places = index.tolist()
        digests = tuple(self.digests[place] for place in places) if self.digests else ()
        return replace(self, files=tuple(self.files[place] for place in places), digests=digests)

    def cropped(
        self, index: Tensor, crops: Sequence[Crop], draws: Sequence[Sequence[int]]
    ) -> list[Tensor]:
        """Returns random crops of whole images.

        Args:
            index: int64 (b,), the indices of the images.
            crops: The crops to draw from an image.
            draws: For every image, the seeds of its crops.

        Returns:
            For every crop, uint8 or float32 (b, C, side, side).

        Raises:
            RRLError: RRL412 if a file is not an image with 8 bits per channel.
        """
        by_crop: list[list[Tensor]] = [[] for _ in crops]
        with quiet():
            for place, draw in zip(index.tolist(), draws, strict=True):
                file = self.files[place]
                for images, cropped in zip(by_crop, self._crops_of(file, crops, draw), strict=True):
                    images.append(cropped)
        return [torch.stack(images) for images in by_crop]

    def _crops_of(
        self, file: ImageFile, crops: Sequence[Crop], draws: Sequence[int]
    ) -> Iterator[Tensor]:
        if self.deep:
            deep = _stacked(decode_deep(file))
            yield from (crop.of(deep, draw) for crop, draw in zip(crops, draws, strict=True))
            return
        image = decode(file)
        for crop, draw in zip(crops, draws, strict=True):
            yield pil_to_tensor(crop.of(image, draw))

    def _square(self, file: ImageFile) -> Tensor:
        parts = decode_deep(file) if self.deep else [decode(file)]
        box, side = _middle(parts[0], self.size), (self.size, self.size)
        squares = [part.resize(side, Image.Resampling.BILINEAR, box) for part in parts]
        pixels: Tensor = _stacked(squares) if self.deep else pil_to_tensor(squares[0])
        return pixels


def quiet() -> warnings.catch_warnings[None]:
    """Returns a context that hides Pillow's warnings, which name no file; not thread-safe."""
    return warnings.catch_warnings(action="ignore")


def decode(file: ImageFile) -> Image.Image:
    """Decodes the first frame of a file as an upright RGB image over a white background.

    Raises:
        RRLError: RRL412 if the file is not an image with 8 bits per channel, or has too many
            pixels; RRL515 if memory runs out.
    """
    with _decoding(file) as image:
        return upright_rgb(image, str(file))


def upright_rgb(image: Image.Image, name: str) -> Image.Image:
    """Returns an image upright in RGB, over a white background.

    Args:
        image: The image.
        name: Its name in messages.

    Raises:
        RRLError: RRL412 if it has more than 8 bits per channel.
    """
    if _is_deep(image):
        hint = "convert the image to 8 bits with a suitable scale"
        raise error("RRL412", f"{name} has more than 8 bits per channel", hint=hint)
    return _over_white(_upright(image))


def decode_deep(file: ImageFile) -> list[Image.Image]:
    """Decodes the first frame of a file, or its bands, as channels of Pillow's mode `F`, in [0, 1].

    Whole numbers are divided by the value of white, 255 or 65535; floating-point pixels are as they
    are in the file.

    Raises:
        RRLError: RRL412 if the file cannot be decoded, or its values cannot be scaled; RRL410 if
            it needs tifffile, which is not installed.
    """
    channels = _bands(file) or _colors(file)
    if not all(np.isfinite(np.asarray(channel)).all() for channel in channels):
        raise error("RRL412", f"{file} has a pixel that is not finite")
    return channels


def _bands(file: ImageFile) -> list[Image.Image] | None:
    """The channels of a TIFF file with bands; None for another file."""
    with _reading(file) as content:
        layout = tiff.layout_of(content)
        if layout is None:
            return None
        _check_size(file, layout.width, layout.height, layout.channels)
        turn = _TURNS.get(layout.orientation)
        bands = [Image.fromarray(band) for band in tiff.read(content, layout, str(file))]
    return bands if turn is None else [band.transpose(turn) for band in bands]


def _colors(file: ImageFile) -> list[Image.Image]:
    """The three channels of a file that Pillow reads."""
    with _decoding(file) as image:
        if _is_deep(image):
            channels = _deep_channels(file, image)
            return channels * (3 // len(channels))
        pixels = np.asarray(_over_white(_upright(image)), dtype=np.float32) / 255
    return [Image.fromarray(pixels[:, :, channel]) for channel in range(3)]


def form_of(file: ImageFile) -> Form:
    """Returns what the pixels of a file are, without decoding them.

    Raises:
        RRLError: RRL412 if the file is not an image.
    """
    with _reading(file) as content:
        layout = tiff.layout_of(content)
    if layout is not None:
        side = min(layout.width, layout.height)
        return Form(layout.channels, side, deep=True, several=layout.more)
    with _decoding(file) as image:
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        return Form(3, min(image.size), _is_deep(image), frames > 1)


def _check_size(file: ImageFile, width: int, height: int, channels: int = 3) -> None:
    most = _MOST_PIXELS if channels <= 3 else 3 * _MOST_PIXELS // channels
    if width * height > most:
        message = f"{file} has {width:,} x {height:,} pixels"
        hint = f"the limit is {most:,}: make the image smaller, or split it"
        raise error("RRL412", message, hint=hint)


@contextmanager
def _reading(file: ImageFile) -> Iterator[BufferedReader | BytesIO]:
    """Opens a file; whatever is raised while it is decoded becomes RRL412."""
    what = f"the image {file}"
    try:
        with (
            needing_memory(what, "make the image smaller, or lower `workers`", "workers"),
            open_image(file) as content,
        ):
            yield content
    except RRLError:
        raise
    except Exception as reason:  # a library may raise anything for a damaged file
        cause = str(reason) or type(reason).__name__
        if isinstance(reason, UnidentifiedImageError):  # its text is that of an object of Python
            cause = f"it does not start as a file of {listing(FORMATS)}"
        raise error("RRL412", f"{file} cannot be decoded: {cause}") from reason


@contextmanager
def _decoding(file: ImageFile) -> Iterator[Image.Image]:
    """Opens an image with Pillow that is not too large."""
    with _reading(file) as content, Image.open(content, formats=FORMATS) as image:
        _check_size(file, image.width, image.height)
        yield image


def _deep_channels(file: ImageFile, image: Image.Image) -> list[Image.Image]:
    """One or three upright channels of a deep image, in [0, 1] if the file has whole numbers."""
    if image.mode == "F":
        return [_upright(image)]
    if image.format == "PNG":  # Pillow drops half of the bits of color
        image.load()  # the orientation may follow the pixels
        turn = _TURNS.get(_orientation(image))
        with open_image(file) as stored:
            content = torch.frombuffer(bytearray(stored.read()), dtype=torch.uint8)
        pixels = torchvision.io.decode_png(content, torchvision.io.ImageReadMode.UNCHANGED)
        scaled = pixels.to(torch.float32).numpy() / _WHITE_16
        if len(scaled) in (2, 4):  # transparent pixels become white
            scaled = scaled[:-1] * scaled[-1] + 1 - scaled[-1]
        channels = [Image.fromarray(np.ascontiguousarray(plane)) for plane in scaled]
        return channels if turn is None else [channel.transpose(turn) for channel in channels]
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return [Image.fromarray(np.asarray(_upright(image)).astype(np.float32) / _WHITE_16)]
    hint = "store such images in an .npz archive, or as 16-bit PNG"
    message = f"{file} has more than 8 bits per channel, in an unsupported format"
    raise error("RRL412", message, hint=hint)


def _stacked(channels: Sequence[Image.Image]) -> Tensor:
    """The channels as float32 (C, H, W)."""
    return torch.stack([torch.from_numpy(np.array(channel)) for channel in channels])


def open_image(file: ImageFile) -> BufferedReader | BytesIO:
    """Opens an image file for reading.

    Raises:
        OSError: If it cannot be opened or is not a regular file.
    """
    return open_file(file) if isinstance(file, Path) else file.open()


def _is_deep(image: Image.Image) -> bool:
    """Whether Pillow would clip the values of an image or drop half of their bits."""
    if image.mode.startswith(("I", "F")):
        return True
    if isinstance(image, TiffImageFile):
        return any(bits > 8 for bits in image.tag_v2.get(BITSPERSAMPLE, ()))
    return bool(_DEEP.search(str(getattr(image, "tile", None))))


def _upright(image: Image.Image) -> Image.Image:
    """The image, made upright; only the orientation tag is read, as others may be malformed."""
    if isinstance(image, TiffImageFile):
        orientation = _orientation(image)  # while the file is open
        image.load_end = lambda: None  # type: ignore[method-assign]  # it reads every tag
        image.load()
    else:
        image.load()
        orientation = _orientation(image)  # in a PNG it may follow the pixels
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # viewers too ignore tags that cannot be read
        return 1


def _over_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _middle(image: Image.Image, size: int) -> tuple[float, float, float, float]:
    """The center square of an image whose shorter side is resized to `size`.

    The result equals that of torchvision's `Resize` and `CenterCrop`, but no image larger than the
    square is created: the resized image of a long strip would not fit into memory.

    Returns:
        Left, top, right and bottom in pixels of the image.
    """
    short = min(image.size)
    width, height = (int(size * side / short) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    across, down = image.width / width, image.height / height
    return left * across, top * down, (left + size) * across, (top + size) * down
