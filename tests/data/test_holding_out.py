"""Splits that a hash of the ids draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.holding_out import held_out
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError


def archive(folder: Path, rows: int, **arrays: np.ndarray) -> str:
    """An archive of images, each of which shows its index in one color."""
    images = np.arange(rows, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), dtype=np.uint8)
    np.savez(folder / "set.npz", images=images, **arrays)
    return f"npz:{folder / 'set.npz'}"


def opened(spec: str, split: float | None = None) -> DataSet:
    return load(spec, root=Path("nowhere"), split=split)


def test_a_larger_share_contains_a_smaller_one() -> None:
    ids = torch.arange(5000)
    tenth, third = held_out(ids, 0.1), held_out(ids, 0.3)
    assert not bool((tenth & ~third).any())
    # four standard deviations of a binomial: 4 * sqrt(5000 * 0.1 * 0.9) = 85
    assert abs(int(tenth.sum()) - 500) < 85


def test_the_choice_depends_on_the_id_alone() -> None:
    ids = torch.arange(300)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    assert torch.equal(held_out(ids, 0.1)[order], held_out(ids[order], 0.1))


def test_a_validation_split_of_images_in_memory(tmp_path: Path) -> None:
    split = np.array(["train"] * 80 + ["test"] * 20)
    label = np.arange(100) % 4
    spec = archive(tmp_path, 100, split=split, label=label, time=np.arange(100) / 2)
    whole, data = opened(spec), opened(spec, 0.25)
    assert whole.val is None
    assert data.val is not None
    drawn = torch.arange(80)[held_out(torch.arange(80), 0.25)]
    assert torch.equal(data.val.sample, drawn)
    assert torch.equal(data.val.images[torch.arange(len(drawn))][:, 0, 0, 0], drawn.to(torch.uint8))
    assert torch.equal(data.val.labels["label"], drawn % 4)
    assert torch.equal(data.val.fields["time"], drawn / 2)
    assert sorted([*data.train.sample.tolist(), *drawn.tolist()]) == [*range(80)]
    assert torch.equal(data.test.sample, whole.test.sample)


def test_with_training_samples_alone_the_share_is_the_test_split(tmp_path: Path) -> None:
    spec = archive(tmp_path, 100, split=np.array(["train"] * 100))
    for given, share in ((None, 0.2), (0.4, 0.4)):
        data = opened(spec, given)
        assert data.val is None
        drawn = held_out(torch.arange(100), share)
        assert torch.equal(data.test.sample, torch.arange(100)[drawn])


def test_a_validation_split_without_a_test_split_is_the_test_split(tmp_path: Path) -> None:
    spec = archive(tmp_path, 10, split=np.array(["train"] * 7 + ["val"] * 3))
    data = opened(spec)
    assert data.val is None
    assert data.test.sample.tolist() == [7, 8, 9]


def test_added_images_move_no_other_image(tmp_path: Path) -> None:
    def paint(names: range) -> None:
        for name in names:
            path = tmp_path / "train" / "cat" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (name, 0, 0)).save(path)

    def parts() -> tuple[set[int], set[int]]:
        data = load(f"imagefolder:{tmp_path}", root=Path("nowhere"), size=8, split=0.3)
        for part in (data.train, data.test):
            red = part.images[torch.arange(len(part))][:, 0, 0, 0]
            names = [stem(path) for path in part.images.files]  # type: ignore[attr-defined]
            assert red.tolist() == names
        return set(data.train.sample.tolist()), set(data.test.sample.tolist())

    def stem(path: Path) -> int:
        return int(path.stem)

    paint(range(20))
    train, test = parts()
    paint(range(20, 50))
    later_train, later_test = parts()
    assert train < later_train
    assert test < later_test


def test_a_named_dataset_is_divided_too() -> None:
    data = load("digits", root=Path("nowhere"), split=0.1)
    assert data.val is not None
    assert len(data.train) + len(data.val) == 1437
    assert 90 < len(data.val) < 200


def test_a_dataset_with_a_validation_split_takes_no_share(tmp_path: Path) -> None:
    spec = archive(tmp_path, 9, split=np.array(["train", "val", "test"] * 3))
    with pytest.raises(RRLError, match=r"\[RRL502\].*`split` draws a validation split, but"):
        opened(spec, 0.1)


@pytest.mark.parametrize(("rows", "share"), [(1, 0.5), (5, 1e-9)])
def test_a_share_that_divides_nothing_is_an_error(tmp_path: Path, rows: int, share: float) -> None:
    with pytest.raises(RRLError, match=r"\[RRL412\].*too few to hold out"):
        opened(archive(tmp_path, rows), share)
    split = np.array(["train"] * rows + ["test"])
    with pytest.raises(RRLError, match=r"\[RRL502\].*divides the"):
        opened(archive(tmp_path, rows + 1, split=split), share)
