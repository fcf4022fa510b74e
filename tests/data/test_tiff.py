"""TIFF files with bands: several samples per pixel, or gray pages of one size."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rrl_dsl.data.image_files import ImageFiles, decode, decode_deep, form_of
from rrl_dsl.data.registry import load
from rrl_dsl.data.tiff import layout_of
from rrl_dsl.language.diagnostics import RRLError

tifffile = pytest.importorskip("tifffile")

DRAW = np.random.default_rng(0)
BANDS = DRAW.integers(0, 65536, (5, 6, 8), dtype=np.uint16)
LAST = np.moveaxis(BANDS, 0, 2)
WAYS: Mapping[str, dict[str, Any]] = {
    "pages": {},
    "pages in BigTIFF": {"bigtiff": True},
    "pages in big-endian order": {"byteorder": ">"},
    "pages of ImageJ": {"imagej": True},
    "pages of OME": {"ome": True},
    "planes": {"photometric": "minisblack", "planarconfig": "separate"},
    "RGB and planes": {"photometric": "rgb", "planarconfig": "separate"},
    "compressed planes": {
        "photometric": "minisblack",
        "planarconfig": "separate",
        "compression": "zlib",
        "predictor": True,
    },
    "compressed pages": {"compression": "lzw"},
}


def channels_of(path: Path) -> np.ndarray:
    """The decoded pixels, float32 (C, H, W)."""
    return np.stack([np.asarray(channel) for channel in decode_deep(path)])


@pytest.mark.parametrize("way", WAYS)
def test_bands_are_read_however_they_are_stored(tmp_path: Path, way: str) -> None:
    path = tmp_path / "1.tif"
    tifffile.imwrite(path, BANDS, **WAYS[way])
    assert form_of(path) == (5, 6, True, False)
    np.testing.assert_allclose(channels_of(path), BANDS / 65535, atol=1e-7)


@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_values_of_a_pixel_beside_each_other(
    tmp_path: Path, photometric: str, tile: tuple[int, int] | None
) -> None:
    path = tmp_path / "1.tif"
    tifffile.imwrite(path, LAST, photometric=photometric, planarconfig="contig", tile=tile)
    np.testing.assert_allclose(channels_of(path), BANDS / 65535, atol=1e-7)


def test_eight_bits_scale_by_255_and_floating_point_does_not_scale(tmp_path: Path) -> None:
    small, real = (BANDS >> 8).astype(np.uint8), DRAW.normal(size=(5, 6, 8))
    tifffile.imwrite(tmp_path / "1.tif", small)
    np.testing.assert_allclose(channels_of(tmp_path / "1.tif"), small / 255, atol=1e-7)
    for kind in (np.float16, np.float32, np.float64):
        tifffile.imwrite(tmp_path / "2.tif", real.astype(kind))
        wanted = real.astype(kind).astype(np.float32)
        np.testing.assert_array_equal(channels_of(tmp_path / "2.tif"), wanted)


def test_near_infrared_is_not_dropped(tmp_path: Path) -> None:
    four = (LAST[:, :, :4] >> 8).astype(np.uint8)
    tifffile.imwrite(tmp_path / "1.tif", four, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_allclose(
        channels_of(tmp_path / "1.tif"), np.moveaxis(four, 2, 0) / 255, atol=1e-7
    )


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_transparent_pixels_become_white(tmp_path: Path, kind: str) -> None:
    share = LAST[:, :, 3:4] / 65535
    color = LAST[:, :, :3] / 65535 * share
    stored = color if kind == "assocalpha" else LAST[:, :, :3] / 65535
    pixels = np.rint(np.concatenate([stored, share], axis=2) * 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "1.tif", pixels, photometric="rgb", extrasamples=[kind])
    wanted = np.moveaxis(color + 1 - share, 2, 0)
    np.testing.assert_allclose(channels_of(tmp_path / "1.tif"), wanted, atol=2e-5)


def test_orientation(tmp_path: Path) -> None:
    turn = [(274, "H", 1, 6, True)]  # the 0th row is the right side
    tifffile.imwrite(
        tmp_path / "1.tif", LAST, photometric="minisblack", planarconfig="contig", extratags=turn
    )
    upright = BANDS.swapaxes(1, 2)[:, :, ::-1]
    np.testing.assert_allclose(channels_of(tmp_path / "1.tif"), upright / 65535, atol=1e-7)


def test_what_pillow_reads_stays_with_pillow(tmp_path: Path) -> None:
    color = (LAST[:, :, :3] >> 8).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "color.tif") as file:
        file.write(color, photometric="rgb")
        file.write(255 - color, photometric="rgb")
    assert form_of(tmp_path / "color.tif") == (3, 6, False, True)
    np.testing.assert_array_equal(np.asarray(decode(tmp_path / "color.tif")), color)
    with tifffile.TiffWriter(tmp_path / "overview.tif") as file:  # as of a GeoTIFF
        file.write(BANDS[0])
        file.write(BANDS[0, ::2, ::2], subfiletype=1)
    assert form_of(tmp_path / "overview.tif") == (3, 6, True, True)
    with tifffile.TiffWriter(tmp_path / "copy.tif") as file:
        file.write(BANDS[0])
        file.write(BANDS[0], subfiletype=1)
    assert form_of(tmp_path / "copy.tif") == (3, 6, True, True)
    fax = Image.new("1", (8, 6))
    fax.save(tmp_path / "fax.tif", save_all=True, append_images=[fax])
    assert form_of(tmp_path / "fax.tif") == (3, 6, False, True)


def test_bands_with_an_overview(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "1.tif") as file:
        file.write(LAST, photometric="minisblack", planarconfig="contig")
        half = LAST[::2, ::2]
        file.write(half, photometric="minisblack", planarconfig="contig", subfiletype=1)
    assert form_of(tmp_path / "1.tif") == (5, 6, True, True)
    np.testing.assert_allclose(channels_of(tmp_path / "1.tif"), BANDS / 65535, atol=1e-7)


def test_a_folder(tmp_path: Path) -> None:
    for number in range(10):
        path = tmp_path / f"{number}.tif"
        bands = np.full((5, 12, 12), 1000 * number + 1, np.uint16)
        tifffile.imwrite(path, bands + np.arange(5, dtype=np.uint16)[:, None, None])
    data = load(f"imagefolder:{tmp_path}", root=Path("nowhere"), size=8)
    assert data.shape == (5, 8, 8)
    assert data.dtype == torch.float32
    assert data.augmentation == "crop"
    assert data.statistics is not None
    assert len(data.statistics.mean) == 5
    images = data.train.images
    assert isinstance(images, ImageFiles)
    seen = images[torch.arange(len(images))]
    for file, image in zip(images.files, seen, strict=True):
        assert isinstance(file, Path)
        wanted = (1000 * int(file.stem) + 1 + np.arange(5)) / 65535
        np.testing.assert_allclose(image[:, 3, 4], wanted, atol=1e-7)


def test_images_with_different_channels_are_an_error(tmp_path: Path) -> None:
    for number in range(6):
        tifffile.imwrite(tmp_path / f"{number}.tif", BANDS)
    Image.new("RGB", (8, 8)).save(tmp_path / "9.png")
    with pytest.raises(RRLError, match=r"\[RRL412\].*9\.png has 3 channels, but .*0\.tif has 5"):
        load(f"imagefolder:{tmp_path}", root=Path("nowhere"), size=8)


def test_the_error_without_tifffile_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "1.tif", BANDS)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(RRLError, match=r"\[RRL410\].*1\.tif has 5 channels of 16 bits") as caught:
        load(f"imagefolder:{tmp_path}", root=Path("nowhere"), size=8)
    [fault] = caught.value.diagnostics
    assert fault.hint == "install it with `pip install 'rrl-dsl[tiff]'`"


def test_values_that_cannot_be_scaled(tmp_path: Path) -> None:
    for kind in (np.int16, np.uint32):
        tifffile.imwrite(tmp_path / "1.tif", BANDS.astype(kind))
        with pytest.raises(RRLError, match=rf"\[RRL412\].*1\.tif has pixels of {kind.__name__}"):
            decode_deep(tmp_path / "1.tif")
    for value in (np.nan, 1e300):
        tifffile.imwrite(tmp_path / "1.tif", np.full((5, 6, 8), value))
        with pytest.raises(RRLError, match=r"\[RRL412\].*1\.tif has a pixel that is not finite"):
            decode_deep(tmp_path / "1.tif")


def test_too_many_pixels_are_an_error_before_they_are_decoded(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "1.tif",
        shape=(6000, 6000, 6),
        dtype=np.uint16,
        photometric="minisblack",
        planarconfig="contig",
        compression="zlib",
        tile=(2000, 2000),
        data=(np.zeros((2000, 2000, 6), np.uint16) for _ in range(9)),
    )
    with pytest.raises(RRLError, match=r"\[RRL412\].*1\.tif has 6,000 x 6,000 pixels") as caught:
        decode_deep(tmp_path / "1.tif")
    assert "the limit is 33,554,432" in str(caught.value.diagnostics[0].hint)


# OME has its description behind the pixels
@pytest.mark.parametrize("way", [way for way in WAYS if way != "pages of OME"])
@pytest.mark.filterwarnings("ignore")
def test_a_torn_file_is_an_error_that_names_it(tmp_path: Path, way: str) -> None:
    whole = io.BytesIO()
    tifffile.imwrite(whole, BANDS, **WAYS[way])
    content = whole.getvalue()
    path = tmp_path / "1.tif"
    for size in range(0, len(content) - 20, 13):
        path.write_bytes(content[:size])
        with pytest.raises(RRLError, match=r"\[RRL412\].*1\.tif cannot be decoded"):
            decode_deep(path)


def test_pages_in_a_loop(tmp_path: Path) -> None:
    whole = io.BytesIO()
    tifffile.imwrite(whole, BANDS[:1], photometric="minisblack", metadata=None)
    content = bytearray(whole.getvalue())
    start = int.from_bytes(content[4:8], "little")
    entries = int.from_bytes(content[start : start + 2], "little")
    end = start + 2 + 12 * entries
    content[end : end + 4] = content[4:8]
    assert layout_of(io.BytesIO(bytes(content))) is None
