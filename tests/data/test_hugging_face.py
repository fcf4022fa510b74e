"""`hf:PATH`: datasets that the library datasets of Hugging Face saved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.digest import stable_id


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def library() -> Any:
    return pytest.importorskip("datasets")


def shades(first: int, count: int) -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), (number, 0, 0)) for number in range(first, first + count)]


def made(library: Any, first: int, count: int, **columns: list[Any]) -> Any:
    features = {
        "image": library.Image(),
        "animal": library.ClassLabel(names=["zebra", "ant", "7"]),
    }
    numbers = range(first, first + count)
    values = {"image": shades(first, count), "animal": [number % 3 for number in numbers]}
    data = library.Dataset.from_dict(values, features=library.Features(features))
    for name, column in {"time": [number / 2 for number in numbers], **columns}.items():
        data = data.add_column(name, column)
    return data


def opened(path: Path, **options: Any) -> DataSet:
    return load(f"hf:{path}", root=Path("nowhere"), size=8, **options)


def complaint(path: Path, **options: Any) -> str:
    with pytest.raises(RRLError) as caught:
        opened(path, **options)
    return str(caught.value)


def test_splits_labels_and_columns_are_read(library: Any, tmp_path: Path) -> None:
    parts = {
        "validation": made(library, 200, 2),
        "train": made(library, 0, 5),
        "test": made(library, 100, 3),
        "unsupervised": made(library, 50, 1),
    }
    library.DatasetDict(parts).save_to_disk(tmp_path / "d")
    data = opened(tmp_path / "d")
    assert data.val is not None
    parts_of = (data.train, data.val, data.test)
    assert [part.sample.tolist() for part in parts_of] == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]
    assert data.class_names == {"animal": ("zebra", "ant", "7"), "label": ("zebra", "ant", "7")}
    assert data.train.labels["label"].tolist() == [0, 1, 2, 0, 1]
    assert data.test.fields["time"].tolist() == [50, 50.5, 51]
    assert data.test.images[torch.tensor([2, 0])][:, 0, 0, 0].tolist() == [102, 100]
    notes = [note.message for note in data.notes]
    assert any("there is no column `label`, so `animal` is the label" in note for note in notes)
    assert any("ignored splits: `unsupervised`" in note for note in notes)


def test_columns_have_ids_and_splits(library: Any, tmp_path: Path) -> None:
    names, parts = [f"a/{row}" for row in range(4)], ["train", "test", "train", "validation"]
    made(library, 0, 4, sample=names, split=parts).save_to_disk(tmp_path / "d")
    data = opened(tmp_path / "d")
    assert data.train.sample.tolist() == [stable_id("a/0"), stable_id("a/2")]
    assert data.test.sample.tolist() == [stable_id("a/1")]


def test_the_fingerprint_follows_the_content(library: Any, tmp_path: Path) -> None:
    prints = []
    for name, first in (("a", 0), ("b", 0), ("c", 3)):
        made(library, first, 30).save_to_disk(tmp_path / name)
        prints.append(fingerprint(opened(tmp_path / name)))
    assert prints[0] == prints[1] != prints[2]


def test_rows_without_an_image_are_errors_or_left_out(library: Any, tmp_path: Path) -> None:
    images = [*shades(0, 29), None]
    features = library.Features({"image": library.Image(), "label": library.Value("int64")})
    values = {"image": images, "label": [0, 1] * 15}
    library.Dataset.from_dict(values, features=features).save_to_disk(tmp_path / "d")
    assert f"row 29 in {tmp_path / 'd'} has no image" in complaint(tmp_path / "d")
    data = opened(tmp_path / "d", skip_unreadable=True)
    assert len(data.train) + len(data.test) == 29


def test_columns_yaml_lists_the_words_for_missing_values(library: Any, tmp_path: Path) -> None:
    data = made(library, 0, 6, site=["NA", "-999", "DE", "?", "DE", "NA"], rank=[-999, 1, 2] * 2)
    data.save_to_disk(tmp_path / "data")
    hints = [note.hint for note in opened(tmp_path / "data").notes]
    assert f"to use other words, list them as `unknown` in {tmp_path}/data/columns.yaml" in hints
    (tmp_path / "data" / "columns.yaml").write_text('unknown: ["-999", "?"]')
    again = opened(tmp_path / "data")
    assert again.class_names["site"] == ("DE", "NA")
    assert again.class_names["rank"] == ("1", "2")
    (tmp_path / "data" / "columns.yaml").write_text("unknown: NA")
    assert "columns.yaml must only list the words" in complaint(tmp_path / "data")


def test_a_saved_format_hides_nothing(library: Any, tmp_path: Path) -> None:
    data = made(library, 0, 30)
    data.with_format("numpy", columns=["time"]).save_to_disk(tmp_path / "data")
    data.save_to_disk(tmp_path / "plain")
    assert fingerprint(opened(tmp_path / "data")) == fingerprint(opened(tmp_path / "plain"))


def test_structs_and_bytes_are_reported_once(library: Any, tmp_path: Path) -> None:
    boxes = [{"left": row, "top": 1} for row in range(30)]
    made(library, 0, 30, box=boxes, raw=[b"\xff"] * 30).save_to_disk(tmp_path / "d")
    assert {*opened(tmp_path / "d").unreadable} == {"box", "raw"}


def test_other_folders_are_errors(library: Any, tmp_path: Path) -> None:
    assert "RRL410" in complaint(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    assert "is not a saved dataset" in complaint(tmp_path / "empty")
    library.Dataset.from_dict({"x": [1, 2]}).save_to_disk(tmp_path / "x")
    assert "has no column of images" in complaint(tmp_path / "x")
    two = made(library, 0, 2).rename_column("image", "a").add_column("b", [1, 2])
    library.DatasetDict({"train": two, "test": made(library, 0, 2)}).save_to_disk(tmp_path / "two")
    assert "has other columns in `test`" in complaint(tmp_path / "two")


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    text = complaint(tmp_path)
    assert "error[RRL410]: `hf:PATH` needs the package datasets" in text
    assert "install it with `pip install 'rrl-dsl[hf]'`" in text


def test_a_wrong_offset_in_a_mapped_file_is_an_error(library: Any, tmp_path: Path) -> None:
    made(library, 0, 20, who=["somebody"] * 20).save_to_disk(tmp_path / "pets")
    [file] = (tmp_path / "pets").glob("*.arrow")
    ends = np.arange(0, 8 * 21, 8, dtype=np.int32)
    wrong = np.where(ends == 80, 2**30, ends).astype(np.int32)
    content = file.read_bytes()
    assert content.count(ends.tobytes()) == 1
    file.write_bytes(content.replace(ends.tobytes(), wrong.tobytes()))
    assert f"RRL412]: {tmp_path / 'pets'} is not a saved dataset: " in complaint(tmp_path / "pets")
