"""`table:PATH`: vectors from the columns of a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from rrl_dsl.data.dataset import DataSet
from rrl_dsl.data.registry import load
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.digest import stable_id

ROWS = 40
SPLITS = ["train" if row % 4 else "test" for row in range(ROWS)]


def opened(path: Path, inputs: list[str] | None = None) -> DataSet:
    return load(f"table:{path}", root=Path("nowhere"), inputs=inputs)


def csv(folder: Path, header: str, *columns: list[object]) -> Path:
    path = folder / "rows.csv"
    lines = [header, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def vectors(data: DataSet) -> list[list[float]]:
    return data.train.images[torch.arange(len(data.train))].tolist()  # type: ignore[no-any-return]


def notes(data: DataSet) -> str:
    return "\n".join(note.message for note in data.notes)


def test_numbers_are_read_and_texts_are_labels(tmp_path: Path) -> None:
    weight, kind = (
        [row / 2 for row in range(ROWS)],
        ["cat" if row % 2 else "ant" for row in range(ROWS)],
    )
    age: list[object] = [*range(ROWS)]
    age[1] = ""
    data = opened(csv(tmp_path, "Body weight (kg),age,kind,split", weight, age, kind, SPLITS))
    chosen = [row for row in range(ROWS) if row % 4]
    values = np.array(vectors(data))
    assert values[1:].tolist() == [[row / 2, row] for row in chosen[1:]]
    assert np.isnan(values[0, 1])
    assert data.class_names["label"] == ("ant", "cat")
    assert data.train.labels["label"].tolist() == [row % 2 for row in chosen]
    assert data.train.fields["body_weight_kg"].tolist() == [row / 2 for row in chosen]
    said = notes(data)
    assert "`Body weight (kg)` is `body_weight_kg`" in said
    assert "the encoder reads 2 numbers: `body_weight_kg`, `age`" in said
    assert "so `kind` is the label" in said
    assert "1 of 80 numbers are missing" in said


def test_columns_yaml_beside_a_table_lists_the_words_for_missing_values(tmp_path: Path) -> None:
    kind = ["none" if row % 2 else "mild" for row in range(ROWS)]
    age = [-9 if row == 5 else row for row in range(ROWS)]
    (tmp_path / "columns.yaml").write_text('unknown: ["-9"]\n')
    data = opened(csv(tmp_path, "age,label,split", age, kind, SPLITS))
    assert data.class_names["label"] == ("mild", "none")
    assert sum(np.isnan(vectors(data)).ravel()) == 1


def test_another_delimiter_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("age;label\n" + "1;cat\n" * ROWS)
    with pytest.raises(RRLError, match=r"(?s)no column of numbers.*by commas, not semicolons"):
        opened(path)


def test_listed_columns_are_read_and_texts_become_one_number_per_class(tmp_path: Path) -> None:
    size, site = [*range(ROWS)], ["b", "a", "", "b"] * (ROWS // 4)
    target = [row % 3 for row in range(ROWS)]
    path = csv(tmp_path, "size,site,target,split", size, site, target, SPLITS)
    data = opened(path, ["site", "size"])
    # the classes are sorted: a, b
    one_hot = {"a": [1.0, 0.0], "b": [0.0, 1.0], "": [0.0, 0.0]}
    assert vectors(data) == [[*one_hot[site[row]], row] for row in range(ROWS) if row % 4]
    assert data.train.labels["label"].tolist() == [row % 3 for row in range(ROWS) if row % 4]
    # by default a column that becomes the label is not read
    assert vectors(opened(path)) == [[row] for row in range(ROWS) if row % 4]


def test_parquet_with_vectors_and_ids(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)
    names = [f"row {row}" for row in range(ROWS)]
    columns = {"sample": names, "embedding": values.tolist(), "split": SPLITS}
    parquet.write_table(pa.table(columns), tmp_path / "rows.parquet")
    data = opened(tmp_path / "rows.parquet")
    chosen = [row for row in range(ROWS) if row % 4]
    assert np.allclose(vectors(data), values[chosen])
    assert data.train.sample.tolist() == [stable_id(names[row]) for row in chosen]


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("kind", [["a", "b"]], "no column of numbers for the encoder"),
        ("x,sample", [[1.5, 2.5], [3, 3]], "has `3` in `sample` in rows 0 and 1, counted from 0"),
        ("x,sample", [[1.5, 2.5], ["a", "a"]], "has `a` in `sample` in rows 0 and 1, counted"),
        ("x,sample", [[1.5, 2.5], [3, ""]], "has no value in `sample` in row 1"),
        ("x,split", [[1.5, 2.5], ["train", "dev"]], "has `dev` in `split`"),
        ("x,split", [[1.5, 2.5], ["test", "test"]], "no training samples"),
        ("x", [[1.5]], "too few to hold out"),
        ("x", [[]], "no rows"),
        ("x,view", [[1.5, 2.5], [1, 2]], "reserved name `view`"),
        ("x", [[1.5, 1e300]], "has 1e+300 in `x`, in row 1, which is beyond float32"),
        ("x", [[1.5, "9,5"]], ""),  # a row that is too long
    ],
)
def test_malformed_tables(
    tmp_path: Path, header: str, columns: list[list[object]], message: str
) -> None:
    with pytest.raises(RRLError) as caught:
        opened(csv(tmp_path, header, *columns))
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code == "RRL412"
    assert message in diagnostic.message


def test_files_that_are_not_tables(tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    for name, code in (("rows.xlsx", "RRL412"), ("rows.parquet", "RRL412"), ("none.csv", "RRL410")):
        with pytest.raises(RRLError) as caught:
            opened(tmp_path / name)
        assert caught.value.diagnostics[0].code == code
