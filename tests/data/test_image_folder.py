from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.digest import stable_id

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def paint(path: Path, color: tuple[int, int, int], size: tuple[int, int] = (12, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


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
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL412"
    return f"{diagnostic.message} | {diagnostic.hint}"


def test_classes_are_the_folders_of_train(folder: Path) -> None:
    data = open_folder(folder)
    assert data.class_names == {"label": ("ant", "cat", "dog")}
    assert data.train.labels["label"].tolist() == [0, 1, 1, 2]
    assert data.test.labels["label"].tolist() == [2]


def test_images_are_decoded_resized_and_colored(folder: Path) -> None:
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
    train = open_folder(folder).train
    before = train.sample
    assert list(train.names)[1] == "train/cat/b.png"
    assert int(before[1]) == stable_id("train/cat/b.png")
    paint(folder / "train/bee/0.png", BLUE)
    folder.rename(tmp_path / "moved")
    after = open_folder(tmp_path / "moved").train.sample
    assert set(before.tolist()) < set(after.tolist())


def test_a_changed_byte_of_an_image_changes_the_fingerprint(folder: Path) -> None:
    path = folder / "train/cat/1.bmp"
    paint(path, RED)
    before, time = fingerprint(open_folder(folder)), path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    os.utime(path, ns=(time, time))
    after = fingerprint(open_folder(folder))
    assert {part for part in after if after[part] != before[part]} == {"train images"}


def test_the_preset_follows_the_size(folder: Path) -> None:
    assert open_folder(folder).augmentation == "cifar"
    assert open_folder(folder, size=96).augmentation == "photo"


@pytest.mark.parametrize(("width", "height", "side"), [(9, 12, 16), (40, 30, 30), (300, 500, 224)])
def test_images_keep_their_size_but_large_ones_are_resized(
    folder: Path, width: int, height: int, side: int
) -> None:
    Image.new("RGB", (width, height)).save(folder / "train/cat/1.bmp")
    for _ in range(2):  # the second time, the cache of the check knows the sizes
        assert open_folder(folder, size=None).shape == (3, side, side)


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
        ("cat: {", "this is not YAML: expected the node content"),
        ("cat: pet\nant: a\0b", "this character, U+0000, is not allowed in YAML | remove it"),
    ],
)
def test_a_malformed_hierarchy_is_refused(folder: Path, text: str, expected: str) -> None:
    (folder / "hierarchy.yaml").write_text(text)
    assert expected in complaint(folder)
    with pytest.raises(RRLError, match=r"hierarchy\.yaml") as problem:
        open_folder(folder)
    assert "\\n" not in str(problem.value)


@pytest.mark.parametrize("mark", ["", "~", "null", "NA", "'N/A'", '"?"', "-1", "-100", "None"])
def test_a_class_of_unknown_coarse_class(folder: Path, mark: str) -> None:
    text = "ant: small\ncat: large\ndog: " + mark.replace("~", "null")
    (folder / "hierarchy.yaml").write_text(text)
    data = open_folder(folder)
    assert data.class_names["coarse"] == ("large", "small")
    assert data.train.labels["coarse"].tolist() == [1, 0, 0, -1]
    assert data.train.labels["label"].tolist() == [0, 1, 1, 2]
    (note,) = [note for note in notes(data) if "coarse" in note]
    assert "2 of 5 images" in note


def test_other_words_than_the_usual_are_unknown_in_a_hierarchy(folder: Path) -> None:
    (folder / "columns.yaml").write_text("unknown: [none of them]")
    (folder / "hierarchy.yaml").write_text("ant: NA\ncat: None of them\ndog: NA")
    data = open_folder(folder)
    assert data.class_names["coarse"] == ("NA",)
    assert data.train.labels["coarse"].tolist() == [0, -1, -1, 0]


@pytest.mark.parametrize("name", ["hierarchy.yml", "hierarchy.json", "Hierarchy.yaml"])
def test_a_hierarchy_of_another_name_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("ant: small\ncat: large\ndog: large")
    assert "the hierarchy must be named `hierarchy.yaml`" in complaint(folder)


