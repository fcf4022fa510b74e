from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.digest import stable_id

GRAY = np.arange(6 * 20, dtype=np.uint8).reshape(6, 4, 5)
SPLIT = np.array(["train", "test", "train", "train", "test", "train"])
KIND = np.array([0, 1, 2, -1, 0, 1])


def save(path: Path, **arrays: Any) -> Path:
    file = path / "set.npz"
    np.savez(file, **arrays)
    return file


def open_npz(file: Path) -> DataSet:
    return load(f"npz:{file}", root=Path("nowhere"))


def complaint(file: Path) -> str:
    """The error of an archive, or of its one array that cannot be read."""
    try:
        ((diagnostic,),) = open_npz(file).unreadable.values()
    except RRLError as problem:
        (diagnostic,) = problem.diagnostics
    assert diagnostic.code == "RRL412"
    assert str(file) in diagnostic.message
    return f"{diagnostic.message} | {diagnostic.hint}"


def test_arrays_come_back_as_they_went_in(tmp_path: Path) -> None:
    ids = np.array([30, 10, 20, 50, 40, 0])
    data = open_npz(save(tmp_path, images=GRAY, label=KIND, split=SPLIT, sample=ids))
    assert data.shape == (1, 4, 5)
    assert data.train.sample.tolist() == [30, 20, 50, 0]
    assert data.test.sample.tolist() == [10, 40]
    assert data.train.labels["label"].tolist() == [0, 2, -1, 1]
    assert data.test.images[torch.tensor([1])][0, 0].tolist() == GRAY[4].tolist()
    assert data.class_names == {"label": ("0", "1", "2")}


@pytest.mark.parametrize("order", ["NHWC", "NCHW"])
def test_channels_may_come_first_or_last(tmp_path: Path, order: str) -> None:
    color = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 5), dtype=np.uint8)
    images = color if order == "NCHW" else color.transpose(0, 2, 3, 1)
    data = open_npz(save(tmp_path, images=images, label=KIND, split=SPLIT))
    assert data.shape == (3, 4, 5)
    assert data.test.images[torch.tensor([0])][0].tolist() == color[1].tolist()


def test_the_finest_label_becomes_label(tmp_path: Path) -> None:
    coarse_names = np.array(["even", "odd"])
    arrays = {"coarse": KIND % 2, "coarse_names": coarse_names, "fine": KIND}
    data = open_npz(save(tmp_path, images=GRAY, split=SPLIT, **arrays))
    assert data.class_names["label"] == data.class_names["fine"] == ("0", "1", "2")
    assert data.class_names["coarse"] == ("even", "odd")
    assert data.train.labels["label"].tolist() == [0, 2, -1, 1]


def test_integers_up_to_a_limit_are_class_numbers(tmp_path: Path) -> None:
    arrays = {"label": KIND, "small": KIND + 99_997, "large": KIND + 99_998}
    data = open_npz(save(tmp_path, images=GRAY, split=SPLIT, **arrays))
    assert len(data.class_names["small"]) == 100_000
    assert data.train.labels["small"].tolist() == [99_997, 99_999, 99_996, 99_998]
    assert data.class_names["large"] == ("99997", "99998", "99999", "100000")
    assert data.train.labels["large"].tolist() == [1, 3, 0, 2]
    assert data.train.fields["large"].tolist() == [99_998, 100_000, 99_997, 99_999]
    assert data.train.fields["large"].dtype == torch.int64
    assert data.train.fields.keys() == {"label", "small", "large"}
    assert data.train.fields["small"].tolist() == [99_997, 99_999, 99_996, 99_998]


def test_integers_below_zero_are_numbers_and_no_classes(tmp_path: Path) -> None:
    cold = np.array([-5, -1, 3, 0, -5, 1])
    data = open_npz(save(tmp_path, images=GRAY, split=SPLIT, label=KIND, cold=cold))
    assert data.class_names["cold"] == ("0", "1", "2", "3")
    assert data.train.labels["cold"].tolist() == [-1, 3, 0, 1]
    assert data.test.labels["cold"].tolist() == [-1, -1]
    assert data.test.fields["cold"].tolist() == [-1, -5]


