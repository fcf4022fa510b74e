"""Tables in CSV and TSV whose values fit no kind: the exact text of every error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Complaint = Callable[..., str]

# the table, and what is said of it
CASES = {
    "a column without values": (
        b"file,p,q\ntrain/cat/0.png,,1\ntrain/cat/1.png,nan,2\n",
        """\
error[RRL412]: `p` has no value
 --> zoo/columns.csv:1:6
  |
1 | file,p,q
  |      ^
  = help: fill it in, or remove the column
""",
    ),
    "a column of numbers but for some": (
        b"file,age\ntrain/cat/0.png,3\ntrain/cat/1.png,4\ntrain/dog/0.png,5\ntest/cat/0.png,x5\n",
        """\
error[RRL412]: `x5` in `age` is not a number, although 3 of its 4 values are
 --> zoo/columns.csv:5:16
  |
5 | test/cat/0.png,x5
  |                ^^
  = help: leave the cell of a missing value empty; write classes as words, such as `n1`
""",
    ),
    "a column of times but for one": (
        b"file,day\ntrain/cat/0.png,2021-01-01\ntrain/cat/1.png,2021-02-30\ntrain/dog/0.png,2021-03-01\n",
        """\
error[RRL412]: `2021-02-30` in `day` is not a date, although 2 of its 3 values are
 --> zoo/columns.csv:3:17
  |
3 | train/cat/1.png,2021-02-30
  |                 ^^^^^^^^^^
  = help: leave the cell of a missing value empty; write classes as words, such as `n1`
""",
    ),
    "numbers and times": (
        b"file,day\ntrain/cat/0.png,2021\ntrain/cat/1.png,2021-02-03\n",
        """\
error[RRL412]: `2021-02-03` in `day` is not a number, although 1 of its 2 values are
 --> zoo/columns.csv:3:17
  |
3 | train/cat/1.png,2021-02-03
  |                 ^^^^^^^^^^
  = help: leave the cell of a missing value empty; write classes as words, such as `n1`
""",
    ),
    "infinite numbers": (
        b'file,age\ntrain/cat/0.png,1.5\ntrain/cat/1.png,-inf\ntrain/dog/0.png, "1e999"\n',
        """\
error[RRL412]: `age` has an infinite value
 --> zoo/columns.csv:3:17
  |
3 | train/cat/1.png,-inf
  |                 ^^^^
  = help: leave the cell of a missing value empty

error[RRL412]: `age` has an infinite value
 --> zoo/columns.csv:4:18
  |
4 | train/dog/0.png, "1e999"
  |                  ^^^^^^^
""",
    ),
    "whole numbers beyond 64 bits": (
        b"file,age\ntrain/cat/0.png,9223372036854775807\ntrain/cat/1.png,9223372036854775808\ntrain/dog/0.png,-10000000000000000000\n",
        """\
error[RRL412]: `9223372036854775808` in `age` does not fit into 64 bits
 --> zoo/columns.csv:3:17
  |
3 | train/cat/1.png,9223372036854775808
  |                 ^^^^^^^^^^^^^^^^^^^
  = help: for a label, put a letter before it; for a number, add a decimal point

error[RRL412]: `-10000000000000000000` in `age` does not fit into 64 bits
 --> zoo/columns.csv:4:17
  |
4 | train/dog/0.png,-10000000000000000000
  |                 ^^^^^^^^^^^^^^^^^^^^^
""",
    ),
    "words in a vector": (
        b"file,v_0,v_1\ntrain/cat/0.png,1,two\ntrain/cat/1.png,2,3\n",
        """\
error[RRL412]: `two` in `v_1`, which is part of a vector, is not a number
 --> zoo/columns.csv:2:19
  |
2 | train/cat/0.png,1,two
  |                   ^^^
  = help: leave the cell of a missing value empty, or rename the column
""",
    ),
    "an infinite part of a vector": (
        b"file,v_0,v_1\ntrain/cat/0.png,1,inf\ntrain/cat/1.png,2,3\n",
        """\
error[RRL412]: `v_1` has an infinite value
 --> zoo/columns.csv:2:19
  |
2 | train/cat/0.png,1,inf
  |                   ^^^
  = help: leave the cell of a missing value empty
""",
    ),
    "a fault below a cell of two lines": (
        b'file,note,age\ntrain/cat/0.png,"a\nb",3\ntrain/cat/1.png,x,4\ntest/cat/0.png,"a,""b",z\n',
        """\
error[RRL412]: `z` in `age` is not a number, although 2 of its 3 values are
 --> zoo/columns.csv:5:24
  |
5 | test/cat/0.png,"a,""b",z
  |                        ^
  = help: leave the cell of a missing value empty; write classes as words, such as `n1`
""",
    ),
    "numbers and dates of other countries": (
        b'file,x,day\ntrain/cat/0.png,"1,5",31.12.2021\ntrain/cat/1.png,5%,2021/1/2 12:30\n',
        """\
error[RRL412]: `1,5` in `x` is not a number or a date
 --> zoo/columns.csv:2:17
  |
2 | train/cat/0.png,"1,5",31.12.2021
  |                 ^^^^^
  = help: write numbers as `1.5`, dates as `2021-12-31`, and classes as words, such as `n1`

error[RRL412]: `5%` in `x` is not a number or a date
 --> zoo/columns.csv:3:17
  |
3 | train/cat/1.png,5%,2021/1/2 12:30
  |                 ^^

error[RRL412]: `31.12.2021` in `day` is not a number or a date
 --> zoo/columns.csv:2:23
  |
2 | train/cat/0.png,"1,5",31.12.2021
  |                       ^^^^^^^^^^
  = help: write numbers as `1.5`, dates as `2021-12-31`, and classes as words, such as `n1`

error[RRL412]: `2021/1/2 12:30` in `day` is not a number or a date
 --> zoo/columns.csv:3:20
  |
3 | train/cat/1.png,5%,2021/1/2 12:30
  |                    ^^^^^^^^^^^^^^
""",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_text_of_an_error(case: str, complaint: Complaint) -> None:
    content, expected = CASES[case]
    Path("zoo/columns.csv").write_bytes(content)
    assert complaint() == expected
