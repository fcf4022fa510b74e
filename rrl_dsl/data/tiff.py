"""TIFF files with bands, which Pillow does not read. The package tifffile decodes them.

| file | image |
|---|---|
| gray pages of one size and type | a channel per page |
| bands, or color with more than 8 bits | its channels |
| any other file, also with a palette, CMYK or YCbCr | Pillow reads the first page |

Only the tags decide, so that the result does not depend on which packages are installed.
TIFF Revision 6.0, Adobe 1992, sections 8 and 18.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import SEEK_END, BufferedReader, BytesIO
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL.TiffTags import TAGS_V2

from rrl_dsl.language.diagnostics import error

Content = BufferedReader | BytesIO


class _Form(NamedTuple):
    """How numbers and directories of tags are written.

    Attributes:
        order: The byte order, as in `struct`.
        number: The format of the number of tags.
        tag: The format of a tag: its number, the type and the number of its values, its values.
        place: The format of a place in the file.
    """

    order: str
    number: str
    tag: str
    place: str


_FORMS: Final = {
    mark + struct.pack(f"{order}H", version): _Form(order, *formats)
    for mark, order in ((b"II", "<"), (b"MM", ">"))
    for version, formats in ((42, ("H", "HHI4s", "I")), (43, ("Q", "HHQ8s", "Q")))
}
"""The first four bytes of a file -> its form: TIFF 6.0 and BigTIFF."""
_TAGS: Final = {
    TAGS_V2[number].name: number for number in (254, 256, 257, 258, 262, 274, 277, 338, 339)
}
_TYPES: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}
_GRAY, _RGB = 1, 2
_FLOAT: Final = 3
_WHOLE_PAGES: Final = (0, 2)
"""The subfile types that are neither a smaller copy nor a mask."""
_PREMULTIPLIED, _ALPHA = 1, 2
_WHITE: Final = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}

_silent = logging.NullHandler()  # tifffile logs what it finds strange in a file


@dataclass(frozen=True)
class Layout:
    """The first page of a file, and the number of pages that are channels.

    Attributes:
        width: The width in pixels.
        height: The height in pixels.
        samples: The number of values of a pixel.
        bits: The bits of each value.
        photometric: Whether 0 is black, the pixels are RGB, or another number.
        extra: The meaning of the last values, such as alpha.
        floating: Whether the values are floating point.
        orientation: The orientation, as in EXIF.
        subfile: What the page is: the image, a smaller copy, or a mask.
        pages: The number of pages that are read.
        more: Whether there are pages that are not read.
    """

    width: int
    height: int
    samples: int
    bits: tuple[int, ...]
    photometric: int
    extra: tuple[int, ...]
    floating: bool
    orientation: int
    subfile: int
    pages: int = 1
    more: bool = False

    @property
    def alpha(self) -> int | None:
        """The index of the transparency among the values of a pixel."""
        first = self.samples - len(self.extra)
        places = [
            first + at for at, kind in enumerate(self.extra) if kind in (_PREMULTIPLIED, _ALPHA)
        ]
        return places[0] if len(places) == 1 else None

    @property
    def channels(self) -> int:
        """The number of channels, without transparency."""
        return self.pages * (self.samples - (self.alpha is not None))

    @property
    def is_gray(self) -> bool:
        """Whether the page has gray values of at least 8 bits, and nothing else."""
        return self.photometric == _GRAY and self.samples == 1 and self.bits >= (8,)

    @property
    def has_bands(self) -> bool:
        """Whether Pillow does not read the page, or not all of it."""
        if self.photometric not in (_GRAY, _RGB):
            return False
        usual = self.channels == (1 if self.photometric == _GRAY else 3)
        half = self.floating and self.bits == (16,)
        return not usual or half or (self.samples > 1 and max(self.bits) > 8)


def layout_of(content: Content) -> Layout | None:
    """Returns the layout of a file that Pillow does not read; None for any other file.

    Raises:
        EOFError: If the file ends within the tags of a page.
    """
    try:
        first, *others = _pages(content)
    except EOFError:
        raise
    except Exception:  # Pillow then says what is wrong with the file
        return None
    finally:
        content.seek(0)
    if others and first.is_gray and _alike([first, *others]):
        return replace(first, pages=1 + len(others))
    return replace(first, more=bool(others)) if first.has_bands else None


def _alike(pages: list[Layout]) -> bool:
    """Whether pages have one size and type."""
    same = {replace(page, subfile=0, orientation=1) for page in pages}
    return len(same) == 1 and all(page.subfile in _WHOLE_PAGES for page in pages)


def _pages(content: Content) -> Iterator[Layout]:
    header = content.read(16)
    form = _FORMS.get(header[:4])
    if form is None:
        return
    place = struct.unpack_from(form.order + form.place, header, struct.calcsize(form.place))[0]
    seen: set[int] = set()
    while place and place not in seen:  # a damaged file may have a loop
        seen.add(place)
        tags, place = _directory(content, form, place)
        yield _layout(tags)


def _directory(content: Content, form: _Form, place: int) -> tuple[dict[int, tuple[int, ...]], int]:
    """The tags of a page, and the place of the next page or 0."""
    count = _numbers(content, form, form.number, place)[0]
    place += struct.calcsize(form.number)
    tags = {}
    for number, kind, size, value in struct.iter_unpack(
        form.order + form.tag, _bytes(content, place, count * struct.calcsize("<" + form.tag))
    ):
        if number in _TAGS.values() and kind in _TYPES:
            values = f"{size}{_TYPES[kind]}"
            if struct.calcsize(values) > len(value):
                at = struct.unpack(form.order + form.place, value)[0]
                tags[number] = _numbers(content, form, values, at)
            else:
                tags[number] = struct.unpack_from(form.order + values, value)
    place += count * struct.calcsize("<" + form.tag)
    return tags, _numbers(content, form, form.place, place)[0]


def _numbers(content: Content, form: _Form, values: str, place: int) -> tuple[int, ...]:
    return struct.unpack(form.order + values, _bytes(content, place, struct.calcsize("<" + values)))


def _bytes(content: Content, place: int, size: int) -> bytes:
    if place + size > content.seek(0, SEEK_END):
        raise EOFError("the file ends within the tags of a page")
    content.seek(place)
    return content.read(size)


def _layout(tags: Mapping[int, tuple[int, ...]]) -> Layout:
    def first(name: str, default: int) -> int:
        return tags.get(_TAGS[name], (default,))[0]

    return Layout(
        width=tags[_TAGS["ImageWidth"]][0],
        height=tags[_TAGS["ImageLength"]][0],
        samples=first("SamplesPerPixel", 1),
        bits=tags.get(_TAGS["BitsPerSample"], (1,)),
        photometric=first("PhotometricInterpretation", 0),
        extra=tags.get(_TAGS["ExtraSamples"], ()),
        floating=_FLOAT in tags.get(_TAGS["SampleFormat"], ()),
        orientation=first("Orientation", 1),
        subfile=first("NewSubfileType", 0),
    )


class _Page(Protocol):
    """A page of tifffile."""

    axes: str

    def asarray(self, *, maxworkers: int) -> NDArray[np.generic]: ...


def read(content: Content, layout: Layout, name: str) -> NDArray[np.float32]:
    """Decodes the channels of a file, over a white background and not turned.

    Args:
        content: The file.
        layout: Its layout.
        name: Its name in messages.

    Returns:
        float32 (C, H, W), in [0, 1] if the file has whole numbers.

    Raises:
        RRLError: RRL410 if tifffile is not installed; RRL412 for values of another type.
        Exception: Whatever tifffile raises for a damaged file.
    """
    try:
        import tifffile
    except ImportError as reason:
        what = f"{name} has {layout.channels} channels of {max(layout.bits)} bits, which needs "
        hint = "install it with `pip install 'rrl-dsl[tiff]'`"
        raise error("RRL410", f"{what}the package tifffile", hint=hint) from reason
    tifffile.logger().addHandler(_silent)
    with tifffile.TiffFile(content, name=name) as file:
        planes = [_planes(file.pages[page], name) for page in range(layout.pages)]
    values = np.concatenate(planes)
    if layout.alpha is None:
        return values
    share = values[layout.alpha]
    color: NDArray[np.float32] = np.delete(values, layout.alpha, axis=0)
    if _PREMULTIPLIED not in layout.extra:
        color *= share
    color += 1 - share
    return color


def _planes(page: _Page, name: str) -> NDArray[np.float32]:
    """The values of a page, float32 (samples, H, W)."""
    stored = page.asarray(maxworkers=1)
    white = _WHITE.get(stored.dtype)
    if white is None and stored.dtype.kind != "f":
        message = f"{name} has pixels of {stored.dtype}; they must be uint8, uint16 or floating "
        hint = "convert them, for example with `astype(np.float32)`"
        raise error("RRL412", f"{message}point", hint=hint)
    with np.errstate(over="ignore"):  # an infinite value is an error of the caller
        values = stored.astype(np.float32)
    if white is not None:
        values /= white
    match page.axes:
        case "YX":
            return values[None]
        case "SYX":
            return values
        case "YXS":
            return np.moveaxis(values, 2, 0)
    raise error("RRL412", f"{name} has the axes {page.axes}, not those of an image")
