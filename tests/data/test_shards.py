"""`wds:PATTERN`: tar archives with the layout of webdataset."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from rrl_dsl.data import braces, tar_index
from rrl_dsl.data.braces import paths_of
from rrl_dsl.data.dataset import DataSet, columns_of
from rrl_dsl.data.fingerprint import fingerprint
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.digest import stable_id


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "cache"))


def png(shade: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 255 - shade)).save(content, "PNG")
    return content.getvalue()


def archive(path: Path, files: Mapping[str, bytes | str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def samples(first: int, count: int, **columns: Any) -> dict[str, bytes | str]:
    """Files of samples, whose shade and columns tell them apart."""
    files: dict[str, bytes | str] = {}
    for number in range(first, first + count):
        values = {name: value(number) for name, value in columns.items()}
        files |= {f"{number:03}.png": png(number), f"{number:03}.cls": str(number % 3)}
        files[f"{number:03}.json"] = json.dumps({"time": number / 2, **values})
    return files


def opened(pattern: str | Path, **options: Any) -> DataSet:
    return load(f"wds:{pattern}", root=Path("nowhere"), size=8, **options)


def complaint(pattern: str | Path, **options: Any) -> str:
    with pytest.raises(RRLError) as caught:
        opened(pattern, **options)
    return str(caught.value)


def test_samples_of_all_archives_are_read_by_place(tmp_path: Path) -> None:
    archive(tmp_path / "train-00.tar", samples(0, 5))
    archive(tmp_path / "train-01.tar", samples(5, 4))
    archive(tmp_path / "val-00.tar", samples(100, 3))
    data = opened(tmp_path / "{train-{00..01},val-00}.tar")
    assert (len(data.train), data.val, len(data.test)) == (9, None, 3)
    names = [f"train-0{number // 5}.tar/{number:03}" for number in range(9)]
    assert data.train.sample.tolist() == [stable_id(name) for name in names]
    assert data.train.labels["label"].tolist() == [number % 3 for number in range(9)]
    assert data.train.fields["time"].tolist() == [number / 2 for number in range(9)]
    images = data.train.images[torch.tensor([7, 0])]
    assert images[:, 0, 0, 0].tolist() == [7, 0]
    assert images.shape == (2, 3, 8, 8)


def test_a_column_has_ids_and_splits(tmp_path: Path) -> None:
    columns = {"sample": lambda number: number, "split": lambda n: "test" if n % 2 else "train"}
    path = archive(tmp_path / "all.tar", samples(10, 6, **columns))
    data = opened(path)
    assert (data.train.sample.tolist(), data.test.sample.tolist()) == ([10, 12, 14], [11, 13, 15])


def test_samples_may_lack_texts_and_have_others(tmp_path: Path) -> None:
    files = samples(0, 20) | {"more/x.jpg": png(50), "000.seg.png": png(1), "readme": "hello"}
    del files["004.cls"], files["005.json"]
    data = opened(archive(tmp_path / "all.tar", files))
    of = {
        int(id_): (split, place)
        for split in (data.train, data.test)
        for place, id_ in enumerate(split.sample)
    }
    assert len(of) == 21
    split, place = of[stable_id("all.tar/004")]
    assert (split.labels["label"][place], split.fields["time"][place]) == (-1, 2)
    split, place = of[stable_id("all.tar/more/x")]
    assert split.fields["time"][place].isnan()
    assert any(
        "2 files with other endings are ignored: `.seg.png`, `readme`" in note.message
        for note in data.notes
    )


def test_columns_yaml_lists_the_words_for_missing_values(tmp_path: Path) -> None:
    sites = ["NA", "-999", "DE", "?", "DE", "NA"]
    path = archive(tmp_path / "parts" / "0.tar", samples(0, 6, site=sites.__getitem__))
    hint = f"to use other words, list them as `unknown` in {tmp_path}/columns.yaml"
    assert hint in [note.hint for note in opened(tmp_path / "part?" / "0.tar").notes]
    (tmp_path / "columns.yaml").write_text('unknown: ["-999", "?"]')
    assert opened(tmp_path / "part?" / "0.tar").class_names["site"] == ("DE", "NA")
    assert opened(path).class_names["site"] == ("DE",)
    (path.parent / "columns.yaml").write_text("unknown: NA")
    assert "columns.yaml must only list the words" in complaint(path)


def test_an_archive_is_searched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "all.tar", samples(0, 30))
    before = fingerprint(opened(path))
    with monkeypatch.context() as patch:
        patch.setattr(tar_index, "_read", lambda *_: pytest.fail("it is known"))
        assert fingerprint(opened(path)) == before
    files = samples(0, 31) | {"003.png": png(99)}
    data = opened(archive(path, files))
    assert fingerprint(data) != before
    assert len(data.train) + len(data.test) == 31


def test_images_are_checked(tmp_path: Path) -> None:
    files = samples(0, 30) | {"003.png": b"no image"}
    path = archive(tmp_path / "all.tar", files)
    assert f"003.png in {path} cannot be decoded" in complaint(path)
    data = opened(path, skip_unreadable=True)
    assert len(data.train) + len(data.test) == 29
    assert stable_id("all.tar/003") not in data.train.sample.tolist() + data.test.sample.tolist()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"1.png": png(0), "1.jpg": png(0)}, "several files of a kind: 1.jpg and 1.png"),
        ({"1.cls": "0"}, "`1` in {path} has no image"),
        ({"1.png": png(0), "1.json": "{"}, "`1` in {path} has a `.json` that is not JSON"),
        ({"1.png": png(0), "1.json": "[" * 10**5}, "has a `.json` that is not JSON"),
        ({"1.png": png(0), "1.json": "3"}, "`1` in {path} has a `.json` that is not an object"),
        ({"1.png": png(0), "1.cls": b"\xff"}, "1.cls in {path} is not UTF-8 text"),
        (
            {"1.png": png(0), "1.cls": "1.5"},
            "`1` in {path} has `1.5` in its `.cls`, which is a num",
        ),
        ({"1.png": png(0), "1.cls": "[0, 1]"}, "`1` in {path} has `[0, 1]` in its `.cls`, which "),
        ({"1.png": png(0), "1.cls": "1", "1.json": '{"label": 2}'}, "has both `.cls` and `label`"),
        ({"readme.txt": ""}, "{path} contains no images"),
    ],
)
def test_files_of_samples_are_checked(
    files: dict[str, bytes | str], message: str, tmp_path: Path
) -> None:
    path = archive(tmp_path / "all.tar", files)
    assert message.format(path=path) in complaint(path)


def test_a_column_that_cannot_be_read_names_its_sample(tmp_path: Path) -> None:
    path = archive(tmp_path / "all.tar", samples(0, 30) | {"003.cls": "cat"})
    [fault] = columns_of(opened(path)).faults([("label", "label")])
    assert fault.render().splitlines()[:2] == [
        "error[RRL412]: `cat` in `label` is not a number, although 29 of its 30 values are",
        f" --> `003` in {path}",
    ]


def test_damaged_archives_are_errors(tmp_path: Path) -> None:
    path = archive(tmp_path / "all.tar", samples(0, 30))
    whole = path.read_bytes()
    places = [at for at in range(0, len(whole), 512) if whole[at + 257 : at + 262] == b"ustar"]
    damaged = {
        "cut in a file": whole[: places[20] + 600],
        "cut between files": whole[: places[20]],
        "a damaged header": whole[: places[20]] + b"x" * 512 + whole[places[20] + 512 :],
        "no archive": b"text" * 1000,
        "nothing": b"",
    }
    for content in damaged.values():
        path.write_bytes(content)
        assert f"{path} is not a complete tar archive" in complaint(path)
    path.write_bytes(gzip.compress(whole))
    assert f"{path} is compressed with gzip" in complaint(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_special_files_are_errors(kind: bytes, tmp_path: Path) -> None:
    path = archive(tmp_path / "all.tar", samples(0, 30))
    with tarfile.open(path, "a") as tar:
        folder, link = tarfile.TarInfo("more"), tarfile.TarInfo("030.cls")
        folder.type, link.type, link.linkname = tarfile.DIRTYPE, kind, "004.cls"
        tar.addfile(folder)
        tar.addfile(link)
    assert f"030.cls in {path} is a link, a sparse file or a special file" in complaint(path)


def test_names_of_samples_are_text(tmp_path: Path) -> None:
    path = tmp_path / "all.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        tar.addfile(tarfile.TarInfo("\udcff.png"))
    assert f"the name of \\udcff.png in {path} is not UTF-8" in complaint(path)


def test_patterns_are_checked(tmp_path: Path) -> None:
    archive(tmp_path / "0.tar", samples(0, 3))
    assert f"write `wds:{tmp_path}/*.tar`" in complaint(tmp_path)
    assert "RRL410" in complaint(tmp_path / "{0..1}.tar")
    assert "no file matches" in complaint(tmp_path / "*.gz")
    assert "a brace that is not closed" in complaint(tmp_path / "{0..1.tar")
    assert "means an archive twice" in complaint(tmp_path / "{0,0}.tar")
    assert "File name too long" in complaint(tmp_path / f"{{0..{'9' * 5000}}}.tar")
    assert "is not a local path" in complaint("https://host/{0..1}.tar")


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("{0..99999999}.tar", "means more than 1,000,000 paths"),
        ("{0..9999}-{a,b{0..999}}.tar", "means more than 1,000,000 paths"),
        ("{0..9}" * 300, "means more than 1,000,000 paths"),
        ("{" * 3000 + "}" * 3000, "has too many braces"),
    ],
    ids=["count", "list", "product", "nested"],
)
def test_too_many_paths_are_counted_before_they_are_listed(
    pattern: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(braces, "_expanded", lambda _: pytest.fail("the paths are listed"))
    with pytest.raises(RRLError, match=f"RRL411.*{what}"):
        paths_of(pattern)


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("a.tar", "a.tar"),
        ("{a,b}{0..1}", "a0 a1 b0 b1"),
        ("{008..011}", "008 009 010 011"),
        ("{8..11}", "8 9 10 11"),
        ("{2..0}", "2 1 0"),
        ("{a-{0..1},b}.tar", "a-0.tar a-1.tar b.tar"),
        ("{a}", "{a}"),
        ("a}", "a}"),
    ],
)
def test_braces_mean_what_they_mean_in_a_shell(pattern: str, paths: str) -> None:
    assert paths_of(pattern) == paths.split(" ")


def test_pixels_of_a_crop_do_not_depend_on_the_place(tmp_path: Path) -> None:
    colors = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(colors).save(content, "PNG")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/0.png").write_bytes(content.getvalue())
    (tmp_path / "folder/1.png").write_bytes(png(1))
    archive(
        tmp_path / "a.tar",
        {"x.json": '{"split": "train"}', "x.png": content.getvalue()}
        | {"y.png": png(1), "y.json": '{"split": "test"}'},
    )
    files = opened(tmp_path / "a.tar").train.images[torch.tensor([0])]
    square = Image.fromarray(colors).resize((8, 8), Image.Resampling.BILINEAR)
    assert torch.equal(files[0], torch.tensor(np.array(square)).permute(2, 0, 1))
