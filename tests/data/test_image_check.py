"""All images of a folder are decoded once, before a run starts."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image

from rrl_dsl.data import image_check
from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.registry import load
from rrl_dsl.data.tar_index import Archive, Member, Stored
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.digest import stable_id


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "zoo"
    for part in ("train", "test"):
        for number in range(20):
            path = root / part / "cat" / f"{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4)).save(path)
    return root


def open_folder(path: Path, **options: bool) -> DataSet:
    return load(f"imagefolder:{path}", root=Path("nowhere"), size=8, **options)


def complaints(path: Path) -> list[str]:
    with pytest.raises(RRLError) as caught:
        open_folder(path)
    assert {diagnostic.code for diagnostic in caught.value.diagnostics} == {"RRL412"}
    assert "--set skip_unreadable=true" in str(caught.value.diagnostics[-1].hint)
    return [diagnostic.message for diagnostic in caught.value.diagnostics]


def test_every_image_that_cannot_be_read_is_named_before_training(folder: Path) -> None:
    bad = [folder / "train/cat/03.png", folder / "test/cat/07.png"]
    bad[0].write_bytes(b"")
    bad[1].write_bytes(bad[1].read_bytes()[:45])
    messages = complaints(folder)
    assert [message.split(" ")[0] for message in messages] == [str(path) for path in bad]
    assert "cannot be decoded: it does not start as a file of `BMP`, " in messages[0]


def test_ten_are_named_and_the_others_counted(folder: Path) -> None:
    for number in range(13):
        (folder / f"train/cat/{number:02}.png").write_bytes(b"")
    messages = complaints(folder)
    assert len(messages) == 11
    assert messages[-1] == "3 more images cannot be read"


def test_a_split_without_a_readable_image_is_an_error(folder: Path) -> None:
    for path in (folder / "test/cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(RRLError, match=r"RRL412.*zoo has no readable `test` image"):
        open_folder(folder, skip_unreadable=True)


def test_unreadable_images_are_skipped_on_request(folder: Path) -> None:
    (folder / "train/cat/03.png").write_bytes(b"")
    (folder / "test/cat/07.png").write_bytes(b"")
    (folder / "columns.csv").write_text("file,time\ntrain/cat/03.png,3\ntrain/cat/04.png,4\n")
    data = open_folder(folder, skip_unreadable=True)
    assert (len(data.train), len(data.test)) == (19, 19)
    assert stable_id("train/cat/03.png") not in data.train.sample.tolist()
    place = data.train.sample.tolist().index(stable_id("train/cat/04.png"))
    assert data.train.fields["time"][place] == 4
    assert [note.message.partition(": ")[2] for note in data.notes] == [
        "2 of 40 images cannot be read and are left out: `train/cat/03.png`, `test/cat/07.png`"
    ]


def test_that_is_for_image_folders_alone() -> None:
    with pytest.raises(RRLError, match=r"\[RRL502\].*skip_unreadable"):
        load("digits", root=Path("nowhere"), skip_unreadable=True)


def test_only_what_has_changed_is_decoded_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    decode = image_check.decode

    def watched(path: Path) -> object:
        decoded.append(path.name)
        return decode(path)

    monkeypatch.setattr(image_check, "decode", watched)
    open_folder(folder)
    assert len(decoded) == 40
    decoded.clear()
    open_folder(folder)
    assert decoded == []
    Image.new("RGB", (5, 5)).save(folder / "train/cat/03.png")
    Image.new("RGB", (5, 5)).save(folder / "train/cat/new.png")
    open_folder(folder)
    assert sorted(decoded) == ["03.png", "new.png"]


def test_a_change_of_the_same_size_is_seen_by_its_time(folder: Path) -> None:
    open_folder(folder)
    path = folder / "train/cat/03.png"
    path.write_bytes(bytes(path.stat().st_size))
    os.utime(path, ns=(1, 1))
    assert str(path) in complaints(folder)[0]


def test_unreadable_images_are_checked_again(folder: Path) -> None:
    path = folder / "train/cat/03.png"
    whole = path.read_bytes()
    path.write_bytes(b"")
    complaints(folder)
    path.write_bytes(whole)
    assert len(open_folder(folder).train) == 20


def test_a_damaged_cache_entry_is_rebuilt(folder: Path, tmp_path: Path) -> None:
    open_folder(folder)
    (record,) = (tmp_path / "cache" / "images").iterdir()
    record.write_text("[")
    assert len(open_folder(folder).train) == 20


def test_files_of_several_frames_are_counted_from_the_record_too(folder: Path) -> None:
    red, blue = (Image.new("RGB", (4, 4), name) for name in ("red", "blue"))
    red.save(folder / "train/cat/03.png", save_all=True, append_images=[blue])
    for _ in range(2):
        (note,) = open_folder(folder).notes
        assert "1 of 40 images have several frames; only the first is read: `train/cat/03.png`" in (
            note.message
        )


def test_the_check_takes_little_memory_per_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(image_check, "_check_one", lambda _: ("0" * 16, 3, 96, False, False))
    archive = Archive(tmp_path / "all.tar", "all.tar", (10**6, 10**18, 10**18))
    files = [Stored(archive, Member(f"{row:06}.png", 1024 * row, 90, None)) for row in range(1900)]
    tracemalloc.start()
    try:
        image_check.check(tmp_path, files)
        assert tracemalloc.get_traced_memory()[1] < 1600 * len(files)
    finally:
        tracemalloc.stop()
