"""Datasets of Python: sequences and map-style datasets of PyTorch whose items are dicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset

import rrl_dsl as rrl
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.data.python_dataset import load
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.digest import stable_id

COUNT = 40


def pixels(number: int) -> np.ndarray[Any, Any]:
    """A gray image (8, 8) that no other number has."""
    generator = np.random.default_rng(number)
    return generator.integers(0, 256, (8, 8), dtype=np.uint8)


def listed(count: int = COUNT, **columns: Any) -> list[dict[str, Any]]:
    given = {name: [value(row) for row in range(count)] for name, value in columns.items()}
    return [
        {"image": pixels(row), **{name: values[row] for name, values in given.items()}}
        for row in range(count)
    ]


class Photos(Dataset[dict[str, Any]]):
    """Color images of PIL."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> dict[str, Any]:
        image = Image.fromarray(np.stack([pixels(self.first + place)] * 3, axis=-1))
        return {"image": image, "label": ["cat", "dog"][place % 2], "time": torch.tensor(place / 2)}


def test_columns_of_items_are_labels_and_fields() -> None:
    items = listed(
        label=lambda row: row % 3,
        where=lambda row: "left" if row % 2 else None,
        vector=lambda row: np.array([row, 0.5], dtype=np.float32),
        tags=lambda row: np.array([row % 2 == 0, True]),
    )
    data = load(items, split=0.25)
    every = {
        int(id_): (split, place)
        for split in (data.train, data.test)
        for place, id_ in enumerate(split.sample)
    }
    assert sorted(every) == list(range(COUNT))
    assert data.shape == (1, 8, 8)
    assert data.class_names["label"] == ("0", "1", "2")
    for row, (split, place) in every.items():
        assert torch.equal(split.images[torch.tensor([place])][0, 0], torch.tensor(pixels(row)))
        assert split.labels["label"][place] == row % 3
        assert split.labels["where"][place] == (0 if row % 2 else -1)
        assert split.fields["vector"][place].tolist() == [row, 0.5]
        assert {*split.labels["tags"][place].tolist()} == ({0, 1} if row % 2 == 0 else {1, -1})


def test_a_pair_is_for_training_and_testing() -> None:
    data = load((Photos(0, 12), Photos(100, 6)))
    assert (len(data.train), data.val, len(data.test)) == (12, None, 6)
    assert data.test.sample.tolist() == [12, 13, 14, 15, 16, 17]
    assert data.class_names["label"] == ("cat", "dog")
    assert data.test.fields["time"].tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    expected = torch.tensor(pixels(103)).expand(3, 8, 8)
    assert torch.equal(data.test.images[torch.tensor([3])][0], expected)


def test_splits_have_names() -> None:
    data = load({"test": Photos(2, 3), "validation": Photos(1, 2), "train": Photos(0, 4)})
    assert data.val is not None
    assert (data.train.sample.tolist(), data.val.sample.tolist()) == ([0, 1, 2, 3], [4, 5])
    part = load(listed(split=lambda row: "test" if row < 5 else "train"))
    assert part.test.sample.tolist() == [0, 1, 2, 3, 4]


def test_ids_are_numbers_or_hashes_of_texts() -> None:
    pair = (listed(2, sample=lambda row: row + 7), listed(2, sample=lambda row: row + 70))
    data = load(pair)
    assert (data.train.sample.tolist(), data.test.sample.tolist()) == ([7, 8], [70, 71])
    named = load(
        (listed(2, sample=lambda row: f"a/{row}"), listed(2, sample=lambda row: f"b/{row}"))
    )
    assert named.test.sample.tolist() == [stable_id("b/0"), stable_id("b/1")]


def test_vectors_and_tensors_are_read() -> None:
    vectors = [{"input": [row, float("nan"), 2]} for row in range(COUNT)]
    data = load(vectors)
    assert data.shape == (3,)
    assert data.augmentation == "scarf"
    assert data.train.images[torch.tensor([0])].isnan().tolist() == [[False, True, False]]
    tensors = [{"image": torch.full((5, 8, 8), row, dtype=torch.uint8)} for row in range(COUNT)]
    assert load(tensors).shape == (5, 8, 8)


def test_worker_processes_read_the_same() -> None:
    alone, together = (load((Photos(0, 70), Photos(100, 6)), workers=n) for n in (0, 2))
    assert fingerprint(alone) == fingerprint(together)


