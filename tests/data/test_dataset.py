from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rrl_dsl.data.dataset import DataSet, Split, coarsen, columns_of, first_repeat
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.digest import stable_id


def split(ids: list[int], label: list[int] | None = None, side: int = 4) -> Split:
    labels = torch.tensor(label if label is not None else [0] * len(ids))
    images = torch.zeros(len(ids), 1, side, side, dtype=torch.uint8)
    return Split(images, torch.tensor(ids, dtype=torch.int64), {"label": labels})


def data_set(train: Split, test: Split, names: tuple[str, ...] = ("a", "b")) -> DataSet:
    return DataSet("toy", train, test, {"label": names}, (1, 4, 4), "digits")


def test_a_sound_data_set_is_taken() -> None:
    data = data_set(split([5, 0], [1, -1]), split([7]))
    assert (len(data.train), len(data.test)) == (2, 1)


@pytest.mark.parametrize(
    ("sample", "labels", "complaint"),
    [
        (torch.tensor([0, -3]), torch.tensor([0, 0]), "negative: -3"),
        (torch.tensor([0.0, 1.0]), torch.tensor([0, 0]), "sample must be torch.int64"),
        (torch.tensor([0, 1, 2]), torch.tensor([0, 0]), r"sample must be torch.int64 \(2,\)"),
        (torch.tensor([0, 1]), torch.tensor([0]), r"label `label` must be torch.int64 \(2,\)"),
        (torch.tensor([0, 1]), torch.tensor([0, 0]).int(), "label `label` must be torch.int64"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    sample: Tensor, labels: Tensor, complaint: str
) -> None:
    with pytest.raises(RRLError, match=rf"\[RRL412\].*{complaint}"):
        Split(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), sample, {"label": labels})


def test_a_split_without_images_is_refused() -> None:
    with pytest.raises(RRLError, match=r"\[RRL412\].*no images"):
        split([])


@pytest.mark.parametrize(("train", "test"), [([1, 1], [2]), ([1, 2], [2])])
def test_an_id_belongs_to_one_image_of_both_splits(train: list[int], test: list[int]) -> None:
    with pytest.raises(RRLError, match=r"\[RRL412\].*`toy`.*sample id [12] to more than one"):
        data_set(split(train), split(test))


@pytest.mark.parametrize("value", [2, -2])
def test_a_label_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(RRLError, match=rf"\[RRL412\].*value {value} in test label `label`"):
        data_set(split([1]), split([2], [value]))


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(RRLError, match=r"\[RRL412\].*test images.*\(1, 5, 5\).*\(1, 4, 4\)"):
        data_set(split([1]), split([2], side=5))


@pytest.mark.parametrize("dtype", [torch.uint16, torch.float32])
def test_images_of_all_splits_have_one_type(dtype: torch.dtype) -> None:
    images = torch.zeros(1, 1, 4, 4).to(dtype)
    other = Split(images, torch.tensor([3]), {"label": torch.tensor([0])})
    again = Split(images, torch.tensor([4]), {"label": torch.tensor([0])})
    assert data_set(other, again).dtype == dtype
    with pytest.raises(RRLError, match=rf"\[RRL412\].*test images of torch.uint8.*not {dtype}"):
        data_set(other, split([2]))


def test_images_of_another_type_are_refused() -> None:
    double = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    wrong = Split(double, torch.tensor([3]), {"label": torch.tensor([0])})
    with pytest.raises(RRLError, match=r"\[RRL412\].*train images of torch.float64"):
        data_set(wrong, split([2]))


def test_labels_are_optional() -> None:
    train, test = (Split(part.images, part.sample, {}) for part in (split([1]), split([2])))
    assert columns_of(DataSet("toy", train, test, {}, (1, 4, 4), "digits")).labels == {}


def test_a_validation_split_is_watched_and_checked_like_the_others() -> None:
    names = {"label": ("a", "b")}

    def of(val: Split | None) -> DataSet:
        return DataSet("toy", split([1]), split([2]), names, (1, 4, 4), "digits", val=val)

    assert of(None).watched.sample.tolist() == [2]
    assert of(None).others.tolist() == [2]
    assert of(split([3])).watched.sample.tolist() == [3]
    assert of(split([3])).others.tolist() == [3, 2]
    assert columns_of(of(split([3]))).others.tolist() == [3, 2]
    with pytest.raises(RRLError, match="the sample id 1 to more than one"):
        of(split([1]))
    with pytest.raises(RRLError, match=r"val images.*\(1, 5, 5\)"):
        of(split([3], side=5))


def test_a_coarse_class_of_an_unknown_class_is_unknown() -> None:
    assert coarsen(torch.tensor([1, -1, 0]), [4, 5]).tolist() == [5, -1, 4]


def test_a_stable_id_does_not_depend_on_how_unicode_writes_a_letter() -> None:
    assert stable_id("train/caf\u00e9.png") == stable_id("train/cafe\u0301.png")


def test_both_splits_carry_the_named_labels() -> None:
    names = {"label": ("a", "b"), "coarse": ("c",)}
    with pytest.raises(RRLError, match=r"\[RRL412\].*coarse.*train has labels"):
        DataSet("toy", split([1]), split([2]), names, (1, 4, 4), "digits")


def test_a_stable_id_is_the_head_of_a_sha256() -> None:
    # echo -n train/cat/1.png | sha256sum, the first 16 digits, without its last bit
    assert stable_id("train/cat/1.png") == 0x651B16567BB217B7 >> 1
    assert 0 <= stable_id("x") < 2**63


def test_first_repeat_and_coarsen() -> None:
    assert first_repeat(torch.tensor([3, 1, 2])) is None
    assert first_repeat(torch.tensor([9, 4, 9, 4])) == 4
    assert coarsen(torch.tensor([2, 0, 1]), (5, 6, 5)).tolist() == [5, 5, 6]
