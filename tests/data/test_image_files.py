"""Image files are decoded upright, over white, with 8 bits per channel, as squares."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from rrl_dsl.data.image_files import ImageFiles, decode, form_of
from rrl_dsl.language.diagnostics import RRLError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
SAVED = {"JPEG": "jpg", "WEBP": "webp", "PNG": "png", "TIFF": "tif"}


def entries(*given: tuple[int, int, int, bytes], byte_order: str = "<") -> bytes:
    """An EXIF directory of (tag, type, count, data), as TIFF 6.0 lays it out."""
    behind = 8 + 2 + 12 * len(given) + 4
    body, table = b"", struct.pack(f"{byte_order}H", len(given))
    for tag, kind, count, data in given:
        table += struct.pack(f"{byte_order}HHI", tag, kind, count)
        if len(data) > 4:
            table += struct.pack(f"{byte_order}I", behind + len(body))
            body += data
        else:
            table += data.ljust(4, b"\0")
    start = {"<": b"II*\0", ">": b"MM\0*"}[byte_order] + struct.pack(f"{byte_order}I", 8)
    return start + table + bytes(4) + body


def oriented(number: int, byte_order: str = "<") -> tuple[int, int, int, bytes]:
    return (0x112, 3, 1, struct.pack(f"{byte_order}H", number))


MALFORMED = {
    "rational below 0": (0x11A, 10, 1, struct.pack("<ii", -1, 0)),
    "text for a rational": (0x11A, 2, 3, b"72\0"),
    "text for a long": (0x100, 2, 8, b"abcdefg\0"),
    "float for a short": (0x128, 11, 1, struct.pack("<f", 2.5)),
    "negative for a long": (0x101, 9, 1, struct.pack("<i", -5)),
    "bytes for a short": (0x106, 7, 4, b"\1\2\3\4"),
    "rational for text": (0x131, 5, 1, struct.pack("<II", 1, 2)),
    "a directory at no place": (0x8769, 4, 1, struct.pack("<I", 2**31)),
    "a place as text": (0x8825, 2, 3, b"ab\0"),
    "more than there is": (0x10E, 2, 2**30, b"\xff\xff\xff\x7f"),
}


def saved(path: Path, form: str, exif: bytes, pixels: np.ndarray = PIXELS) -> Path:
    options = {"lossless": True} if form == "WEBP" else {}
    head = b"Exif\0\0" if form == "JPEG" else b""
    Image.fromarray(pixels).save(path, form, exif=head + exif, **options)
    return path


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("fault", MALFORMED)
def test_malformed_tags_do_not_keep_an_image_from_being_upright(
    tmp_path: Path, form: str, fault: str
) -> None:
    exif = entries(oriented(6), MALFORMED[fault])
    path = saved(tmp_path / f"1.{SAVED[form]}", form, exif)
    whole = np.asarray(decode(saved(tmp_path / f"2.{SAVED[form]}", form, entries(oriented(1)))))
    np.testing.assert_array_equal(np.asarray(decode(path)), np.rot90(whole, -1))


@pytest.mark.parametrize(
    "fault", ["rational below 0", "text for a rational", "rational for text", "float for a short"]
)
def test_malformed_tags_of_a_tiff(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "1.tif"
    path.write_bytes(tiff(PIXELS, oriented(6), MALFORMED[fault]))
    np.testing.assert_array_equal(np.asarray(decode(path)), np.rot90(PIXELS, -1))


def tiff(pixels: np.ndarray, *others: tuple[int, int, int, bytes]) -> bytes:
    """A TIFF of uncompressed RGB with further tags."""
    height, width, channels = pixels.shape
    bits = 8 * pixels.itemsize
    replaced = {tag for tag, *_ in others}
    own = [
        (0x100, 4, 1, struct.pack("<I", width)),
        (0x101, 4, 1, struct.pack("<I", height)),
        (0x102, 3, channels, struct.pack(f"<{channels}H", *[bits] * channels)),
        (0x103, 3, 1, struct.pack("<H", 1)),
        (0x106, 3, 1, struct.pack("<H", 2)),
        (0x111, 4, 1, bytes(4)),
        (0x115, 3, 1, struct.pack("<H", channels)),
        (0x116, 4, 1, struct.pack("<I", height)),
        (0x117, 4, 1, struct.pack("<I", pixels.nbytes)),
    ]
    given = sorted([entry for entry in own if entry[0] not in replaced] + list(others))
    start = len(entries(*given))
    given = [(0x111, 4, 1, struct.pack("<I", start)) if e[0] == 0x111 else e for e in given]
    return entries(*given) + pixels.tobytes()


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_all_orientations(tmp_path: Path, form: str, orientation: int, byte_order: str) -> None:
    # where the 0th row and the 0th column are, by the table of the EXIF standard
    upright = {
        1: PIXELS,
        2: PIXELS[:, ::-1],
        3: PIXELS[::-1, ::-1],
        4: PIXELS[::-1],
        5: PIXELS.swapaxes(0, 1),
        6: PIXELS.swapaxes(0, 1)[:, ::-1],
        7: PIXELS.swapaxes(0, 1)[::-1, ::-1],
        8: PIXELS.swapaxes(0, 1)[::-1],
    }[orientation]
    path = tmp_path / f"1.{SAVED[form]}"
    if form == "TIFF":
        path.write_bytes(tiff(PIXELS, oriented(orientation)))
    else:
        saved(path, form, entries(oriented(orientation, byte_order), byte_order=byte_order))
    np.testing.assert_array_equal(np.asarray(decode(path)), upright)


@pytest.mark.parametrize("exif", [b"", b"garbage", b"II*\0\xff\xff\xff\x7f", bytes(20)])
def test_tags_that_cannot_be_read_turn_nothing(tmp_path: Path, exif: bytes) -> None:
    path = saved(tmp_path / "1.png", "PNG", exif)
    np.testing.assert_array_equal(np.asarray(decode(path)), PIXELS)


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "text"])
@pytest.mark.parametrize("form", SAVED)
def test_a_damaged_image_is_named(tmp_path: Path, form: str, damage: str) -> None:
    path = saved(tmp_path / f"1.{SAVED[form]}", form, entries(oriented(6)))
    whole = path.read_bytes()
    damaged = {"garbage": b"no image", "truncated": whole[: len(whole) // 2], "empty": b""}
    path.write_bytes(damaged.get(damage, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"))
    with pytest.raises(RRLError, match=rf"\[RRL412\]: {path} cannot be decoded"):
        decode(path)


def png(pixels: np.ndarray, color: int) -> bytes:
    """A PNG of 16 bits a channel; `color` is 0 gray, 2 RGB, 4 gray with alpha, 6 RGBA."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(("color", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_of_a_png_are_refused(tmp_path: Path, color: int, channels: int) -> None:
    path = tmp_path / "1.png"
    path.write_bytes(png(np.full((4, 4, channels), 3000), color))
    with pytest.raises(RRLError, match=r"1\.png has more than 8 bits per channel"):
        decode(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_of_a_tiff_are_refused(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "1.tif"
    if channels == 3:
        path.write_bytes(tiff(np.full((4, 4, 3), 3000, dtype="<u2")))
    else:
        Image.fromarray(np.full((4, 4), 3000, dtype=np.uint16)).save(path)
    with pytest.raises(RRLError, match=r"1\.tif has more than 8 bits per channel"):
        decode(path)


def test_a_format_that_names_its_scale_is_read_on_it(tmp_path: Path) -> None:
    path = tmp_path / "1.ppm"
    path.write_bytes(b"P6 1 1 4095\n" + np.array([3000, 0, 4095], dtype=">u2").tobytes())
    assert np.asarray(decode(path)).ravel().tolist() == [187, 0, 255]  # 255 * 3000 / 4095 = 186.8


def test_transparent_pixels_become_white(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), dtype=np.uint8)
    pixels[0, :, 3] = (0, 255, 51)  # black: transparent, opaque, a fifth
    Image.fromarray(pixels).save(tmp_path / "1.png")
    assert np.asarray(decode(tmp_path / "1.png"))[0, :, 0].tolist() == [255, 0, 204]
    Image.fromarray(pixels[..., 2:]).save(tmp_path / "2.png")
    assert np.asarray(decode(tmp_path / "2.png"))[0, :, 0].tolist() == [255, 0, 204]


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_transparent_color_is_white(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "1.png"
    color: int | tuple[int, ...] = (0, 0, 0) if mode == "RGB" else 0
    image = Image.new(mode, (2, 2), color)
    image.putpixel((1, 1), (255, 0, 0) if mode == "RGB" else 9)
    image.save(path, transparency=color)
    pixels = np.asarray(decode(path))
    assert pixels[0, 0].tolist() == [255] * 3
    assert pixels[1, 1].tolist() != [255] * 3


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_frames_are_counted_and_the_first_is_read(tmp_path: Path, form: str) -> None:
    red, blue = (Image.new("RGB", (4, 4), name) for name in ("red", "blue"))
    path = tmp_path / f"1.{SAVED[form]}"
    red.save(path, form, save_all=True, append_images=[blue, red])
    assert form_of(path).several
    assert np.asarray(decode(path))[0, 0].tolist() == pytest.approx([255, 0, 0], abs=3)
    red.save(path, form)
    assert not form_of(path).several


def test_a_photograph_with_a_preview_is_one_image(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 8))
    picture.save(tmp_path / "1.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))])
    assert not form_of(tmp_path / "1.jpg").several
    assert decode(tmp_path / "1.jpg").size == (8, 8)


@pytest.mark.parametrize("shape", [(10, 30), (31, 17), (24, 24), (300, 7), (500, 411)])
@pytest.mark.parametrize("size", [8, 24])
def test_the_square_is_that_of_torchvision(
    tmp_path: Path, shape: tuple[int, int], size: int
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "1.png")
    expected = v2.Compose([v2.Resize(size), v2.CenterCrop(size), v2.PILToTensor()])(
        Image.open(tmp_path / "1.png")
    )
    image = ImageFiles((tmp_path / "1.png",), size)[torch.tensor([0])][0]
    assert int((image.int() - expected.int()).abs().max()) <= 1


def test_a_long_strip_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = 0
    resize = Image.Image.resize

    def watched(image: Image.Image, size: tuple[int, int], *others: object) -> Image.Image:
        nonlocal largest
        largest = max(largest, size[0] * size[1])
        return resize(image, size, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "resize", watched)
    Image.new("RGB", (1, 12000), "red").save(tmp_path / "1.png")
    image = ImageFiles((tmp_path / "1.png",), 224)[torch.tensor([0])]
    assert image.shape == (1, 3, 224, 224)
    assert largest == 224 * 224