def test_other_arrays_are_columns_by_their_values(tmp_path: Path) -> None:
    data = open_npz(
        save(
            tmp_path,
            images=GRAY,
            split=SPLIT,
            label=np.array(["b", "a", "", "b", "c", "a"]),
            time=np.array(
                ["1970-01-02", "NaT", "1969-12-31T23:59", "2000", "2000", "2000"], "M8[m]"
            ),
            height=np.arange(6, dtype=np.float16),
            caption=np.arange(12, dtype=np.float32).reshape(6, 2),
            pair=np.arange(12).reshape(6, 2),
            seen=np.array([True, False, False, True, True, True]),
        )
    )
    assert data.class_names["label"] == ("a", "b", "c")
    assert data.train.labels["label"].tolist() == [1, -1, 1, 0]
    assert data.class_names["seen"] == ("false", "true")
    assert data.train.fields["time"].tolist() == [86400, -60, 946684800, 946684800]
    assert data.test.fields["time"].isnan().tolist() == [True, False]
    assert data.train.fields["height"].dtype == torch.float64
    assert data.train.fields["caption"].tolist() == [[0, 1], [4, 5], [6, 7], [10, 11]]
    assert data.train.fields["caption"].dtype == torch.float32
    assert data.train.fields["pair"].dtype == torch.float64


def test_the_order_of_bytes_does_not_count(tmp_path: Path) -> None:
    swapped = {"caption": np.ones((6, 2), ">f4"), "height": np.ones(6, ">f8"), "label": KIND}
    swapped["stamp"] = (np.arange(6) + 1_700_000_000).astype(">i8")
    data = open_npz(save(tmp_path, images=GRAY, split=SPLIT, **swapped))
    kinds = {name: field.dtype for name, field in data.train.fields.items()}
    whole = {"label": torch.int64, "stamp": torch.int64}
    assert kinds == {"caption": torch.float32, "height": torch.float64, **whole}
    assert data.train.fields["stamp"].tolist()[0] == 1_700_000_000


def test_a_time_is_never_the_finest_label(tmp_path: Path) -> None:
    stamp = np.arange(6) + 1_700_000_000
    data = open_npz(save(tmp_path, images=GRAY, split=SPLIT, stamp=stamp, kind=KIND))
    assert data.class_names["label"] == data.class_names["kind"]


def test_a_validation_split_is_apart_from_test(tmp_path: Path) -> None:
    split = np.array(["train", "val", "test", "val", "train", "test"])
    data = open_npz(save(tmp_path, images=GRAY, label=KIND, split=split))
    assert data.val is not None
    samples = [part.sample.tolist() for part in (data.train, data.val, data.test)]
    assert samples == [[0, 4], [1, 3], [2, 5]]
    assert data.watched is data.val


def test_without_a_split_a_hash_of_the_id_decides(tmp_path: Path) -> None:
    count = 1000
    images, label = np.zeros((count, 4, 4), np.uint8), np.zeros(count, np.int64)
    ids = np.random.default_rng(0).permutation(count)
    whole = open_npz(save(tmp_path, images=images, label=label, sample=ids))
    assert 150 < len(whole.test) < 250
    half = open_npz(save(tmp_path, images=images[:500], label=label[:500], sample=ids[:500]))
    assert set(half.test.sample.tolist()) == set(whole.test.sample.tolist()) & set(ids[:500])


def test_gray_images_of_unknown_content_are_not_mirrored(tmp_path: Path) -> None:
    assert open_npz(save(tmp_path, images=GRAY, label=KIND, split=SPLIT)).augmentation == "digits"


