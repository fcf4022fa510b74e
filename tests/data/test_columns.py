"""The table of an image folder: the columns that are read."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from rrl_dsl.data.column_files import Further, read
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError

FILES = ("train/cat/0.png", "train/cat/1.png", "train/dog/0.png", "test/cat/0.png")


def from_text(
    folder: Path, *lines: str, name: str = "columns.csv", files: Sequence[str] = FILES
) -> Further:
    (folder / name).write_bytes("\n".join(lines).encode())
    return read(folder, files, taken=("label",))


def from_parquet(folder: Path, **columns: Any) -> Further:
    table = pa.table({"file": list(FILES), **columns})
    pq.write_table(table, folder / "columns.parquet")
    return read(folder, FILES, taken=("label",))


def same(field: np.ndarray, expected: list) -> bool:
    return field.shape == np.shape(expected) and bool(
        np.array_equal(field, np.array(expected), equal_nan=True)
    )


nan = math.nan


def test_text_is_a_label_with_classes_in_order(tmp_path: Path) -> None:
    lines = [f"{file},{cell}" for file, cell in zip(FILES, ("P2", "P10", "", "P2"), strict=True)]
    columns = from_text(tmp_path, "file,patient", *lines)
    assert columns.class_names == {"patient": ("P10", "P2")}
    assert columns.labels["patient"].tolist() == [1, 0, -1, 1]
    assert columns.labels["patient"].dtype == np.int64
    assert columns.fields == {}


def test_images_without_a_row_have_everything_missing(tmp_path: Path) -> None:
    header = "file,patient,year,time,height,caption_0,caption_1"
    columns = from_text(tmp_path, header, f"{FILES[2]},P1,1999,1970-01-02,1.5,1,2")
    assert columns.labels["patient"].tolist() == [-1, -1, 0, -1]
    assert columns.labels["year"].tolist() == [-1, -1, 0, -1]
    assert same(columns.fields["year"], [nan, nan, 1999, nan])
    assert same(columns.fields["time"], [nan, nan, 86400, nan])
    assert same(columns.fields["height"], [nan, nan, 1.5, nan])
    assert same(columns.fields["caption"], [[nan, nan], [nan, nan], [1, 2], [nan, nan]])


def test_whole_numbers_are_a_label_and_a_number(tmp_path: Path) -> None:
    rows = [f"{file},{cell}" for file, cell in zip(FILES, ("10", "+9", "-1", "-3"), strict=True)]
    columns = from_text(tmp_path, "file,year", *rows)
    assert columns.class_names == {"year": ("9", "10")}
    assert columns.labels["year"].tolist() == [1, 0, -1, -1]
    assert columns.fields["year"].dtype == np.int64
    assert columns.fields["year"].tolist() == [10, 9, -1, -3]


def test_one_missing_number_makes_a_column_floating(tmp_path: Path) -> None:
    rows = [f"{file},{cell}" for file, cell in zip(FILES, ("10", "", "-1", "nan"), strict=True)]
    columns = from_text(tmp_path, "file,year", *rows)
    assert same(columns.fields["year"], [10, nan, -1, nan])
    assert columns.fields["year"].dtype == np.float64
    assert columns.labels["year"].tolist() == [0, -1, -1, -1]


def test_one_real_number_makes_a_column_no_label(tmp_path: Path) -> None:
    rows = [f"{file},{cell}" for file, cell in zip(FILES, ("10", "1e-3", ".5", "-7."), strict=True)]
    columns = from_text(tmp_path, "file,height", *rows)
    assert columns.labels == {}
    assert columns.fields["height"].tolist() == [10, 0.001, 0.5, -7]


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("1970-01-01", 0),
        ("1969-12-31T23:59:59", -1),
        ("2021-03-04 05:06", 1614834360),
        ("2021-03-04T05:06:07.25Z", 1614834367.25),
        ("2021-03-04T05:06:07,123456789", 1614834367.123456),
        ("2021-03-04T05:06:07+05:30", 1614814567),
        ("2021-03-04T05:06:07-0100", 1614837967),
        ("9999-12-31", 253402214400),
    ],
)
def test_times_are_seconds_since_1970(tmp_path: Path, cell: str, seconds: float) -> None:
    columns = from_text(tmp_path, "file,time", f'{FILES[0]},"{cell}"', f"{FILES[1]},")
    assert same(columns.fields["time"], [seconds, nan, nan, nan])
    assert columns.fields["time"].dtype == np.float64
    assert columns.labels == {}


@pytest.mark.parametrize(
    "cell",
    [
        "2021-02-30",
        "2021-1-1",
        "04/03/2021",
        "4.3.2021 5:06",
        "2021-03-04T25:00",
        "1,5",
        "-1.000,5",
    ],
)
def test_mostly_numbers_or_times_are_not_a_label(tmp_path: Path, cell: str) -> None:
    columns = from_text(tmp_path, "file,x", f'{FILES[0]},"{cell}"', f'{FILES[1]},"{cell}"')
    assert columns.unreadable["x"][0].message.startswith(f"`{cell}` in `x` is not a number")
    assert (columns.labels, columns.fields) == ({}, {})


@pytest.mark.parametrize("cell", ["1/2", "3:4", "1-2-3", "1.2.3", "12:30", "P1,5", "1,2,3"])
def test_invalid_times_are_text(tmp_path: Path, cell: str) -> None:
    row = f'{FILES[0]},"{cell}"'
    assert from_text(tmp_path, "file,x", row).class_names == {"x": (cell,)}


def test_the_parts_of_a_vector_stand_in_any_order(tmp_path: Path) -> None:
    header = ["file", *(f"v_{number}" for number in range(11, -1, -1))]
    row = [FILES[0], *map(str, range(11, -1, -1))]
    columns = from_text(tmp_path, ",".join(header), ",".join(row))
    assert columns.fields.keys() == {"v"}
    assert columns.fields["v"][0].tolist() == list(range(12))
    assert columns.fields["v"].dtype == np.float64


def test_a_vector_with_an_empty_part_is_missing(tmp_path: Path) -> None:
    rows = [f"{FILES[0]},1,", f"{FILES[1]},1,2"]
    columns = from_text(tmp_path, "file,v_0,v_1", *rows, files=FILES[:2])
    assert same(columns.fields["v"], [[nan, nan], [1, 2]])


def test_numbered_columns_without_0_are_not_a_vector(tmp_path: Path) -> None:
    columns = from_text(tmp_path, "file,run_1,run_2,x_00", f"{FILES[0]},1,2,a")
    assert columns.labels.keys() == {"run_1", "run_2", "x_00"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_do_not_count(
    tmp_path: Path, end: str, mark: bytes
) -> None:
    text = end.join(["", "file\tpatient", f"{FILES[0]}\tA", "", f"{FILES[1]}\t B "])
    (tmp_path / "columns.tsv").write_bytes(mark + text.encode())
    assert read(tmp_path, FILES, ()).class_names == {"patient": ("A", "B")}


def test_cells_in_quotes(tmp_path: Path) -> None:
    rows = [f'"{FILES[0]}", "a, ""b"""', f'{FILES[1]},"two\nlines"', f'{FILES[2]},c "d" e']
    columns = from_text(tmp_path, 'file, "note"', *rows)
    assert columns.class_names == {"note": ('a, "b"', 'c "d" e', "two\nlines")}


