"""A table has the same columns in all file formats; no file raises an unexpected exception."""

from __future__ import annotations

import csv
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from rrl_dsl.data.column_files import Further, read
from rrl_dsl.data.registry import columns, load
from rrl_dsl.language.diagnostics import RRLError

LAWS = settings(deadline=None, derandomize=True, database=None, max_examples=60)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SIZE = 2

# `|` is between several classes of a sample
words = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0|"), max_size=5)
values = {
    "text": words.map(lambda word: f"P{word}".strip()),
    # one beyond the class numbers that an archive may hold, see `tables`
    "whole": st.integers(-(2**53), 2**53),
    "real": st.floats(allow_nan=False, allow_infinity=False),
    # beyond them a float64 of seconds is coarser than a microsecond
    "time": st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
    "vector": st.lists(
        st.floats(allow_nan=False, allow_infinity=False), min_size=SIZE, max_size=SIZE
    ),
}


@dataclass
class Table:
    """Random columns; the value of an image is None where missing, in `rows` where it has a row."""

    files: list[str]
    rows: list[int]
    kinds: dict[str, str]
    cells: dict[str, list[Any]]

    def column(self, name: str) -> list[Any]:
        """The values of the rows."""
        return [self.cells[name][image] for image in self.rows]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    files = [f"train/c/{number}.png" for number in range(draw(st.integers(2, 6)))]
    rows = draw(st.permutations(range(len(files))))
    absent = draw(st.sets(st.sampled_from(range(1, len(files)))))
    kinds = {
        f"c{place}": kind
        for place, kind in enumerate(draw(st.lists(st.sampled_from(sorted(values)), max_size=5)))
    }
    cells: dict[str, list[Any]] = {}
    for name, kind in kinds.items():
        cells[name] = [
            draw(st.none() | values[kind]) if image and image not in absent else None
            for image in range(len(files))
        ]
        cells[name][0] = 123_456 if kind == "whole" else draw(values[kind])
    return Table(files, [image for image in rows if image not in absent], kinds, cells)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def as_text(kind: str, value: Any) -> list[str]:
    if value is None:
        return [""] * (SIZE if kind == "vector" else 1)
    if kind == "vector":
        return [repr(number) for number in value]
    return [value.isoformat() if kind == "time" else str(value)]


def text_read(table: Table, suffix: str, end: str) -> Further:
    with folder() as path, (path / f"columns{suffix}").open("w", newline="") as file:
        writer = csv.writer(file, "excel-tab" if suffix == ".tsv" else "excel", lineterminator=end)
        header = ["file"]
        for name, kind in table.kinds.items():
            header += [f"{name}_{part}" for part in range(SIZE)] if kind == "vector" else [name]
        writer.writerow(header)
        for image in table.rows:
            row = [table.files[image]]
            for name, kind in table.kinds.items():
                row += as_text(kind, table.cells[name][image])
            writer.writerow(row)
        file.close()
        return read(path, table.files, ())


def parquet_read(table: Table) -> Further:
    types = {
        "text": pa.string(),
        "whole": pa.int64(),
        "real": pa.float64(),
        "time": pa.timestamp("us"),
        "vector": pa.list_(pa.float64()),
    }
    arrays = {name: pa.array(table.column(name), types[kind]) for name, kind in table.kinds.items()}
    with folder() as path:
        files = [table.files[image] for image in table.rows]
        pq.write_table(pa.table({"file": files, **arrays}), path / "columns.parquet")
        return read(path, table.files, ())


def array_of(kind: str, cells: Sequence[Any]) -> Any:
    if kind == "text" or (kind == "whole" and None in cells):
        return np.array(["" if cell is None else str(cell) for cell in cells])
    if kind == "whole":
        return np.array(cells)
    if kind == "time":
        return np.array(cells, "datetime64[us]")
    missing = [math.nan] * SIZE if kind == "vector" else math.nan
    return np.array([missing if cell is None else cell for cell in cells], np.float64)


def archive_read(table: Table) -> Further:
    count = len(table.files)
    arrays = {name: array_of(kind, table.cells[name]) for name, kind in table.kinds.items()}
    with folder() as path:
        np.savez(
            path / "set.npz",
            images=np.zeros((count, 2, 2), np.uint8),
            split=np.array(["train", *["test"] * (count - 1)]),
            label=np.zeros(count, np.int64),
            **arrays,
        )
        data = load(f"npz:{path / 'set.npz'}", root=path)
    parts = (data.train, data.test)
    names = {name: classes for name, classes in data.class_names.items() if name != "label"}
    return Further(
        {name: np.concatenate([part.labels[name].numpy() for part in parts]) for name in names},
        names,
        {
            name: np.concatenate([part.fields[name].numpy() for part in parts])
            for name in data.train.fields
            if name != "label"
        },
    )