SOUND = {"images": GRAY, "label": KIND, "split": SPLIT}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"images": None}, "no array `images` or `inputs`; it contains label, split"),
        ({"images": GRAY.astype(np.int32)}, "images of int32; they must be uint8, uint16 or"),
        ({"images": np.where(GRAY == 3, np.nan, GRAY)}, "has nan in `images`, in row 0"),
        ({"images": GRAY[:, 0]}, "images of shape (6, 5)"),
        ({"images": np.zeros((6, 4, 4, 4), np.uint8)}, "whose channels are not apparent"),
        ({"images": np.zeros((6, 3, 4, 3), np.uint8)}, "images of shape (6, 3, 4, 3)"),
        ({"images": np.zeros((0, 4, 4), np.uint8)}, "no samples"),
        ({"images": np.uint8(3)}, "no samples"),
        ({"inputs": np.zeros((6, 2))}, "has both `images` and `inputs`"),
        (
            {"channels": np.array("middle"), "images": GRAY[..., None]},
            "it must be `first` or `last`",
        ),
        ({"channels": np.zeros(3), "images": GRAY[..., None]}, "which is not one text"),
        ({"images": None, "inputs": np.zeros(6)}, "neither vectors (N, d) nor sequences"),
        ({"images": None, "inputs": np.full((6, 2), np.inf)}, "has inf in `inputs`, in row 0"),
        ({"images": None, "inputs": np.full((6, 2), np.nan)}, "has no value in `inputs`"),
        ({"label": KIND[:4]}, "`label` of int64 (4,) does not have one entry for each of the"),
        ({"images": np.zeros((6, 0, 4), np.uint8)}, "images of shape (6, 0, 4), without pixels"),
        (
            {"label": KIND + 0.5},
            "has float64 (6,) in `label`, which are not classes | a class must",
        ),
        ({"label": np.zeros((6, 2))}, "has float64 (6, 2) in `label`, which are not classes"),
        ({"label": KIND[:, None]}, "has int64 (6, 1) in `label`, which are not classes"),
        ({"label": KIND + 100_000}, "the value 100002 in `label`, which is too large for a class"),
        ({"height": np.zeros(5)}, "`height` of float64 (5,) does not have one entry for each"),
        ({"height": np.float64(3)}, "`height` of float64 () does not have one entry for each"),
        ({"height": np.full(6, np.nan)}, ": `height` has no value | fill it in"),
        (
            {"height": np.array([1, 2, 3, np.inf, 5, 6])},
            ", index 3: `height` has an infinite value",
        ),
        ({"age": np.array([*"12x45", ""])}, ", index 2: `x` in `age` is not a number, although 4"),
        (
            {"age": np.array([2**63] + [1] * 5, np.uint64)},
            "`9223372036854775808` in `age` does not",
        ),
        (
            {"part": np.zeros((6, 2, 2))},
            ": `part` contains float64 (6, 2, 2), which is not supported",
        ),
        ({"part": np.zeros((6, 0))}, ": `part` contains float64 (6, 0), which is not supported"),
        ({"part": np.zeros((6, 2), bool)}, ": `part` has no value"),
        (
            {"part": np.zeros(6, complex)},
            ": `part` contains complex128 (6,), which is not supported",
        ),
        (
            {"part": np.zeros(6, "S2")},
            "contains |S2 (6,), which is not supported | store bytes as text",
        ),
        (
            {"pixels": np.zeros((6, 4, 5))},
            ": `pixels` contains float64 (6, 4, 5), which is not supported",
        ),
        (
            {"part": np.full(6, np.longdouble("1e400"))[:6] * (KIND == 2)},
            ", index 2: `part` has an",
        ),
        (
            {"part": np.zeros(6, "m8[Y]")},
            ": `part` contains timedelta64[Y] (6,), which is not supported",
        ),
        (
            {"day": np.array([10**6, *[0] * 5], "M8[Y]")},
            "the year 1001970 in `day` is not from 1 to 9999",
        ),
        ({"Day": np.zeros(6)}, ": `Day` is not a name; names are lower-case"),
        ({"Day": KIND}, ": `Day` is not a name; names are lower-case"),
        ({"view": np.zeros(6)}, ": a column cannot have the reserved name `view`"),
        ({"label_names": np.array(["a", "b"])}, "names 2 classes in `label_names`"),
        (
            {"size": KIND / 2, "size_names": KIND},
            "has `size_names`, but `size` does not contain class numbers",
        ),
        ({"label_names": np.array([1, 2, 3])}, "`label_names` of int64 (3,)"),
        ({"split": np.array(["train"] * 5 + ["dev"])}, "has `dev` in `split`"),
        ({"split": SPLIT[:3]}, "`split` of <U5 (3,)"),
        ({"split": SPLIT.astype("S5")}, "has `b'train'` in `split`"),
        ({"split": np.array(["test"] * 6)}, "has no training samples"),
        ({"kind_names": np.array(["\ud800", "a", "b"]), "kind": KIND}, "that is not Unicode"),
        (
            {"sample": np.array([1, 2, 3, 4, 5, 1])},
            "has `1` in `sample` in rows 0 and 5, counted from 0",
        ),
        ({"sample": np.array([1, 2, 3, 4, 5, -6])}, "neither whole numbers from 0 nor texts"),
        ({"sample": np.full(6, 2**63, np.uint64)}, "the largest whole number is"),
        (
            {"label": np.array([object()] * 6)},
            "contains Python objects, which are not supported | store",
        ),
    ],
)
def test_malformed_archives(tmp_path: Path, change: dict[str, Any], expected: str) -> None:
    arrays = {name: array for name, array in (SOUND | change).items() if array is not None}
    assert expected in complaint(save(tmp_path, **arrays))


