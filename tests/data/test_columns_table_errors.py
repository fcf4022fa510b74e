"""Tables in CSV and TSV with malformed rows or names: the exact text of every error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Complaint = Callable[..., str]

# the table, and what is said of it
CASES = {
    "an empty file": (
        b"",
        """\
error[RRL412]: the file has no rows
 --> zoo/columns.csv
  = help: the first row must name the columns
""",
    ),
    "a header alone": (
        b"file,patient\n",
        """\
error[RRL412]: there are no rows below the header
 --> zoo/columns.csv:1:1
  |
1 | file,patient
  | ^^^^^^^^^^^^
""",
    ),
    "no column of files": (
        b"name,patient\na,b\n",
        """\
error[RRL412]: there is no column `file`
 --> zoo/columns.csv:1:1
  |
1 | name,patient
  | ^^^^^^^^^^^^
  = help: `file` must hold the path of each image; the columns are name, patient
""",
    ),
    "two columns of files": (
        b"file,file\na,b\n",
        """\
error[RRL412]: two columns have the name `file`
 --> zoo/columns.csv:1:1
  |
1 | file,file
  | ^^^^^^^^^
  = help: `file` must hold the path of each image; the columns are file, file
""",
    ),
    "semicolons": (
        b"file;patient\na;b\n",
        """\
error[RRL412]: there is no column `file`
 --> zoo/columns.csv:1:1
  |
1 | file;patient
  | ^^^^^^^^^^^^
  = help: cells must be separated by commas, not semicolons
""",
    ),
    "UTF-16": (
        b"\xff\xfef\x00i\x00l\x00e\x00,\x00p\x00\n\x00",
        """\
error[RRL412]: this is not UTF-8 text: invalid start byte
 --> zoo/columns.csv:1:1
  |
1 | ��f?i?l?e?,?p?
  | ^
  = help: save the file as UTF-8
""",
    ),
    "Latin-1": (
        b"file,p\ntrain/cat/0.png,M\xfcller\n",
        """\
error[RRL412]: this is not UTF-8 text: invalid start byte
 --> zoo/columns.csv:2:18
  |
2 | train/cat/0.png,M�ller
  |                  ^
  = help: save the file as UTF-8
""",
    ),
    "a NUL byte": (
        b"file,p\r\ntrain/cat/0.png,a\x00b\r\n",
        """\
error[RRL412]: this is a NUL character
 --> zoo/columns.csv:2:18
  |
2 | train/cat/0.png,a?b
  |                  ^
  = help: save the file as UTF-8
""",
    ),
    "rows of another length": (
        b"file,p,q\ntrain/cat/0.png,1\ntrain/cat/1.png,1,2\ntrain/dog/0.png,1,2,3\n",
        """\
error[RRL412]: this row has 2 cells, but the first row has 3
 --> zoo/columns.csv:2:1
  |
2 | train/cat/0.png,1
  | ^^^^^^^^^^^^^^^^^
  = help: leave the cell of a missing value empty

error[RRL412]: this row has 4 cells, but the first row has 3
 --> zoo/columns.csv:4:1
  |
4 | train/dog/0.png,1,2,3
  | ^^^^^^^^^^^^^^^^^^^^^
  = help: put a cell that contains `,` in quotes
""",
    ),
    "a quote without an end": (
        b'file,p\ntrain/cat/0.png,"P1\ntrain/cat/1.png,P2\n',
        """\
error[RRL412]: this row cannot be read: unexpected end of data
 --> zoo/columns.csv:2:1
  |
2 | train/cat/0.png,"P1
  | ^^^^^^^^^^^^^^^^^^^
  = help: a quoted cell must end with a quote, and must not exceed 131,072 characters
""",
    ),
    "text after a quote": (
        b'file,p\ntrain/cat/0.png,"P1"x\n',
        """\
error[RRL412]: this row cannot be read: ',' expected after '"'
 --> zoo/columns.csv:2:1
  |
2 | train/cat/0.png,"P1"x
  | ^^^^^^^^^^^^^^^^^^^^^
  = help: a quoted cell must end with a quote, and must not exceed 131,072 characters
""",
    ),
    "names": (
        b"file,Patient ID,,age,age,1x\ntrain/cat/0.png,1,1,1,1,1\n",
        """\
error[RRL412]: `Patient ID` is not a name; names are lower-case ASCII letters, digits, `_`
 --> zoo/columns.csv:1:6
  |
1 | file,Patient ID,,age,age,1x
  |      ^^^^^^^^^^
  = help: rename it to `patient_id`

error[RRL412]: column 3 has no name
 --> zoo/columns.csv:1:17
  |
1 | file,Patient ID,,age,age,1x
  |                 ^
  = help: pandas omits the index with `index=False`

error[RRL412]: two columns have the name `age`
 --> zoo/columns.csv:1:22
  |
1 | file,Patient ID,,age,age,1x
  |                      ^^^
  = help: rename one of them

error[RRL412]: `1x` is not a name; names are lower-case ASCII letters, digits, `_`
 --> zoo/columns.csv:1:26
  |
1 | file,Patient ID,,age,age,1x
  |                          ^^
""",
    ),
    "names that mean something else": (
        b"file,split,label,age\ntrain/cat/0.png,1,1,1\n",
        """\
error[RRL412]: a column cannot have the reserved name `split`
 --> zoo/columns.csv:1:6
  |
1 | file,split,label,age
  |      ^^^^^
  = help: rename it

error[RRL412]: the dataset already has a label `label`
 --> zoo/columns.csv:1:12
  |