def test_spreadsheets_leave_empty_rows(tmp_path: Path) -> None:
    columns = from_text(tmp_path, "file,note", f"{FILES[0]},a", ",", "  ,", "", "")
    assert columns.class_names == {"note": ("a",)}


def test_every_type_of_parquet(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=1))
    columns = from_parquet(
        tmp_path,
        text=["b", None, "", "a"],
        large=pa.array(["b", None, "", "a"], pa.large_string()),
        coded=pa.array(["b", None, "b", "a"]).dictionary_encode(),
        whole=pa.array([3, None, -1, 5], pa.int8()),
        digits=["3", "", "-1", None],
        real=pa.array([0.5, nan, None, 2], pa.float32()),
        exact=pa.array([Decimal("0.5"), None, Decimal("-2.25"), None]),
        truth=[True, None, False, True],
        day=[date(1970, 1, 2), None, None, date(1969, 12, 31)],
        zoned=pa.array(
            [datetime(1970, 1, 1, 2, tzinfo=zone), *[None] * 3], pa.timestamp("s", "UTC")
        ),
        fine=pa.array([1_999, -1, None, 0], pa.timestamp("ns")),
        written=["1970-01-02", None, "1970-01-01T00:00:00.5", ""],
        lists=pa.array([[1, 2], None, [3, None], [4, 5]], pa.list_(pa.float32())),
        fixed=pa.array([[1, 2], [0, 0], [3, 4], [4, 5]], pa.list_(pa.int16(), 2)),
        part_0=pa.array([1, 2, 3, 4], pa.float32()),
        part_1=pa.array([1, 2, None, 4], pa.float32()),
    )
    for name in ("text", "large"):
        assert columns.class_names[name] == ("a", "b")
        assert columns.labels[name].tolist() == [1, -1, -1, 0]
    assert columns.labels["coded"].tolist() == [1, -1, 1, 0]
    assert columns.class_names["truth"] == ("false", "true")
    assert columns.labels["truth"].tolist() == [1, -1, 0, 1]
    assert columns.labels["whole"].tolist() == [0, -1, -1, 1]
    assert same(columns.fields["whole"], [3, nan, -1, 5])
    assert same(columns.fields["digits"], [3, nan, -1, nan])
    assert same(columns.fields["real"], [0.5, nan, nan, 2])
    assert columns.fields["real"].dtype == np.float64
    assert same(columns.fields["exact"], [0.5, nan, -2.25, nan])
    assert same(columns.fields["day"], [86400, nan, nan, -86400])
    assert same(columns.fields["zoned"], [3600, nan, nan, nan])
    assert same(columns.fields["fine"], [1e-6, -1e-6, nan, 0])
    assert same(columns.fields["written"], [86400, nan, 0.5, nan])
    assert same(columns.fields["lists"], [[1, 2], [nan, nan], [nan, nan], [4, 5]])
    assert same(columns.fields["fixed"], [[1, 2], [0, 0], [3, 4], [4, 5]])
    assert same(columns.fields["part"], [[1, 1], [2, 2], [nan, nan], [4, 4]])
    kinds = {name: field.dtype for name, field in columns.fields.items()}
    assert kinds["lists"] == kinds["part"] == np.float32
    assert kinds["fixed"] == np.float64
    assert columns.labels.keys() & columns.fields.keys() == {"whole", "digits"}


