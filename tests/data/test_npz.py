from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError

GREY = np.arange(6 * 20, dtype=np.uint8).reshape(6, 4, 5)
SPLIT = np.array(["train", "test", "train", "train", "test", "train"])
KIND = np.array([0, 1, 2, -1, 0, 1])


def save(path: Path, **arrays: Any) -> Path:
    file = path / "set.npz"
    np.savez(file, **arrays)
    return file


def open_npz(file: Path) -> DataSet:
    return load(f"npz:{file}", root=Path("nowhere"))


def complaint(file: Path) -> str:
    with pytest.raises(RRLError) as caught:
        open_npz(file)
    (found,) = caught.value.diagnostics
    assert found.code == "RRL412"
    assert str(file) in found.message
    return f"{found.message} | {found.hint}"


def test_arrays_come_back_as_they_went_in(tmp_path: Path) -> None:
    ids = np.array([30, 10, 20, 50, 40, 0])
    data = open_npz(save(tmp_path, images=GREY, label=KIND, split=SPLIT, sample=ids))
    assert data.shape == (1, 4, 5)
    assert data.train.sample.tolist() == [30, 20, 50, 0]
    assert data.test.sample.tolist() == [10, 40]
    assert data.train.labels["label"].tolist() == [0, 2, -1, 1]
    assert data.test.images[torch.tensor([1])][0, 0].tolist() == GREY[4].tolist()
    assert data.class_names == {"label": ("0", "1", "2")}


@pytest.mark.parametrize("order", ["NHWC", "NCHW"])
def test_channels_may_come_first_or_last(tmp_path: Path, order: str) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 5), dtype=np.uint8)
    images = colour if order == "NCHW" else colour.transpose(0, 2, 3, 1)
    data = open_npz(save(tmp_path, images=images, label=KIND, split=SPLIT))
    assert data.shape == (3, 4, 5)
    assert data.test.images[torch.tensor([0])][0].tolist() == colour[1].tolist()


def test_the_finest_label_becomes_label(tmp_path: Path) -> None:
    coarse_names = np.array(["even", "odd"])
    arrays = {"coarse": KIND % 2, "coarse_names": coarse_names, "fine": KIND}
    data = open_npz(save(tmp_path, images=GREY, split=SPLIT, **arrays))
    assert data.class_names["label"] == data.class_names["fine"] == ("0", "1", "2")
    assert data.class_names["coarse"] == ("even", "odd")
    assert data.train.labels["label"].tolist() == [0, 2, -1, 1]


def test_without_a_split_a_hash_of_the_id_decides(tmp_path: Path) -> None:
    count = 1000
    images, label = np.zeros((count, 4, 4), np.uint8), np.zeros(count, np.int64)
    ids = np.random.default_rng(0).permutation(count)
    whole = open_npz(save(tmp_path, images=images, label=label, sample=ids))
    assert 150 < len(whole.test) < 250
    half = open_npz(save(tmp_path, images=images[:500], label=label[:500], sample=ids[:500]))
    assert set(half.test.sample.tolist()) == set(whole.test.sample.tolist()) & set(ids[:500])


def test_grey_images_of_unknown_content_are_not_mirrored(tmp_path: Path) -> None:
    assert open_npz(save(tmp_path, images=GREY, label=KIND, split=SPLIT)).augmentation == "digits"


SOUND = {"images": GREY, "label": KIND, "split": SPLIT}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"images": None}, "no array `images`; it holds label, split"),
        ({"images": GREY / 255}, "images of float64; they must be uint8"),
        ({"images": GREY[:, 0]}, "images of shape (6, 5)"),
        ({"images": np.zeros((6, 4, 4, 2), np.uint8)}, "images of shape (6, 4, 4, 2)"),
        ({"images": np.zeros((6, 3, 4, 3), np.uint8)}, "images of shape (6, 3, 4, 3)"),
        ({"images": np.zeros((0, 4, 4), np.uint8)}, "no images"),
        ({"images": np.uint8(3)}, "no images"),
        ({"label": None}, "no label | add an integer array `label`"),
        ({"label": KIND[:4]}, "`label` of int64 (4,), which is not an integer for each of the 6"),
        ({"label": KIND - 1}, "the value -2 in `label`"),
        ({"height": np.zeros(6)}, "`height` of float64 (6,)"),
        ({"time": KIND + 1_700_000_000}, "1700000002 in `time`, which is too large for a class"),
        ({"label_names": np.array(["a", "b"])}, "names 2 classes in `label_names`"),
        ({"label_names": np.array([1, 2, 3])}, "`label_names` of int64 (3,)"),
        ({"split": np.array(["train"] * 5 + ["valid"])}, "the split `valid`"),
        ({"split": SPLIT[:3]}, "`split` of <U5 (3,)"),
        ({"split": np.array(["train"] * 6)}, "leaves nothing in the test split"),
        ({"split": np.array(["test"] * 6)}, "leaves nothing in the train split"),
        ({"sample": np.array([1, 2, 3, 4, 5, 1])}, "the id 1 to more than one"),
        ({"sample": np.array([1, 2, 3, 4, 5, -6])}, "the value -6 in `sample`"),
        ({"sample": np.full(6, 2**63, np.uint64)}, "the value 9223372036854775808 in `sample`"),
        ({"label": np.array([object()] * 6)}, "array `label` of"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    arrays = {name: array for name, array in (SOUND | change).items() if array is not None}
    assert expected in complaint(save(tmp_path, **arrays))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    file = save(tmp_path, **SOUND | {"label": np.array([Trap()] * 6, dtype=object)})
    assert "Python objects" in complaint(file)
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RRLError, match=r"\[RRL410\].*no file .*absent\.npz"):
        open_npz(tmp_path / "absent.npz")


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    lone = tmp_path / "lone.npy"
    np.save(lone, GREY)
    assert "not an .npz archive" in complaint(lone)
    foreign = tmp_path / "foreign.npz"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "`readme.txt`, which is not an array" in complaint(foreign)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    file = save(tmp_path, **SOUND)
    content = bytearray(file.read_bytes())
    content[200] ^= 255
    file.write_bytes(content)
    assert "array `images`" in complaint(file)
