"""Malformed tables in Parquet: the exact text of every error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Complaint = Callable[..., str]
FILES = ("train/cat/0.png", "train/cat/1.png", "train/dog/0.png", "test/cat/0.png")

# the columns, and what is said of them
CASES = {
    "rows": (
        {"file": ["train/cat/0.png", None, "train/cat/7.png"], "age": [1, 2, 3]},
        """\
error[RRL412]: this row has no file
 --> zoo/columns.parquet:2:1
  |
2 | null,2
  | ^^^^

error[RRL412]: the dataset has no image `train/cat/7.png`
 --> zoo/columns.parquet:3:1
  |
3 | train/cat/7.png,3
  | ^^^^^^^^^^^^^^^
  = help: did you mean `train/cat/1.png`?
""",
    ),
    "types": (
        {
            "file": FILES[:1],
            "s": [{"a": 1}],
            "b": [b"x"],
            "l": [[True]],
            "t": pa.array([1], pa.time64("us")),
        },
        """\
error[RRL412]: `s` has values of type struct<a: int64>, which is not supported
 --> zoo/columns.parquet
  = help: each row must have a text, a number, a time or a vector of numbers

error[RRL412]: `b` has values of type binary, which is not supported
 --> zoo/columns.parquet
  = help: each row must have a text, a number, a time or a vector of numbers

error[RRL412]: `l` contains lists of bool, which are not supported
 --> zoo/columns.parquet
  = help: each row must have a text, a number, a time or a vector of numbers
""",
    ),
    "vectors": (
        {"file": FILES[:3], "v": [[1.0, 2.0], [1.0], None], "e": [[], None, [1.0]]},
        """\
error[RRL412]: this vector of `v` has length 1, but the first has length 2
 --> zoo/columns.parquet:2:17
  |
2 | train/cat/1.png,[1.0],null
  |                 ^^^^^
  = help: write a missing vector as null

error[RRL412]: this vector of `e` has length 0, but the first has length 1
 --> zoo/columns.parquet:1:28
  |
1 | train/cat/0.png,[1.0, 2.0],[]
  |                            ^^
  = help: write a missing vector as null
""",
    ),
    "values": (
        {
            "file": FILES[:2],
            "a": [1.0, float("inf")],
            "v": [[float("-inf"), 1.0], None],
            "u": pa.array([2**64 - 1, 1], pa.uint64()),
            "t": pa.array([None, 2**45], pa.timestamp("s")),
            "n": pa.nulls(2, pa.string()),
            "x_0": [True, False],
            "y_0": [1, 2],
            "y_1": [1.0, float("inf")],
        },
        """\
error[RRL412]: `a` has an infinite value
 --> zoo/columns.parquet:2:17
  |
2 | train/cat/1.png,inf,null,1,35184372088832000,null,False,2,inf
  |                 ^^^
  = help: leave the cell of a missing value empty

error[RRL412]: `v` has an infinite value
 --> zoo/columns.parquet:1:21
  |
1 | train/cat/0.png,1.0,[-inf, 1.0],18446744073709551615,null,null,True,1,1.0
  |                     ^^^^^^^^^^^
  = help: leave the cell of a missing value empty

error[RRL412]: `18446744073709551615` in `u` does not fit into 64 bits
 --> zoo/columns.parquet:1:33
  |
1 | train/cat/0.png,1.0,[-inf, 1.0],18446744073709551615,null,null,True,1,1.0
  |                                 ^^^^^^^^^^^^^^^^^^^^
  = help: for a label, put a letter before it; for a number, add a decimal point

error[RRL412]: the year 1116918 in `t` is not from 1 to 9999
 --> zoo/columns.parquet:2:28
  |
2 | train/cat/1.png,inf,null,1,35184372088832000,null,False,2,inf
  |                            ^^^^^^^^^^^^^^^^^
  = help: leave the cell of a missing value empty

error[RRL412]: `n` has no value
 --> zoo/columns.parquet
  = help: fill it in, or remove the column

error[RRL412]: `x_0` is part of a vector, but its values are not numbers
 --> zoo/columns.parquet

error[RRL412]: `y_1` has an infinite value
 --> zoo/columns.parquet:2:59
  |
2 | train/cat/1.png,inf,null,1,35184372088832000,null,False,2,inf
  |                                                           ^^^
  = help: leave the cell of a missing value empty
""",
    ),
    "no rows": (
        {"file": pa.array([], pa.string()), "x": pa.array([], pa.float32())},
        """\
error[RRL412]: there are no rows below the header
 --> zoo/columns.parquet
""",
    ),
    "nothing": (
        {"file": FILES[:2], "v": [[1.0, None], None], "n": [None, None]},
        """\
error[RRL412]: no vector of `v` is complete
 --> zoo/columns.parquet
  = help: fill it in, or remove the column

error[RRL412]: `n` has no value
 --> zoo/columns.parquet
  = help: fill it in, or remove the column
""",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_text_of_an_error(case: str, complaint: Complaint) -> None:
    columns, expected = CASES[case]
    pq.write_table(pa.table(columns), "zoo/columns.parquet")
    assert complaint() == expected


def test_an_invalid_parquet_file(complaint: Complaint) -> None:
    Path("zoo/columns.parquet").write_bytes(b"file,a\n")
    message = complaint()
    assert message.startswith("error[RRL412]: zoo/columns.parquet is not a readable Parquet file: ")
    assert message.endswith("\n  = help: write it again, or as CSV\n")


def test_parquet_with_text_that_is_not_utf8(complaint: Complaint) -> None:
    text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
    )
    pq.write_table(pa.table({"file": FILES[:1], "note": text}), "zoo/columns.parquet")
    assert "is not a readable Parquet file: " in complaint()
