from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.digest import stable_id

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def paint(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (12, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "zoo"
    paint(root / "train/cat/b.png", RED)
    paint(root / "train/cat/further/a.JPG", RED)
    paint(root / "train/dog/1.webp", GREEN)
    paint(root / "train/ant/1.png", BLUE)
    paint(root / "test/dog/1.png", GREEN, (30, 16))
    (root / "train/.DS_Store").write_bytes(b"")
    (root / "train/cat/notes.txt").write_text("two cats")
    return root


def open_folder(path: Path, size: int | None = 8) -> DataSet:
    return load(f"imagefolder:{path}", root=Path("nowhere"), size=size)


def complaint(path: Path) -> str:
    with pytest.raises(RRLError) as caught:
        open_folder(path)
    (found,) = caught.value.diagnostics
    assert found.code == "RRL412"
    return f"{found.message} | {found.hint}"


def test_classes_are_the_folders_of_train(folder: Path) -> None:
    data = open_folder(folder)
    assert data.class_names == {"label": ("ant", "cat", "dog")}
    assert data.train.labels["label"].tolist() == [0, 1, 1, 2]
    assert data.test.labels["label"].tolist() == [2]


def test_images_are_decoded_resized_and_coloured(folder: Path) -> None:
    data = open_folder(folder)
    assert data.shape == (3, 8, 8)
    batch = data.train.images[torch.tensor([3, 0])]
    assert batch.shape == (2, 3, 8, 8)
    assert batch.dtype == torch.uint8
    # WebP is lossy
    assert batch[0, :, 4, 4].tolist() == pytest.approx(GREEN, abs=3)
    assert batch[1, :, 4, 4].tolist() == list(BLUE)


def test_the_middle_is_cut_out_without_distortion(folder: Path) -> None:
    stripes = np.zeros((10, 30, 3), dtype=np.uint8)
    stripes[:, 10:20] = 255
    Image.fromarray(stripes).save(folder / "test/dog/1.png")
    image = open_folder(folder, size=10).test.images[torch.tensor([0])]
    assert int(image.min()) > 200


def test_ids_are_hashes_of_the_relative_path(folder: Path, tmp_path: Path) -> None:
    before = open_folder(folder).train.sample
    assert int(before[1]) == stable_id("train/cat/b.png")
    paint(folder / "train/bee/0.png", BLUE)
    folder.rename(tmp_path / "moved")
    after = open_folder(tmp_path / "moved").train.sample
    assert set(before.tolist()) < set(after.tolist())


def test_val_stands_in_for_test(folder: Path) -> None:
    (folder / "test").rename(folder / "val")
    data = open_folder(folder)
    assert int(data.test.sample[0]) == stable_id("val/dog/1.png")


def test_the_preset_follows_the_size(folder: Path) -> None:
    assert open_folder(folder).augmentation == "cifar"
    assert open_folder(folder, size=None).augmentation == "photo"
    assert open_folder(folder, size=None).shape == (3, 224, 224)


def test_a_hierarchy_gives_coarse_labels(folder: Path) -> None:
    (folder / "hierarchy.yaml").write_text("cat: pet\ndog: pet\nant: insect\n")
    data = open_folder(folder)
    assert data.class_names["coarse"] == ("insect", "pet")
    assert data.train.labels["coarse"].tolist() == [0, 1, 1, 1]
    assert data.test.labels["coarse"].tolist() == [1]


def test_classes_called_like_yaml_values_stay_words(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("0", "no"):
            paint(tmp_path / part / name / "x.png", RED)
    (tmp_path / "hierarchy.yaml").write_text("0: 1\nno: off\n")
    assert open_folder(tmp_path).class_names["coarse"] == ("1", "off")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat: pet\ndog: pet\n", "no coarse class for `ant`"),
        ("cat: pet\ndog: pet\nant: i\ndogg: pet\n", "`dogg`, which is not a class folder"),
        ("cat: [pet]\ndog: pet\nant: i\n", "must map each class"),
        ("- cat\n", "must map each class"),
        ("cat: {", "not readable YAML"),
    ],
)
def test_a_malformed_hierarchy_is_refused(folder: Path, text: str, expected: str) -> None:
    (folder / "hierarchy.yaml").write_text(text)
    found = complaint(folder)
    assert expected in found
    assert "hierarchy.yaml" in found


def test_a_class_that_train_lacks_is_refused(folder: Path) -> None:
    paint(folder / "test/dogs/1.png", GREEN)
    found = complaint(folder)
    assert str(folder / "test" / "dogs") in found
    assert "did you mean `dog`?" in found


def test_folders_that_hold_nothing_are_named(folder: Path) -> None:
    (folder / "train/bee").mkdir()
    assert f"{folder / 'train' / 'bee'} holds no images" in complaint(folder)


def test_a_part_without_classes_is_named(tmp_path: Path) -> None:
    paint(tmp_path / "train/1.png", RED)
    (tmp_path / "test").mkdir()
    assert f"{tmp_path / 'train'} holds no class folders" in complaint(tmp_path)


def test_an_image_of_another_format_is_not_passed_over(folder: Path) -> None:
    Image.new("RGB", (4, 4)).save(folder / "train/cat/moving.gif")
    assert "moving.gif is of a format that is not read" in complaint(folder)


@pytest.mark.parametrize("present", [(), ("train",), ("test",)])
def test_a_missing_part_is_not_there(tmp_path: Path, present: tuple[str, ...]) -> None:
    for part in present:
        paint(tmp_path / part / "cat" / "1.png", RED)
    missing = "`test` or `val`" if present == ("train",) else "`train`"
    with pytest.raises(RRLError, match=rf"\[RRL410\].*{missing} in {tmp_path}"):
        open_folder(tmp_path)


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty"])
def test_a_damaged_image_is_named_when_it_is_read(folder: Path, damage: str) -> None:
    path = folder / "train/cat/b.png"
    whole = path.read_bytes()
    path.write_bytes({"garbage": b"no image", "truncated": whole[:50], "empty": b""}[damage])
    data = open_folder(folder)
    with pytest.raises(RRLError, match=r"\[RRL412\].*b\.png cannot be decoded"):
        data.train.images[torch.tensor([1])]
    data.train.images[torch.tensor([2])]


def test_sixteen_bits_are_refused_and_not_clipped(folder: Path) -> None:
    Image.fromarray(np.full((8, 8), 3000, dtype=np.uint16)).save(folder / "train/ant/1.png")
    assert "ant/1.png has more than 8 bits" in complaint(folder)


def test_a_turned_photograph_is_set_upright(folder: Path) -> None:
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    pixels[:, :4] = 255
    upside_down = Image.Exif()
    upside_down[0x0112] = 3
    Image.fromarray(pixels).save(folder / "train/ant/1.png", exif=upside_down)
    image = open_folder(folder).train.images[torch.tensor([0])][0, 0]
    assert image[4].tolist() == [0, 0, 0, 0, 255, 255, 255, 255]


def test_a_size_must_be_positive(folder: Path) -> None:
    with pytest.raises(RRLError, match=r"\[RRL502\].*not 0"):
        open_folder(folder, size=0)