def test_a_vector_of_fixed_length_may_be_missing(tmp_path: Path) -> None:
    values = pa.array([[1, 2], None, [3, 4], [4, 5]], pa.list_(pa.int16(), 2))
    try:
        columns = from_parquet(tmp_path, fixed=values)
    except pa.ArrowNotImplementedError:
        pytest.skip("this pyarrow reads such a file and cannot write one")
    assert same(columns.fields["fixed"], [[1, 2], [nan, nan], [3, 4], [4, 5]])


def test_a_path_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "site=3"
    folder.mkdir()
    assert from_parquet(folder, note=list("abcd")).labels.keys() == {"note"}


def test_without_a_table_there_are_no_columns(tmp_path: Path) -> None:
    columns = read(tmp_path, FILES, ())
    assert (columns.labels, columns.class_names, columns.fields) == ({}, {}, {})


def test_two_tables_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "columns.parquet").touch()
    with pytest.raises(RRLError) as caught:
        from_text(tmp_path, "file,a")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL412"
    assert diagnostic.message == f"{tmp_path} has the tables `columns.csv` and `columns.parquet`"
    assert diagnostic.hint == "keep only one of them"


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    for file in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / file)
    return tmp_path


def test_an_image_folder_has_the_columns_of_its_table(zoo: Path) -> None:
    rows = (f"{FILES[3]},P1,3.5,1,2", f"{FILES[1]},P2,4.5,3,4", f"{FILES[0]},P1,,,")
    text = "\n".join(["file,patient,time,caption_0,caption_1", *rows])
    (zoo / "columns.csv").write_text(text)
    data = load(f"imagefolder:{zoo}", root=Path("nowhere"), size=8)
    assert data.class_names == {"label": ("cat", "dog"), "patient": ("P1", "P2")}
    assert data.train.labels["patient"].tolist() == [0, 1, -1]
    assert data.test.labels["patient"].tolist() == [0]
    assert data.train.labels["label"].tolist() == [0, 0, 1]
    assert data.train.fields["time"].isnan().tolist() == [True, False, True]
    assert data.test.fields["caption"].tolist() == [[1, 2]]
    assert data.train.fields["caption"].dtype == torch.float64


def test_a_column_cannot_take_the_name_of_the_hierarchy(zoo: Path) -> None:
    (zoo / "columns.csv").write_text(f"file,coarse\n{FILES[0]},x\n")
    assert load(f"imagefolder:{zoo}", root=Path("nowhere"), size=8).class_names["coarse"] == ("x",)
    (zoo / "hierarchy.yaml").write_text("cat: pet\ndog: pet\n")
    with pytest.raises(RRLError, match="the dataset already has a label `coarse`"):
        load(f"imagefolder:{zoo}", root=Path("nowhere"), size=8)


@pytest.fixture
def _in_kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_kolkata")
def test_the_zone_of_this_machine_does_not_count(tmp_path: Path) -> None:
    assert time.localtime(0).tm_hour == 5
    columns = from_text(tmp_path, "file,time", f"{FILES[0]},1970-01-02T00:00")
    assert columns.fields["time"][0] == 86400