def expected(table: Table) -> Further:
    columns = Further({}, {}, {})
    for name, kind in table.kinds.items():
        cells = table.cells[name]
        given = [cell for cell in cells if cell is not None]
        whole = kind == "real" and all(
            number == int(number) and abs(number) <= 2**53 for number in given
        )
        if kind in ("text", "whole") or whole:
            known = sorted({value for value in given if kind == "text" or value >= 0})
            columns.class_names[name] = tuple(
                str(int(value)) if whole else str(value) for value in known
            )
            columns.labels[name] = np.array(
                [known.index(cell) if cell in known else -1 for cell in cells]
            )
        if kind == "whole":
            field = [math.nan if cell is None else cell for cell in cells]
            columns.fields[name] = np.array(field, np.float64 if None in cells else np.int64)
        elif kind == "time":
            since = [cell and (cell.replace(tzinfo=UTC) - EPOCH).total_seconds() for cell in cells]
            columns.fields[name] = np.array(
                [math.nan if seconds is None else seconds for seconds in since], np.float64
            )
        elif kind != "text":
            columns.fields[name] = array_of(kind, cells)
    return columns


def assert_same(columns: Further, wanted: Further) -> None:
    assert columns.class_names == wanted.class_names
    assert columns.labels.keys() == wanted.labels.keys()
    for name, label in columns.labels.items():
        assert label.dtype == np.int64
        assert label.tolist() == wanted.labels[name].tolist()
    assert columns.fields.keys() == wanted.fields.keys()
    for name, field in columns.fields.items():
        assert field.dtype == wanted.fields[name].dtype
        np.testing.assert_array_equal(field, wanted.fields[name])


@LAWS
@given(tables(), st.sampled_from([".csv", ".tsv"]), st.sampled_from(["\n", "\r\n"]))
def test_a_table_of_text_reads_to_its_values(table: Table, suffix: str, end: str) -> None:
    assert_same(text_read(table, suffix, end), expected(table))


@LAWS
@given(tables())
def test_a_table_of_parquet_reads_to_its_values(table: Table) -> None:
    assert_same(parquet_read(table), expected(table))


@LAWS
@given(tables())
def test_arrays_of_an_archive_read_to_their_values(table: Table) -> None:
    assert_same(archive_read(table), expected(table))


pieces = st.sampled_from(
    [
        *("file", "a", "v_0", "v_1", "label", "x.png", "y.png", ",", ",", "\n", "\n", "\r", '"'),
        *('""', "1", "-1", "2.5", "nan", "inf", "2021-03-04", "P1", " ", "\t", ";", "é", "\0"),
        "9" * 30,
    ]
)


def read_or_refused(path: Path) -> Further | RRLError:
    try:
        return read(path, ("x.png", "y.png"), ("label",))
    except RRLError as problem:
        return problem


@settings(LAWS, max_examples=400)
@given(
    st.lists(pieces, max_size=25).map("".join).map(str.encode) | st.binary(max_size=60),
    st.sampled_from(["columns.csv", "columns.tsv", "columns.parquet"]),
    st.booleans(),
)
def test_any_content_of_a_file_is_columns_or_an_error(
    content: bytes, name: str, begun: bool
) -> None:
    with folder() as path:
        (path / name).write_bytes(b"file,a\nx.png,1\n" * begun + content)
        outcome = read_or_refused(path)
        if isinstance(outcome, RRLError):
            assert {diagnostic.code for diagnostic in outcome.diagnostics} == {"RRL412"}
            assert str(path / name) in str(outcome)
        else:
            columns = [*outcome.labels.values(), *outcome.fields.values()]
            assert all(len(column) == 2 for column in columns)


def test_the_columns_of_an_archive_are_those_of_its_training_part() -> None:
    with folder() as path:
        arrays = {"label": np.array([1, 0, -1]), "h": np.array([1.5, 2.5, 3.5])}
        split = np.array(["train", "test", "train"])
        np.savez(path / "set.npz", images=np.zeros((3, 2, 2), np.uint8), split=split, **arrays)
        data = columns(f"npz:{path / 'set.npz'}", root=path)
    assert data.name == f"npz:{path / 'set.npz'}"
    assert data.sample.tolist() == [0, 2]
    assert data.labels["label"].tolist() == [1, -1]
    assert data.class_names == {"label": ("0", "1")}
    assert data.fields["h"].tolist() == [1.5, 3.5]