@pytest.mark.parametrize("names", [("Train", "TEST"), ("train", "Test")])
def test_names_of_splits_ignore_case(tmp_path: Path, names: tuple[str, str]) -> None:
    for split in names:
        for place in range(3):
            paint(tmp_path / split / "cat" / f"{place}.png", RED)
    data = open_folder(tmp_path)
    assert data.class_names == {"label": ("cat",)}
    assert (len(data.train), len(data.test)) == (3, 3)
    assert notes(data) == []


def test_a_class_that_train_lacks_is_refused(folder: Path) -> None:
    paint(folder / "test/dogs/1.png", GREEN)
    message = complaint(folder)
    assert str(folder / "test" / "dogs") in message
    assert "did you mean `dog`?" in message


def test_folders_that_hold_nothing_are_named(folder: Path) -> None:
    (folder / "train/bee").mkdir()
    assert f"{folder / 'train' / 'bee'} contains no images" in complaint(folder)


@pytest.mark.parametrize("present", [(), ("test",)])
def test_a_missing_part_is_not_there(tmp_path: Path, present: tuple[str, ...]) -> None:
    for part in present:
        paint(tmp_path / part / "cat" / "1.png", RED)
    with pytest.raises(RRLError, match=rf"\[RRL410\].*`train` in {tmp_path}"):
        open_folder(tmp_path)


def notes(data: DataSet) -> list[str]:
    return [note.message.partition(": ")[2] for note in data.notes]


def test_a_validation_split_is_apart_from_test(folder: Path) -> None:
    paint(folder / "val/cat/1.png", RED)
    data = open_folder(folder)
    assert data.val is not None
    assert data.val.sample.tolist() == [stable_id("val/cat/1.png")]
    assert data.test.sample.tolist() == [stable_id("test/dog/1.png")]
    assert data.watched is data.val


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_without_test_the_validation_split_is_the_test_split(folder: Path, name: str) -> None:
    (folder / "test").rename(folder / name)
    data = open_folder(folder)
    assert data.val is None
    assert data.test.sample.tolist() == [stable_id(f"{name}/dog/1.png")]
    assert f"there is no `test`, so `{name}` is the test split" in notes(data)


@pytest.mark.parametrize("name", ["unlabelled", "unlabeled", "_unlabelled", "Unlabelled"])
def test_a_folder_for_images_of_unknown_class(folder: Path, name: str) -> None:
    paint(folder / "train" / name / "deep/1.png", RED)
    (folder / "hierarchy.yaml").write_text("cat: pet\ndog: pet\nant: insect\n")
    data = open_folder(folder)
    place = data.train.sample.tolist().index(stable_id(f"train/{name}/deep/1.png"))
    assert data.class_names["label"] == ("ant", "cat", "dog")
    assert data.train.labels["label"][place] == -1
    assert data.train.labels["coarse"][place] == -1
    assert sorted(data.train.labels["label"].tolist()) == [-1, 0, 1, 1, 2]
    assert "1 of 6 images are in no class folder and are unlabeled" in notes(data)


@pytest.mark.parametrize("name", ["unlabeled", "UNLABELED", "_Unlabeled"])
def test_unlabeled_images_beside_train_are_trained_on(folder: Path, name: str) -> None:
    paint(folder / name / "1.png", RED)
    data = open_folder(folder)
    place = data.train.sample.tolist().index(stable_id(f"{name}/1.png"))
    assert data.train.labels["label"][place] == -1


def test_images_beside_the_class_folders_are_unlabeled(folder: Path) -> None:
    paint(folder / "train/1.png", RED)
    data = open_folder(folder)
    place = data.train.sample.tolist().index(stable_id("train/1.png"))
    assert data.train.labels["label"][place] == -1
    assert len(data.train) == 5


