"""Which files of a folder are images, which are ignored, and which are errors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rrl_dsl.data.folder_rule import FolderRule
from rrl_dsl.language.diagnostics import RRLError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def images(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in FolderRule().below(folder))


def complaint(folder: Path) -> str:
    with pytest.raises(RRLError) as caught:
        images(folder)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL412"
    return diagnostic.message


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.png",
        ".ipynb_checkpoints/0-checkpoint.png",
        "deep/.thumbnails/a.jpg",
        "@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg",
        "__MACOSX/cat/._0.png",
        "Thumbs.db",
        "desktop.ini",
        "lost+found/1.png",
        "README",
        "LICENSE.txt",
        "notes.TXT",
        "1.json",
    ],
)
def test_hidden_and_side_files_are_left_out(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "1.png")
    touch(tmp_path / name)
    rule = FolderRule()
    assert [*rule.below(tmp_path)] == [tmp_path / "1.png"]
    assert len(rule.left_out) == 1


def test_a_folder_that_is_itself_below_a_hidden_one_is_read(tmp_path: Path) -> None:
    touch(tmp_path / ".cache/zoo/1.png")
    assert images(tmp_path / ".cache/zoo") == ["1.png"]


@pytest.mark.parametrize(
    "name", ["1.JPG", "1.jpeg", "1.jfif", "1.Png", "1.tif", "1.webp", "a.b.bmp"]
)
def test_images_are_known_by_their_suffix_in_any_case(tmp_path: Path, name: str) -> None:
    touch(tmp_path / name)
    assert images(tmp_path) == [name]


@pytest.mark.parametrize(
    "name",
    ["1.tga", "1.dcm", "1.npy", "1.dng", "1.gif", "1.heic", "1.zip", "deep/1", "png", "1.png~"],
)
def test_files_that_may_be_images_are_errors(tmp_path: Path, name: str) -> None:
    path = touch(tmp_path / name)
    assert complaint(tmp_path).startswith(f"{path} ")


def test_the_tables_of_the_system_do_not_matter(tmp_path: Path, monkeypatch) -> None:
    import mimetypes

    monkeypatch.setattr(mimetypes, "guess_type", None)
    touch(tmp_path / "1.png")
    assert images(tmp_path) == ["1.png"]


def test_linked_files_and_folders_are_read(tmp_path: Path) -> None:
    touch(tmp_path / "other/1.png")
    touch(tmp_path / "other/deep/2.png")
    (tmp_path / "cat").mkdir()
    os.symlink(tmp_path / "other", tmp_path / "cat/more")
    os.symlink(tmp_path / "other/1.png", tmp_path / "cat/0.png")
    assert images(tmp_path / "cat") == ["0.png", "more/1.png", "more/deep/2.png"]


@pytest.mark.parametrize("target", [".", "..", "../.."])
def test_a_link_back_is_refused(tmp_path: Path, target: str) -> None:
    touch(tmp_path / "cat/deep/1.png")
    os.symlink(target, tmp_path / "cat/deep/back")
    assert "cat/deep/back" in complaint(tmp_path)
    assert "one of its parent folders" in complaint(tmp_path)


@pytest.mark.parametrize("name", ["1.png", "more", "notes.txt"])
def test_a_link_to_nothing_is_refused(tmp_path: Path, name: str) -> None:
    os.symlink("/nowhere/1.png", tmp_path / name)
    assert complaint(tmp_path) == (
        f"{tmp_path / name} is a link to `/nowhere/1.png`, which does not exist"
    )


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    os.symlink("1.png", tmp_path / "1.png")
    assert "1.png is a link to `1.png`" in complaint(tmp_path)


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.png")
    assert "1.png is neither a file nor a folder" in complaint(tmp_path)


@pytest.mark.parametrize("name", [b"1\xff.png", b"c\xfft/1.png"])
def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path, name: bytes) -> None:
    touch(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    message = complaint(tmp_path)
    assert message.startswith("the name of ")
    assert message.endswith(" is not UTF-8")
