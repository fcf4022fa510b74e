from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.digits import columns, load


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load(Path("nowhere"))


def test_the_split_is_fixed_and_stratified(digits: DataSet) -> None:
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert digits.test.sample[:5].tolist() == [5, 10, 12, 14, 27]
    assert int(digits.test.sample.sum()) == 324605
    counts = digits.test.labels["label"].bincount()
    assert int(counts.max() - counts.min()) <= 2


def test_ids_are_places_in_the_source(digits: DataSet) -> None:
    source = load_digits()
    for part in (digits.train, digits.test):
        assert part.labels["label"].tolist() == source.target[part.sample.numpy()].tolist()
    together = torch.cat([digits.train.sample, digits.test.sample]).sort().values
    assert together.equal(torch.arange(1797))


def test_ink_is_scaled_to_bytes(digits: DataSet) -> None:
    source = load_digits().images
    sample = int(digits.train.sample[0])
    image = digits.train.images[torch.tensor([0])]
    assert image.dtype == torch.uint8
    assert torch.allclose(
        image[0, 0] / 255.0, torch.tensor(source[sample] / 16).float(), atol=0.003
    )
    assert int(digits.train.images[torch.arange(1437)].max()) == 255


def test_coarse_classes_are_loops_strokes_and_curves(digits: DataSet) -> None:
    names = digits.class_names["coarse"]
    members_of = {
        (int(label), names[int(coarse)])
        for label, coarse in zip(
            *(digits.train.labels[k] for k in ("label", "coarse")), strict=True
        )
    }
    expected = {"loops": (0, 6, 8, 9), "strokes": (1, 4, 7), "curves": (2, 3, 5)}
    assert members_of == {(digit, name) for name, members in expected.items() for digit in members}


def test_pixels_are_the_raw_image(digits: DataSet) -> None:
    source = load_digits().data
    for part in (digits.train, digits.test):
        pixels = part.fields["pixels"]
        assert pixels.dtype == torch.float32
        assert (pixels.double() * 16).numpy().tolist() == source[part.sample.numpy()].tolist()
    assert float(digits.train.fields["pixels"].max()) == 1


@pytest.mark.parametrize("part", ["train", "test"])
def test_the_columns_are_those_of_the_data_set(digits: DataSet, part: Literal["train"]) -> None:
    data, split = columns(part), getattr(digits, part)
    assert data.name == "digits"
    assert data.sample.tolist() == split.sample.tolist()
    assert data.class_names == digits.class_names
    for name, label in split.labels.items():
        assert data.labels[name].dtype == np.int64
        assert data.labels[name].tolist() == label.tolist()
    assert data.fields["pixels"].tolist() == split.fields["pixels"].tolist()