def test_a_flat_folder_has_no_label_and_tests_one_in_five(tmp_path: Path) -> None:
    for number in range(100):
        paint(tmp_path / f"{number}.png", RED)
    data = open_folder(tmp_path)
    assert data.class_names == {}
    assert data.train.labels == {}
    assert len(data.train) + len(data.test) == 100
    assert 10 <= len(data.test) <= 30
    held = set(data.test.sample.tolist())
    paint(tmp_path / "later.png", RED)
    assert held <= set(open_folder(tmp_path).test.sample.tolist())
    assert any("no test split" in note for note in notes(data))


def test_class_folders_without_splits_are_split(tmp_path: Path) -> None:
    for number in range(30):
        paint(tmp_path / "cat" / f"{number}.png", RED)
        paint(tmp_path / "dog" / f"{number}.png", RED)
    data = open_folder(tmp_path)
    assert data.class_names == {"label": ("cat", "dog")}
    assert len(data.train) + len(data.test) == 60


def test_a_table_labels_a_flat_folder(tmp_path: Path) -> None:
    for number in range(30):
        paint(tmp_path / f"{number}.png", RED)
    rows = "".join(f"{number}.png,{'ab'[number % 2]}\n" for number in range(30))
    (tmp_path / "columns.csv").write_text(f"file,label\n{rows}")
    data = open_folder(tmp_path)
    assert data.class_names == {"label": ("a", "b")}
    assert set(data.train.labels["label"].tolist()) == {0, 1}


def test_a_train_folder_without_classes_has_those_of_test(folder: Path) -> None:
    for name in ("ant", "cat", "dog"):
        (folder / "train" / name).rename(folder / f"train/unlabeled-{name}")
    (folder / "train/unlabeled").mkdir()
    for name in ("ant", "cat", "dog"):
        (folder / f"train/unlabeled-{name}").rename(folder / "train/unlabeled" / name)
    data = open_folder(folder)
    assert data.class_names == {"label": ("dog",)}
    assert set(data.train.labels["label"].tolist()) == {-1}
    assert data.test.labels["label"].tolist() == [0]


def test_folders_without_any_image_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    assert f"{tmp_path} contains no training images" in complaint(tmp_path)


def test_ignored_files_are_reported(folder: Path) -> None:
    paint(folder / "train/cat/.thumbnails/a.png", RED)
    paint(folder / "originals/1.png", RED)
    text = notes(open_folder(folder))
    assert (
        "3 hidden and system files are ignored: "
        "`train/.DS_Store`, `train/cat/.thumbnails`, `train/cat/notes.txt`" in text
    )
    assert "these entries next to the splits are ignored: `originals`" in text


def test_a_folder_without_peculiarities_has_no_notes(tmp_path: Path) -> None:
    for part in ("train", "test"):
        paint(tmp_path / part / "cat/1.png", RED)
    assert open_folder(tmp_path).notes == ()


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize("written", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("stored", [COMPOSED, DECOMPOSED])
def test_unicode_forms_are_one_name(tmp_path: Path, written: str, stored: str) -> None:
    paint(tmp_path / f"train/{stored}/{stored}.png", RED)
    paint(tmp_path / f"test/{COMPOSED}/1.png", RED)
    (tmp_path / "hierarchy.yaml").write_text(f"{written}: place\n", "utf-8")
    (tmp_path / "columns.csv").write_text(f"file,time\ntrain/{written}/{written}.png,3\n", "utf-8")
    data = open_folder(tmp_path)
    assert data.class_names["label"] == (COMPOSED,)
    assert data.train.fields["time"].tolist() == [3]
    assert data.train.sample.tolist() == [stable_id(f"train/{COMPOSED}/{COMPOSED}.png")]


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in (COMPOSED, DECOMPOSED):
        paint(tmp_path / f"train/cat/{name}.png", RED)
    paint(tmp_path / "test/cat/1.png", RED)
    if len(list((tmp_path / "train/cat").iterdir())) == 1:
        pytest.skip("this file system has one form")
    assert "differ only in their Unicode normalization" in complaint(tmp_path)


def test_a_size_must_be_positive(folder: Path) -> None:
    with pytest.raises(RRLError, match=r"\[RRL502\].*not 0"):
        open_folder(folder, size=0)