1 | file,split,label,age
  |            ^^^^^
""",
    ),
    "a gap in a vector": (
        b"file,v_0,v_2\ntrain/cat/0.png,1,2\n",
        """\
error[RRL412]: `v_1` is missing from the vector `v`
 --> zoo/columns.csv:1:10
  |
1 | file,v_0,v_2
  |          ^^^
""",
    ),
    "a vector called as another column": (
        b"file,v,v_0\ntrain/cat/0.png,1,2\n",
        """\
error[RRL412]: two columns have the name `v`
 --> zoo/columns.csv:1:8
  |
1 | file,v,v_0
  |        ^^^
  = help: rename one of them
""",
    ),
    "images that are not there": (
        b"file,p\ntrain/cat/1.png,1\ntrain/cat/00.png,2\n,3\ntrain/cat/1.png,4\nx,5\n",
        """\
error[RRL412]: the dataset has no image `train/cat/00.png`
 --> zoo/columns.csv:3:1
  |
3 | train/cat/00.png,2
  | ^^^^^^^^^^^^^^^^
  = help: did you mean `train/cat/0.png`?

error[RRL412]: this row has no file
 --> zoo/columns.csv:4:1
  |
4 | ,3
  | ^

error[RRL412]: an earlier row also has `train/cat/1.png`
 --> zoo/columns.csv:5:1
  |
5 | train/cat/1.png,4
  | ^^^^^^^^^^^^^^^
  = help: keep one row per image

error[RRL412]: the dataset has no image `x`
 --> zoo/columns.csv:6:1
  |
6 | x,5
  | ^
  = help: write the path below zoo, such as `train/cat/0.png`
""",
    ),
    "semicolons and decimal commas": (
        b"file;x\na;1,5\n",
        """\
error[RRL412]: this row has 2 cells, but the first row has 1
 --> zoo/columns.csv:2:1
  |
2 | a;1,5
  | ^^^^^
  = help: cells must be separated by commas, not semicolons
""",
    ),
    "a name that is taken": (
        b"file,label\ntrain/cat/0.png,1\n",
        """\
error[RRL412]: the dataset already has a label `label`
 --> zoo/columns.csv:1:6
  |
1 | file,label
  |      ^^^^^
  = help: rename it
""",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_text_of_an_error(case: str, complaint: Complaint) -> None:
    content, expected = CASES[case]
    Path("zoo/columns.csv").write_bytes(content)
    assert complaint() == expected


def test_a_very_long_cell(complaint: Complaint) -> None:
    Path("zoo/columns.csv").write_text(f"file,p\ntrain/cat/0.png,{'x' * 140_000}\n")
    message = complaint()
    assert "this row cannot be read: field larger than field limit (131072)" in message
    assert "zoo/columns.csv:2:1" in message
    assert len(message) < 600


def test_a_fault_at_the_end_of_a_very_long_line(complaint: Complaint) -> None:
    header = ",".join(["file", *(f"v_{number}" for number in range(30_000))])
    Path("zoo/columns.csv").write_text(f"{header}\ntrain/cat/0.png{',1.5' * 29_999},z\n")
    assert "1.5,1.5,z\n" in complaint()
    assert f"zoo/columns.csv:2:{len('train/cat/0.png') + 29_999 * 4 + 2}\n" in complaint()


def test_ten_faults_are_shown_and_the_others_counted(complaint: Complaint) -> None:
    rows = "".join(f"train/cat/{number}.png,1\n" for number in range(5, 2_005))
    Path("zoo/columns.csv").write_text(f"file,p\n{rows}")
    message = complaint()
    assert message.count("error[RRL412]: the dataset has no image `train/cat/") == 10
    assert message.endswith("\n\nerror[RRL412]: 1,990 more errors\n --> zoo/columns.csv\n")


def test_tables_of_tabs_have_tabs_between_cells(complaint: Complaint) -> None:
    Path("zoo/columns.tsv").write_text("file\tage\ntrain/cat/0.png\t1\t2\ntrain/cat/1.png\t2\n")
    assert complaint() == (
        "error[RRL412]: this row has 3 cells, but the first row has 2\n"
        " --> zoo/columns.tsv:2:1\n"
        "  |\n"
        "2 | train/cat/0.png 1 2\n"
        "  | ^^^^^^^^^^^^^^^^^^^\n"
        "  = help: put a cell that contains a tab in quotes\n"
    )


def test_a_path_of_windows_finds_its_image_among_many(complaint: Complaint) -> None:
    files = [f"train/{folder}/{number}.png" for folder in "abc" for number in range(400)]
    Path("zoo/columns.csv").write_text("file,p\nD:\\zoo\\train\\c\\399.png,1\n")
    assert "help: did you mean `train/c/399.png`" in complaint(files)


def test_a_table_that_cannot_be_opened(complaint: Complaint) -> None:
    Path("zoo/columns.csv").mkdir()
    assert complaint() == "error[RRL412]: zoo/columns.csv cannot be read: Is a directory\n"


@pytest.mark.parametrize("name", ["Columns.csv", "columns.CSV", "columns.txt", "columns.xlsx"])
def test_a_table_by_nearly_the_name(name: str, complaint: Complaint) -> None:
    Path("zoo", name).write_text("file,age\n")
    assert complaint() == (
        f"error[RRL412]: zoo/{name} is not used\n  = help: a table of columns must be named "
        "`columns.csv`, `columns.tsv` or `columns.parquet`\n"
    )