def test_ids_and_splits_are_texts_as_in_tables(tmp_path: Path) -> None:
    names = np.array([*"abcdef"])
    split = np.array(["Train", "validation", "train", "Test", "train", "train"])
    data = open_npz(save(tmp_path, images=GRAY, label=KIND, sample=names, split=split))
    assert data.train.sample.tolist() == [stable_id(name) for name in "acef"]
    assert list(data.train.names) == [*"acef"]
    assert data.val is not None
    assert list(data.val.names) == ["b"]


def test_a_column_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    lone = np.array(["\ud800"] * 6)
    data = open_npz(save(tmp_path, images=GRAY, label=KIND, split=SPLIT, lone=lone))
    (note,) = data.notes
    assert note.message == "these columns cannot be read, so nothing can use them: `lone`"
    assert note.hint is not None
    assert "a text in `lone` is not Unicode" in note.hint


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    file = save(tmp_path, **SOUND | {"label": np.array([Trap()] * 6, dtype=object)})
    assert "Python objects" in complaint(file)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("path", ["absent.npz", ".", "a\0b.npz", "x" * 300])
def test_a_file_that_is_not_there(path: str) -> None:
    with pytest.raises(RRLError, match=r"\[RRL410\]: cannot read "):
        open_npz(Path(path))


def test_an_unknown_home_directory() -> None:
    for kind in ("npz", "imagefolder"):
        with pytest.raises(
            RRLError, match=r"\[RRL410\]: `~no.body/set` starts with an unknown home directory"
        ):
            load(f"{kind}:~no.body/set", root=Path("nowhere"))


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    lone = tmp_path / "lone.npy"
    np.save(lone, GRAY)
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
    file.write_bytes(content[:-40])
    assert "is not an .npz archive | write one with `numpy.savez`" in complaint(file)
    start = content.rfind(b"PK\1\2")
    content[start + 4 : start + 20] = b"\xff" * 16
    file.write_bytes(content)
    assert "cannot be read: zip file version 25.5 | write the archive again" in complaint(file)


def test_an_archive_without_arrays_is_refused(tmp_path: Path) -> None:
    zipfile.ZipFile(tmp_path / "set.npz", "w").close()
    assert "no array `images` or `inputs`; it contains nothing" in complaint(tmp_path / "set.npz")


@pytest.mark.parametrize(
    "header",
    [
        b"garbage",
        b"(" * 5000,
        b"{'descr': '<zz', 'fortran_order': False, 'shape': (6,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (6,)}",
    ],
    ids=["no header", "brackets", "type", "too much", "far too much", "no content"],
)
def test_an_array_with_a_wrong_header_is_an_error(tmp_path: Path, header: bytes) -> None:
    file = save(tmp_path, **SOUND)
    with zipfile.ZipFile(file, "a") as archive:
        size = (len(header) + 1).to_bytes(2, "little")
        archive.writestr("part.npy", b"\x93NUMPY\1\0" + size + header + b"\n")
    message = complaint(file)
    assert message.startswith(f"array `part` of {file} cannot be read: ")
    assert "\n" not in message


def test_a_path_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"set\xff.npz")
    with pytest.raises(RRLError, match=r"\[RRL410\]: the path .* is not UTF-8"):
        load(f"npz:{path}", root=Path("nowhere"))