class Broken(Dataset[Any]):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: int) -> Any:
        if place == 2:
            raise ValueError("no such file")
        return {"image": pixels(place)}


class Random(Broken):
    def __getitem__(self, place: int) -> Any:
        return {"image": torch.randint(256, (1, 8, 8)).to(torch.uint8)}


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        yield {"image": pixels(0)}


class Unsized(Dataset[Any]):
    def __getitem__(self, place: int) -> Any:
        return {"image": pixels(place)}


ERRORS: Mapping[str, tuple[Any, str]] = {
    "an item that is a tuple": (
        [(pixels(0), 1)],
        'item 0 is a tuple, not a dict\n  = help: return a dict, such as `{"image": image, '
        '"label": label}`',
    ),
    "an item without an image": ([{"label": 1}], "item 0 has the keys `label`"),
    "an item with both": (
        [{"image": pixels(0), "input": [1.0]}],
        "has the keys `image` and `input`",
    ),
    "other sizes": (
        [{"image": pixels(0)}, {"image": pixels(1)[:4]}],
        "item 1 is torch.uint8 (1, 4, 8), but item 0 is torch.uint8 (1, 8, 8)",
    ),
    "an exception": (Broken(), "item 2 cannot be read: ValueError: no such file"),
    "random items": (Random(), "item 0 differs when it is read again"),
    "a stream": (Endless(), "the dataset is a Endless, not map-style"),
    "no length": (Unsized(), "the dataset has no length"),
    "no items": ([], "has no items"),
    "one sample twice": (
        listed(sample=lambda row: row // 2),
        "has `0` in `sample` in rows 0 and 1",
    ),
    "another split": (listed(split=lambda row: "dev"), "has `dev` in `split`"),
    "other names of splits": ({"train": listed(), "dev": listed()}, "the names `train` and `dev`"),
    "three datasets": ((listed(), listed(), listed()), "a tuple of 3 datasets has no meaning"),
    "a text as an image": ([{"image": "a.png"}], "has images of <U5"),
    "a name that is taken": (listed(view=lambda row: 1), "the reserved name `view`"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_the_item(name: str) -> None:
    given, message = ERRORS[name]
    with pytest.raises(RRLError) as caught:
        load(given)
    assert caught.value.diagnostics[0].code == "RRL412"
    assert message in str(caught.value)


def test_an_error_in_a_worker_process_names_the_item() -> None:
    with pytest.raises(RRLError, match="item 2 cannot be read: ValueError: no such file"):
        load(Broken(), workers=1)


def test_a_column_of_several_types_is_an_error_of_recipes_that_read_it() -> None:
    data = load(listed(mixed=lambda row: row if row % 2 else "a"))
    assert [*data.unreadable] == ["mixed"]
    assert "the values of `mixed` differ in type" in data.unreadable["mixed"][0].message


def test_the_fingerprint_covers_every_item() -> None:
    before, items = fingerprint(load(listed())), listed()
    assert fingerprint(load(listed())) == before
    items[33]["image"] = items[33]["image"] ^ np.uint8(1)
    assert fingerprint(load(items)) != before


def test_a_run_on_items_resumes_on_the_same_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = {"batch_size": 8, "projector": {"out": 4}, "eval": False}
    train, test = listed(label=lambda row: row % 2), listed(8, label=lambda row: row % 2)
    recipe = "ssl(views=2) | supervised()"
    before = rrl.train(recipe, "simclr", (train, test), epochs=1, out="half", **options).history
    with pytest.raises(RRLError, match=r"RRL505.*train images"):
        rrl.train(resume="half", dataset=(train[::-1], test), epochs=2)
    with pytest.raises(RRLError, match=r"RRL411.*`python:list` is an object of Python"):
        rrl.train(resume="half", epochs=2)
    after = rrl.train(resume="half", dataset=(train, test), epochs=2)
    assert after.history[:1] == before
    assert len(after.history) == 2


def test_the_note_on_words_for_missing_values_does_not_mention_a_file() -> None:
    [note] = [
        note
        for note in load(listed(site=lambda row: "DE" if row else "NA")).notes
        if "NA" in note.message
    ]
    assert note.hint == "in Python, `None` is missing too; rename a class that is such a word"
