"""Columns with several classes per row, in every format."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rrl_dsl.data.column_files import Further, read
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError

FILES = [f"{at}.png" for at in range(4)]


def from_text(folder: Path, *cells: str) -> Further:
    lines = [f"{file},{cell}" for file, cell in zip(FILES, cells, strict=True)]
    (folder / "columns.csv").write_text("\n".join(["file,tags", *lines]))
    return read(folder, FILES, ())


def from_parquet(folder: Path, tags: list, kind: pa.DataType) -> Further:
    table = pa.table({"file": FILES, "tags": pa.array(tags, pa.list_(kind))})
    pq.write_table(table, folder / "columns.parquet")
    return read(folder, FILES, ())


def names_of(columns: Further) -> list[set[str]]:
    """The names of the classes of each row."""
    names = columns.class_names["tags"]
    return [{names[at] for at in np.atleast_1d(row) if at >= 0} for row in columns.labels["tags"]]


def test_a_bar_separates_the_classes_of_a_cell(tmp_path: Path):
    columns = from_text(tmp_path, "red | round", "", "round|red|round|", "blue")
    assert columns.class_names["tags"] == ("blue", "red", "round")
    assert columns.labels["tags"].tolist() == [[2, 1], [-1, -1], [2, 1], [0, -1]]
    assert "tags" not in columns.fields
    assert [note.message for note in columns.notes] == ["`tags` has up to 2 labels per sample"]


def test_numbers_between_bars_are_classes_in_order_of_size(tmp_path: Path):
    columns = from_text(tmp_path, "10|9", "9", "2|10", "na")
    assert columns.class_names["tags"] == ("2", "9", "10")
    assert names_of(columns) == [{"10", "9"}, {"9"}, {"2", "10"}, set()]


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ([["b", "a"], None, [], ["c"]], pa.string()),
        ([["b", "a"], [None], ["", " "], ["c"]], pa.dictionary(pa.int8(), pa.string())),
        ([[1, 0], None, [], [2]], pa.uint8()),
    ],
)
def test_lists_in_parquet(tmp_path: Path, tags: list, kind: pa.DataType):
    columns = from_parquet(tmp_path, tags, kind)
    assert columns.labels["tags"].tolist() == [[1, 0], [-1, -1], [-1, -1], [2, -1]]


def test_lists_of_numbers_of_one_length_are_vectors(tmp_path: Path):
    columns = from_parquet(tmp_path, [[1, 0]] * 4, pa.int64())
    assert columns.fields["tags"].shape == (4, 2)
    (fault,) = from_parquet(tmp_path, [[1, 1], [1, -1], [2], [3, 1]], pa.int64()).unreadable["tags"]
    assert fault.message.endswith("has length 1, but the first has length 2")


def archive(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, images=np.zeros((4, 8, 8), np.uint8), split=["train"] * 3 + ["test"], **arrays)
    return path


HOT = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_a_column_for_each_class_in_an_archive(tmp_path: Path, dtype: type):
    names = np.array(["sky", "sea", "sun"])
    path = archive(tmp_path / "d.npz", tags=HOT.astype(dtype), tags_names=names, label=[0, 1, 0, 1])
    data = load(f"npz:{path}", root=tmp_path)
    assert data.class_names["tags"] == ("sky", "sea", "sun")
    assert data.train.labels["tags"].tolist() == [[2, 0, -1], [-1, -1, -1], [1, -1, -1]]
    assert data.test.labels["tags"].tolist() == [[2, 1, 0]]
    assert ("tags" in data.train.fields) == (dtype is not bool)


def test_one_class_in_each_row_is_a_label_as_any_other(tmp_path: Path):
    path = archive(tmp_path / "d.npz", label=np.eye(4, dtype=int)[[2, 0, 1, 0]])
    assert load(f"npz:{path}", root=tmp_path).train.labels["label"].tolist() == [2, 0, 1]


def test_names_that_do_not_match_the_columns(tmp_path: Path):
    path = archive(tmp_path / "d.npz", tags=HOT.astype(bool), tags_names=np.array(["a"]))
    with pytest.raises(RRLError, match="names 1 classes in `tags_names`, but `tags` has 3 columns"):
        load(f"npz:{path}", root=tmp_path)


def test_numbers_of_other_values_are_a_vector_alone(tmp_path: Path):
    path = archive(tmp_path / "d.npz", tags=HOT * 2)
    assert "tags" not in load(f"npz:{path}", root=tmp_path).train.labels
