"""Images with more than 8 bits per channel: 16 bits scale by 65535, floating point is as it is."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rrl_dsl.data.crops import Crop
from rrl_dsl.data.image_files import ImageFiles, decode, decode_deep
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError

DRAW = np.random.default_rng(0)
VALUES = DRAW.integers(0, 65536, (6, 8, 4), dtype=np.uint16)


def png(pixels: np.ndarray, color: int, exif: bytes = b"") -> bytes:
    """A PNG of 16 bits per channel; `color` is 0 gray, 2 RGB, 4 gray with alpha, 6 RGBA."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows))]
    parts += [chunk(b"eXIf", exif)] if exif else []
    return b"\x89PNG\r\n\x1a\n" + b"".join([*parts, chunk(b"IEND", b"")])


def channels_of(path: Path) -> np.ndarray:
    """The decoded pixels, float32 (H, W, 3)."""
    return np.stack([np.asarray(channel) for channel in decode_deep(path)], axis=2)


def test_gray(tmp_path: Path) -> None:
    gray, wanted = VALUES[:, :, 0], VALUES[:, :, :1].repeat(3, axis=2) / 65535
    (tmp_path / "1.png").write_bytes(png(gray, 0))
    Image.fromarray(gray).save(tmp_path / "1.tif")
    header = f"P5 {gray.shape[1]} {gray.shape[0]} 65535\n".encode()
    (tmp_path / "1.pgm").write_bytes(header + gray.astype(">u2").tobytes())
    for name in ("1.png", "1.tif", "1.pgm"):
        np.testing.assert_allclose(channels_of(tmp_path / name), wanted, atol=1e-6)


def test_color(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(VALUES[:, :, :3], 2))
    np.testing.assert_allclose(channels_of(tmp_path / "1.png"), VALUES[:, :, :3] / 65535, atol=1e-6)


@pytest.mark.parametrize(("color", "channels"), [(4, 1), (6, 3)])
def test_transparent_pixels_become_white(tmp_path: Path, color: int, channels: int) -> None:
    pixels = VALUES[:, :, [*range(channels), 3]]
    (tmp_path / "1.png").write_bytes(png(pixels, color))
    share = pixels[:, :, -1:] / 65535
    wanted = pixels[:, :, :-1] / 65535 * share + (1 - share)
    decoded = channels_of(tmp_path / "1.png")
    np.testing.assert_allclose(decoded, np.broadcast_to(wanted, decoded.shape), atol=1e-6)


def test_orientation(tmp_path: Path) -> None:
    entry = struct.pack("<HHIHH", 0x112, 3, 1, 6, 0)  # the 0th row is the right side
    exif = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + bytes(4)
    (tmp_path / "1.png").write_bytes(png(VALUES[:, :, :3], 2, exif))
    upright = VALUES[:, :, :3].swapaxes(0, 1)[:, ::-1]
    np.testing.assert_allclose(channels_of(tmp_path / "1.png"), upright / 65535, atol=1e-6)


def test_floating_point_is_not_scaled(tmp_path: Path) -> None:
    values = DRAW.normal(size=(6, 8)).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "1.tif")
    np.testing.assert_array_equal(channels_of(tmp_path / "1.tif")[:, :, 1], values)
    values[2, 2] = np.nan
    Image.fromarray(values).save(tmp_path / "2.tif")
    with pytest.raises(RRLError, match=r"\[RRL412\].*2\.tif has a pixel that is not finite"):
        decode_deep(tmp_path / "2.tif")


def test_eight_bits_in_a_deep_folder_scale_by_255(tmp_path: Path) -> None:
    pixels = DRAW.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "1.png")
    np.testing.assert_allclose(channels_of(tmp_path / "1.png"), pixels / 255, atol=1e-6)


def test_whole_numbers_of_32_bits_have_no_white(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 70000, dtype=np.int32)).save(tmp_path / "1.tif")
    with pytest.raises(RRLError, match=r"\[RRL412\].*in an unsupported format"):
        decode_deep(tmp_path / "1.tif")


def test_a_folder_with_a_deep_image_is_read_as_floating_point(tmp_path: Path) -> None:
    for name in range(12):
        value = np.uint16(5000 * name)
        path = tmp_path / ("test" if name % 4 == 0 else "train") / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(np.full((8, 8, 3), value), 2))
    Image.new("RGB", (10, 9), (51, 0, 255)).save(tmp_path / "test" / "12.png")
    data = load(f"imagefolder:{tmp_path}", root=Path("nowhere"), size=8)
    assert data.dtype == torch.float32
    assert data.augmentation == "crop"
    seen = {}
    for part in (data.train, data.test):
        assert isinstance(part.images, ImageFiles)
        pixels = part.images[torch.arange(len(part))]
        seen |= zip([path.stem for path in part.images.files], pixels, strict=True)
    for name in range(12):
        np.testing.assert_allclose(seen[str(name)], 5000 * name / 65535, atol=1e-6)
    np.testing.assert_allclose(seen["12"][:, 3, 3], [0.2, 0.0, 1.0], atol=1e-6)


def test_a_crop_of_a_deep_image_is_that_of_an_8_bit_image(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 40).astype(np.uint8)
    pixels = np.stack([np.add.outer(smooth // 2, smooth // 2)] * 3, axis=2)
    Image.fromarray(pixels).save(tmp_path / "1.png")
    crop = Crop(16, (0.3, 0.6))
    shallow, deep = (
        ImageFiles((tmp_path / "1.png",), 16, deep=deep).cropped(torch.tensor([0]), [crop], [[7]])[
            0
        ]
        for deep in (False, True)
    )
    assert deep.dtype == torch.float32
    np.testing.assert_allclose(deep, shallow / 255, atol=1.5 / 255)


def test_palette_and_cmyk_become_rgb(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "1.png")
    assert np.asarray(decode(tmp_path / "1.png")).tolist() == [[[10, 20, 30], [200, 100, 50]]]
    cyan, magenta, yellow, black = 51, 102, 204, 51
    Image.new("CMYK", (1, 1), (cyan, magenta, yellow, black)).save(tmp_path / "1.tif")
    # (1 - C)(1 - K), as in the definition of the PDF and PostScript standards' simple conversion
    wanted = [255 * (1 - ink / 255) * (1 - black / 255) for ink in (cyan, magenta, yellow)]
    np.testing.assert_allclose(np.asarray(decode(tmp_path / "1.tif"))[0, 0], wanted, atol=1)
