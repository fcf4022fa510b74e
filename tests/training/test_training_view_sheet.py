"""The sheet of views of images that are neither gray nor color with 8 bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.training.settings import from_arguments
from rrl_dsl.training.view_sheet import sheet_of

DRAW = np.random.default_rng(0)


def sheet(folder: Path, settings: dict[str, Any] | None = None, **arrays: Any) -> Figure:
    np.savez(folder / "data.npz", **arrays)
    given = {"dataset": f"npz:{folder / 'data.npz'}", "augmentation": [], **(settings or {})}
    return sheet_of(from_arguments(given), samples=40, views=1)


def shown(figure: Figure, column: int) -> np.ndarray:
    """The pixels of all rows, (n, H, W, C), in the order of the samples in the file."""
    rows = sorted(figure.axes[::2], key=lambda axes: int(axes.get_ylabel()))
    places = [figure.axes.index(axes) + column for axes in rows]
    pixels = np.stack([np.asarray(figure.axes[place].images[0].get_array()) for place in places])
    return pixels if pixels.ndim == 4 else pixels[..., None]


@pytest.mark.parametrize(
    ("images", "channels"),
    [
        (DRAW.normal(3, 2, (40, 5, 6, 6)), 3),
        (DRAW.integers(100, 900, (40, 2, 6, 6), dtype=np.uint16), 1),
        (DRAW.integers(100, 900, (40, 1, 6, 6), dtype=np.uint16), 1),
    ],
)
def test_other_images_are_shown_between_their_smallest_and_largest_value(
    tmp_path: Path, images: np.ndarray, channels: int
) -> None:
    split = np.array(["train"] * 39 + ["test"])
    figure = sheet(tmp_path, images=images, channels=np.array("first"), split=split)
    chosen = images[:39, :channels].astype(np.float64)
    expected = (chosen - chosen.min()) / (chosen.max() - chosen.min())
    for column in (0, 1):  # the view has no operations
        pixels = shown(figure, column)
        assert pixels == pytest.approx(expected.transpose(0, 2, 3, 1), abs=1e-4)
    told = f"of {images.shape[1]}" in figure.get_suptitle()
    assert told == (images.shape[1] not in (1, 3))


def test_images_with_8_bits_are_shown_as_they_are(tmp_path: Path) -> None:
    images = DRAW.integers(100, 150, (40, 6, 6), dtype=np.uint8)
    pixels = shown(sheet(tmp_path, images=images, split=["train"] * 39 + ["test"]), 1)
    assert pixels[..., 0] == pytest.approx(images[:39] / 255, abs=1e-5)


def test_vectors_are_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(RRLError, match=r"\[RRL502\].*shows images, and .* are vectors"):
        sheet(tmp_path, inputs=DRAW.normal(size=(40, 3)))


def test_an_augmentation_that_does_not_fit_the_channels_is_an_error(tmp_path: Path) -> None:
    images = DRAW.integers(0, 255, (40, 5, 6, 6), dtype=np.uint8)
    for chosen, message in (
        ("cifar", "`cifar` is for images with 3 channels, and these images have 5"),
        ("scarf", "`scarf` is for vectors, and these samples are images"),
        (["ColorJitter"], r"these operations cannot augment images \(5, 6, 6\)"),
    ):
        with pytest.raises(RRLError, match=rf"\[RRL502\].*{message}"):
            sheet(tmp_path, {"augmentation": chosen}, images=images)
