"""Files of pairs as Parquet: what is read, and the exact text of every error."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rrl_dsl as rrl
from rrl_dsl.graph.links import read
from rrl_dsl.language.digest import stable_id

# the columns, and what is said of them
CASES = {
    "other columns": (
        {"x": [1]},
        """\
error[RRL415]: there are no columns `a` and `b`
 --> links.parquet
  = help: columns must be `a`, `b` and optionally `weight`, not x
""",
    ),
    "nearly a weight": (
        {"a": [1], "b": [2], "Weight": [0.5]},
        """\
error[RRL415]: unexpected column `Weight`
 --> links.parquet
  = help: did you mean `weight`?
""",
    ),
    "real numbers": (
        {"a": [1.0, 2.0], "b": [1, None]},
        """\
error[RRL415]: `a` contains double; ids must be integers or texts
 --> links.parquet
  = help: with pandas: `.astype("int64")`
""",
    ),
    "truth values": (
        {"a": [1], "b": [True], "weight": [True]},
        """\
error[RRL415]: `b` contains bool; ids must be integers or texts
 --> links.parquet
  = help: with pandas: `.astype("int64")`

error[RRL415]: `weight` contains bool; weights must be numbers
 --> links.parquet
  = help: with pandas: `.astype("float64")`
""",
    ),
    "nothing": (
        {"a": [None], "b": [2]},
        """\
error[RRL415]: `a` contains null; ids must be integers or texts
 --> links.parquet
  = help: with pandas: `.astype("int64")`
""",
    ),
    "weights as text": (
        {"a": [1], "b": [2], "weight": ["0.5"]},
        """\
error[RRL415]: `weight` contains string; weights must be numbers
 --> links.parquet
  = help: with pandas: `.astype("float64")`
""",
    ),
    "values": (
        {
            "a": ["train/cat/1.png", "1", None, "c\\1", "2"],
            "b": [1, -1, 2, 3, 4],
            "weight": [None, 1.0, 1.0, 1.0, float("nan")],
        },
        """\
error[RRL415]: the weight is missing
 --> links.parquet:1:19
  |
1 | train/cat/1.png,1,null
  |                   ^^^^
  = help: a weight must be a number of at least 0, such as `0.5`; a pair with weight 0 has no edge

error[RRL415]: the id `-1` is negative
 --> links.parquet:2:3
  |
2 | 1,-1,1.0
  |   ^^
  = help: use an integer from 0 to 9223372036854775807, or a text such as `train/cat/1.png`

error[RRL415]: an id is missing
 --> links.parquet:3:1
  |
3 | null,2,1.0
  | ^^^^

error[RRL415]: `c\\1` is not a path
 --> links.parquet:4:1
  |
4 | c\\1,3,1.0
  | ^^^
  = help: write `c/1`

error[RRL415]: the weight `nan` is not a number
 --> links.parquet:5:5
  |
5 | 2,4,nan
  |     ^^^
""",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_text_of_an_error(case: str, tmp_path: Path):
    columns, expected = CASES[case]
    pq.write_table(pa.table(columns), tmp_path / "links.parquet")
    with pytest.raises(rrl.RRLError) as caught:
        read(tmp_path / "links.parquet", name="links.parquet")
    assert f"{caught.value}\n" == expected


def test_two_columns_of_one_name(tmp_path: Path):
    columns = [pa.array([1]), pa.array([2]), pa.array([3])]
    pq.write_table(pa.Table.from_arrays(columns, names=["a", "a", "b"]), tmp_path / "l.parquet")
    with pytest.raises(rrl.RRLError, match=r"RRL415\]: two columns have the name `a`\n"):
        read(tmp_path / "l.parquet")


@pytest.mark.parametrize("content", [b"PAR1 but no more", b"a,b\n1,2\n", b""])
def test_an_invalid_parquet_file_is_a_short_error(tmp_path: Path, content: bytes):
    path = tmp_path / "links.parquet"
    path.write_bytes(content)
    with pytest.raises(rrl.RRLError) as caught:
        read(path)
    (only,) = caught.value.diagnostics
    assert only.code == "RRL414"
    assert "is not a readable Parquet file: " in only.message
    assert "\n" not in only.message


def test_pairs_of_every_type_that_is_read(tmp_path: Path):
    table = {
        "b": pa.array(["train/a.png", "7"]).dictionary_encode(),
        "weight": pa.array([1, 2], pa.int8()),
        "a": pa.array([2**63 - 1, 0], pa.uint64()),
    }
    pq.write_table(pa.table(table), tmp_path / "links.parquet")
    links = read(tmp_path / "links.parquet")
    assert list(links.a) == [2**63 - 1, 0]
    assert list(links.b) == [stable_id("train/a.png"), 7]
    assert list(links.weight) == [1.0, 2.0]


def test_row_groups_are_read_as_one_file(tmp_path: Path):
    ends = [f"train/{row % 7}.png" if row % 3 else str(row) for row in range(50)]
    weights = [row / 8 for row in range(50)]
    table = pa.table({"a": ends, "b": ends[::-1], "weight": weights})
    pq.write_table(table, tmp_path / "links.parquet", row_group_size=9)
    links = read(tmp_path / "links.parquet")
    expected = [int(end) if end.isdecimal() else stable_id(end) for end in ends]
    assert (list(links.a), list(links.b)) == (expected, expected[::-1])
    assert list(links.weight) == weights


def test_a_file_of_no_pairs_is_read(tmp_path: Path):
    table = pa.table({"a": pa.array([], pa.string()), "b": pa.array([], pa.int64())})
    pq.write_table(table, tmp_path / "links.parquet")
    assert len(read(tmp_path / "links.parquet").a) == 0


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.decimal128(30, 2), pa.uint64()])
def test_weights_of_every_type_of_numbers(tmp_path: Path, kind: pa.DataType):
    weight = pa.array(np.array([1, 2, 0]), pa.int64()).cast(kind, safe=False)
    table = pa.table({"a": [1, 2, 3], "b": [2, 3, 4], "weight": weight})
    pq.write_table(table, tmp_path / "links.parquet")
    assert list(read(tmp_path / "links.parquet").weight) == [1.0, 2.0, 0.0]


def test_an_id_beyond_63_bits_is_an_error_in_its_row(tmp_path: Path):
    table = pa.table({"a": pa.array([1, 2**63, 3], pa.uint64()), "b": [1, 2, None]})
    pq.write_table(table, tmp_path / "links.parquet")
    with pytest.raises(rrl.RRLError) as caught:
        read(tmp_path / "links.parquet")
    assert [diagnostic.message for diagnostic in caught.value.diagnostics] == [
        f"the id `{2**63}` is too large",
        "an id is missing",
    ]
