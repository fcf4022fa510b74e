"""The kind of a column, a label, a number or a vector, is the same in all file formats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from rrl_dsl.data.columns import Columns
from rrl_dsl.data.registry import columns

ROWS = 8
FILES = [f"train/c/{row}.png" for row in range(ROWS)]
nan = math.nan


def csv_of(folder: Path, values: Sequence[str], suffix: str = ".csv") -> Columns:
    mark = "," if suffix == ".csv" else "\t"
    rows = [f'{file}{mark}"{value}"' for file, value in zip(FILES, values, strict=False)]
    (folder / f"columns{suffix}").write_text("\n".join([f"file{mark}x", *rows]))
    return columns(f"imagefolder:{folder}", root=folder)


def parquet_of(folder: Path, values: Any) -> Columns:
    table = pa.table({"file": FILES[: len(values)], "x": values})
    pq.write_table(table, folder / "columns.parquet")
    return columns(f"imagefolder:{folder}", root=folder)


def npz_of(folder: Path, values: Sequence[str] | np.ndarray, **arrays: Any) -> Columns:
    count = len(values)
    split = ["train"] * count + ["test"]
    x = np.asarray([*values, values[0]])
    images = np.zeros((count + 1, 2, 2), np.uint8)
    np.savez(folder / "set.npz", images=images, split=split, x=x, **arrays)
    return columns(f"npz:{folder / 'set.npz'}", root=folder)


WRITERS = {
    "csv": csv_of,
    "tsv": lambda folder, values: csv_of(folder, values, ".tsv"),
    "parquet": parquet_of,
    "npz": npz_of,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in [*FILES, "test/c/0.png"]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / file)
    return tmp_path


def refused(data: Columns, kind: str, name: str = "x") -> str:
    (fault,) = data.faults([(kind, name)])
    return f"{fault.code} {fault.message} | {fault.hint}"


def field_of(data: Columns, rows: int) -> np.ndarray:
    assert not data.unreadable
    return data.fields["x"][:rows]


@pytest.mark.parametrize("writer", WRITERS)
def test_text_is_a_label_and_nothing_else(folder: Path, writer: str) -> None:
    data = WRITERS[writer](folder, ["a cat", "a dog", "two cats"])
    assert data.faults([("label", "x")]) == []
    assert data.class_names["x"] == ("a cat", "a dog", "two cats")
    number, vector = refused(data, "number"), refused(data, "vector")
    assert number.startswith("RRL417 `x` of the dataset `")
    assert "is a label, not a number | write numbers as `1.5`" in number
    assert "is a label, not a vector | write a vector as `[0.1, 0.2]` in one cell" in vector
    assert "columns `x_0`, `x_1`, …" in vector


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    "cells",
    [
        ["[0.1, 0.2]", "[-1,2e1]", ""],
        ["[0.1 0.2]", "[-1. 20.]", ""],
        ["0.1 0.2", "-1  20", ""],
        ["(0.1, 0.2)", "( -1, +20 )", "[nan, 1]"],
    ],
)
def test_text_may_write_vectors(folder: Path, writer: str, cells: list[str]) -> None:
    data = WRITERS[writer](folder, cells)
    expected = [[0.1, 0.2], [-1, 20], [nan, nan]]
    np.testing.assert_array_equal(field_of(data, 3), expected)
    assert "x" not in data.labels
    assert data.faults([("vector", "x")]) == []
    assert "contains vectors, not numbers" in refused(data, "number")


def test_vectors_of_text_have_one_length(folder: Path) -> None:
    data = csv_of(folder, ["[1, 2]", "[1, 2, 3]", "[]"])
    faults = data.faults([("vector", "x")])
    assert [fault.message for fault in faults] == [
        "this vector of `x` has length 3, but the first has length 2",
        "this vector of `x` has length 0, but the first has length 2",
    ]


@pytest.mark.parametrize("cell", ["[a, b]", "1,2", "[1, 2", "1 2 and 3", "[[1, 2], [3, 4]]"])
def test_malformed_vectors_are_text(folder: Path, cell: str) -> None:
    assert csv_of(folder, [cell, "words"]).class_names["x"] == tuple(sorted([cell, "words"]))


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        ("00:00:01.5", 1.5),
        ("1:02:03", 3723),
        ("00:00:01,25", 1.25),
        ("-0:00:02", -2),
        ("100:00:00", 360_000),
        ("2 days 01:00:00", 176_400),
        ("1 day, 0:00:01.500000", 86_401.5),
        ("-1 day, 23:59:58", -2),
        ("-1 days +23:59:58.500000", -1.5),
        ("PT1.5S", 1.5),
        ("-P1DT1H", -90_000),
    ],
)
def test_durations_are_seconds(folder: Path, writer: str, cell: str, seconds: float) -> None:
    data = WRITERS[writer](folder, [cell, "", "0:00:00"])
    np.testing.assert_array_equal(field_of(data, 3), [seconds, nan, 0])
    assert "x" not in data.labels


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (pa.array([1500, None], pa.duration("ms")), 1.5),
        (pa.array([3_000_000_000, None], pa.duration("ns")), 3),
        (pa.array([3723, None], pa.time32("s")), 3723),
        (pa.array([1_500_000, None], pa.time64("us")), 1.5),
    ],
)
def test_durations_and_times_of_parquet_are_seconds(
    folder: Path, values: pa.Array, seconds: float
) -> None:
    np.testing.assert_array_equal(field_of(parquet_of(folder, values), 2), [seconds, nan])


def test_durations_of_numpy_are_seconds(folder: Path) -> None:
    data = npz_of(folder, np.array([1500, "NaT"], "m8[ms]"))
    np.testing.assert_array_equal(field_of(data, 2), [1.5, nan])


WORDS = ["None", "NULL", "null", "N/A", "NA", "<NA>", "NaT", "nan", "NaN", "NAN", "?", ""]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("word", WORDS)
def test_words_for_missing_values_are_missing(folder: Path, writer: str, word: str) -> None:
    label = WRITERS[writer](folder, ["cat", word, word, "dog"])
    assert label.class_names["x"] == ("cat", "dog")
    assert label.labels["x"][:4].tolist() == [0, -1, -1, 1]
    notes = [note.message for note in label.notes if note.message.startswith("`x`")]
    count = 5 if writer == "npz" else 4
    said = f"`x`: 2 of {count} values are missing, written as `{word}`"
    assert notes == [said] * (word != "")
    number = WRITERS[writer](folder, ["1.5", word, "2.5"])
    np.testing.assert_array_equal(field_of(number, 3), [1.5, nan, 2.5])


def test_a_folder_names_its_own_words(folder: Path) -> None:
    (folder / "columns.yaml").write_text('unknown: [n/a, "?", -999]\n')
    country = csv_of(folder, ["NA", "DE", "N/A", "?", "null"])
    assert country.class_names["x"] == ("DE", "NA", "null")
    assert country.labels["x"][:5].tolist() == [1, 0, -1, -1, 2]
    number = csv_of(folder, ["1", "-999", "n/a", ""])
    np.testing.assert_array_equal(field_of(number, 4), [1, nan, nan, nan])
    (folder / "columns.csv").unlink()
    for values in (pa.array([1, -999]), pa.array([1.0, -999.0])):
        np.testing.assert_array_equal(field_of(parquet_of(folder, values), 2), [1, nan])


def test_an_archive_names_its_own_words(folder: Path) -> None:
    words = np.array(["?", "-999", "999"])
    country = npz_of(folder, ["NA", "DE", "?"], unknown=words)
    assert country.class_names["x"] == ("DE", "NA")
    data = npz_of(folder, np.array([1, -999, 999, 0]), unknown=words)
    assert data.labels["x"].tolist() == [1, -1, -1, 0]
    np.testing.assert_array_equal(data.fields["x"], [1, nan, nan, 0])


@pytest.mark.parametrize("writer", WRITERS)
def test_the_note_on_missing_values_says_where_to_list_other_words(
    folder: Path, writer: str
) -> None:
    hints = [note.hint for note in WRITERS[writer](folder, ["cat", "NA"]).notes]
    file = "an array `unknown` of the archive" if writer == "npz" else f"{folder / 'columns.yaml'}"
    assert [hint for hint in hints if hint and "other words" in hint and file in hint]


@pytest.mark.parametrize("text", ["- NA", "unknown: NA", "words: [NA]", "unknown: [[NA]]", "{"])
def test_unknown_must_be_a_list_even_without_a_table(folder: Path, text: str) -> None:
    (folder / "columns.yaml").write_text(text)
    with pytest.raises(Exception, match=r"\[RRL412\]"):
        columns(f"imagefolder:{folder}", root=folder)


@pytest.mark.parametrize("mark", [-1, -100, -999])
def test_negative_numbers_are_unknown_as_a_label(folder: Path, mark: int) -> None:
    values = [mark, 1, mark, 0, 1]
    for data in (
        csv_of(folder, [str(value) for value in values]),
        npz_of(folder, np.array(values)),
        npz_of(folder, np.array(values, np.float64)),
    ):
        assert data.class_names["x"] == ("0", "1")
        assert data.labels["x"][:5].tolist() == [-1, 1, -1, 0, 1]
        notes = [note.message for note in data.notes if "below -1" in note.message]
        assert len(notes) == (mark < -1)
        assert all(note.startswith("`x`: ") for note in notes)


@pytest.mark.parametrize("mark", ["-1", "-100", "-1.0", "-100.0"])
def test_a_negative_number_among_texts_is_unknown(folder: Path, mark: str) -> None:
    data = csv_of(folder, ["cat", mark, mark, mark, "dog"])
    assert data.class_names["x"] == ("cat", "dog")
    assert data.labels["x"][:5].tolist() == [0, -1, -1, -1, 1]
    said = [note.message for note in data.notes if "count as unknown labels" in note.message]
    assert said == ["`x`: 3 of 5 values are below -1 and count as unknown labels"] * ("100" in mark)


def test_all_negative_numbers_among_texts_are_unknown(folder: Path) -> None:
    data = csv_of(folder, ["cat", "-1", "-100", "dog", "cat"])
    assert data.class_names["x"] == ("cat", "dog")
    assert data.labels["x"][:5].tolist() == [0, -1, -1, 1, 0]
    said = [note.message for note in data.notes if "count as unknown labels" in note.message]
    assert said == ["`x`: 1 of 5 values are below -1 and count as unknown labels"]


def test_negative_measurements_are_not_made_unknown_by_one_text(folder: Path) -> None:
    data = csv_of(folder, ["-5", "3", "-2", "low", "4"])
    (fault,) = data.unreadable["x"]
    assert fault.message == "`low` in `x` is not a number, although 4 of its 5 values are"


@pytest.mark.parametrize("mark", ["#NA", "-nan", "1.#IND", "(null)", r"\N", "n.a.", "Unlabeled"])
def test_marks_of_other_programs_are_missing_in_text_and_numbers(folder: Path, mark: str) -> None:
    texts = csv_of(folder, ["cat", mark, "dog", mark, "cat"])
    assert texts.labels["x"][:5].tolist() == [0, -1, 1, -1, 0]
    numbers = csv_of(folder, ["1.5", mark, "2", mark, "1"])
    np.testing.assert_array_equal(numbers.fields["x"][:5], [1.5, np.nan, 2, np.nan, 1])


def test_one_text_in_two_unicode_forms_is_one_class(folder: Path) -> None:
    data = csv_of(folder, ["caf\u00e9", "cafe\u0301", "tea", "tea", "tea"])
    assert data.class_names["x"] == ("caf\u00e9", "tea")


def test_durations_of_days_are_seconds(folder: Path) -> None:
    data = csv_of(folder, ["P1D", "PT2H", "P1DT1H", "PT0.5S", "-P2D"])
    assert data.fields["x"][:5].tolist() == [86400, 7200, 90000, 0.5, -172800]


def test_a_vector_with_a_missing_part_is_missing(folder: Path) -> None:
    data = csv_of(folder, ["[1, nan]", "[None, 2]", "[null 2]", "[1, 2]", "[3,4]"])
    gone = [np.nan, np.nan]
    np.testing.assert_array_equal(data.fields["x"][:5], [gone, gone, gone, [1, 2], [3, 4]])


def test_numbers_for_a_missing_value_mark_texts_and_numbers_of_an_archive(folder: Path) -> None:
    for unknown in (np.array([-999]), np.array(["-999"]), np.array([-999.0])):
        data = npz_of(folder, np.array([1.5, -999.0, 2.0]), unknown=unknown)
        np.testing.assert_array_equal(data.fields["x"][:3], [1.5, np.nan, 2.0])


def test_numbers_with_space_separators_are_not_vectors(folder: Path) -> None:
    data = csv_of(folder, ["1 000", "2 500", "3 000", "4 000", "500"])
    assert "x" not in data.fields
    assert data.unreadable["x"][0].message == "`1 000` in `x` is not a number or a date"
    vectors = csv_of(folder, ["0 255 128", "255 0 0", "1 2 3", "4 5 6", "7 8 9"])
    assert vectors.fields["x"][:2].tolist() == [[0, 255, 128], [255, 0, 0]]


def test_a_negative_label_of_an_archive_is_unknown(folder: Path) -> None:
    data = npz_of(folder, np.zeros(3), label=np.array([-100, 1, 0, 0]))
    assert data.labels["label"].tolist() == [-1, 1, 0]
    assert data.class_names["label"] == ("0", "1")


@pytest.mark.parametrize("writer", WRITERS)
def test_whole_numbers_with_a_point_are_labels_too(folder: Path, writer: str) -> None:
    data = WRITERS[writer](folder, ["1.0", "", "2.0", "1.0"])
    assert data.class_names["x"] == ("1", "2")
    assert data.labels["x"][:4].tolist() == [0, -1, 1, 0]
    np.testing.assert_array_equal(field_of(data, 4), [1, nan, 2, 1])


def test_whole_floats_are_labels_too(folder: Path) -> None:
    values = np.array([7.0, nan, 3.0, 7.0])
    for data in (parquet_of(folder, pa.array(values)), npz_of(folder, values)):
        assert data.class_names["x"] == ("3", "7")
        assert data.labels["x"][:4].tolist() == [1, -1, 0, 1]
    assert "x" not in npz_of(folder, np.array([7.0, 3.5])).labels


@pytest.mark.parametrize("writer", WRITERS)
def test_zeros_before_a_number_keep_classes_apart(folder: Path, writer: str) -> None:
    data = WRITERS[writer](folder, ["007", "7", "07", "007"])
    assert data.class_names["x"] == ("007", "07", "7")
    assert data.labels["x"][:4].tolist() == [0, 2, 1, 0]
    assert field_of(data, 4).tolist() == [7, 7, 7, 7]


def test_a_column_that_cannot_be_read_refuses_no_other(folder: Path) -> None:
    table = {
        "file": FILES[:2],
        "image": [{"bytes": b"x"}, {"bytes": b"y"}],
        "raw": [b"x", b"y"],
        "Meta": ["a", "b"],
        "mixed": ["1", "2021-01-01"],
        "patient": ["a", "b"],
    }
    pq.write_table(pa.table(table), folder / "columns.parquet")
    data = columns(f"imagefolder:{folder}", root=folder)
    assert data.labels["patient"][:2].tolist() == [0, 1]
    assert data.faults([("label", "patient")]) == []
    assert "`image` has values of type struct<" in refused(data, "vector", "image")
    assert "`raw` has values of type binary" in refused(data, "label", "raw")
    assert "`Meta` is not a name; names are lower-case" in refused(data, "label", "meta")
    assert "rename it to `meta`" in refused(data, "label", "meta")
    assert "in `mixed` is not a number" in refused(data, "number", "mixed")
    (note,) = (note for note in data.notes if "cannot be read" in note.message)
    assert note.message.endswith("`image`, `raw`, `Meta`, `mixed`")


def test_an_array_that_cannot_be_read_refuses_no_other(folder: Path) -> None:
    strange = {"part": np.zeros((3, 2, 2)), "note": np.array([{}, [], ""], object)}
    data = npz_of(folder, ["a", "b"], **strange, Day=np.zeros(3), short=np.zeros(2))
    assert data.class_names["x"] == ("a", "b")
    assert "`part` contains float64 (3, 2, 2), which is not supported" in refused(
        data, "vector", "part"
    )
    assert "`note` contains Python objects" in refused(data, "label", "note")
    assert "`Day` is not a name" in refused(data, "number", "day")
    assert "does not have one entry for each" in refused(data, "number", "short")


def test_an_archive_needs_no_label(folder: Path) -> None:
    data = npz_of(folder, np.array([0.5, 1.5]))
    assert (data.labels, data.class_names) == ({}, {})
    assert refused(data, "label", "label") == (
        f"RRL401 the dataset `npz:{folder / 'set.npz'}` has no label field `label` | "
        "it has no label fields"
    )


def test_numbers_that_differ_in_every_image_are_not_the_label(folder: Path) -> None:
    data = npz_of(folder, np.zeros(4) + 0.5, time=np.arange(5))
    assert data.labels.keys() == {"time"}
    shared = npz_of(folder, np.array([0, 0, 1, 1]))
    assert shared.labels["label"].tolist() == [0, 0, 1, 1]
    assert any("`x` is the label" in note.message for note in shared.notes)


def test_whole_numbers_are_labels_numbers_and_vectors(folder: Path) -> None:
    data = npz_of(folder, np.array([3, 4]))
    assert data.faults([("label", "x"), ("number", "x"), ("vector", "x")]) == []
