"""Tables of text that are malformed: the exact text of every error."""

from __future__ import annotations

from pathlib import Path

import pytest

from rrl_dsl.data.columns import read
from rrl_dsl.language.diagnostics import RRLError

FILES = ("train/cat/0.png", "train/cat/1.png", "train/dog/0.png", "test/cat/0.png")

# the table, and what is said of it
CASES = {
    "an empty file": (
        b"",
        """\
error[RRL412]: zoo/columns.csv: there is no row in the file
""",
    ),
    "a header alone": (
        b"file,patient\n",
        """\
error[RRL412]: there is no row below the header
 --> zoo/columns.csv:1:1
  |
1 | file,patient
  | ^^^^^^^^^^^^
""",
    ),
    "no column of files": (
        b"name,patient\na,b\n",
        """\
error[RRL412]: no column is called `file`
 --> zoo/columns.csv:1:1
  |
1 | name,patient
  | ^^^^^^^^^^^^
  = help: the columns are name, patient
""",
    ),
    "two columns of files": (
        b"file,file\na,b\n",
        """\
error[RRL412]: two columns are called `file`
 --> zoo/columns.csv:1:1
  |
1 | file,file
  | ^^^^^^^^^
  = help: the columns are file, file
""",
    ),
    "semicolons": (
        b"file;patient\na;b\n",
        """\
error[RRL412]: no column is called `file`
 --> zoo/columns.csv:1:1
  |
1 | file;patient
  | ^^^^^^^^^^^^
  = help: cells stand between commas, not semicolons
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
error[RRL412]: this row has 2 cells, and the header 3
 --> zoo/columns.csv:2:1
  |
2 | train/cat/0.png,1
  | ^^^^^^^^^^^^^^^^^

error[RRL412]: this row has 4 cells, and the header 3
 --> zoo/columns.csv:4:1
  |
4 | train/dog/0.png,1,2,3
  | ^^^^^^^^^^^^^^^^^^^^^
  = help: a cell that holds `,` stands in quotes
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
  = help: a quoted cell ends with a quote, and none has over 131,072 characters
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
  = help: a quoted cell ends with a quote, and none has over 131,072 characters
""",
    ),
    "names": (
        b"file,Patient ID,,age,age,split,label,1x\ntrain/cat/0.png,1,1,1,1,1,1,1\n",
        """\
error[RRL412]: `Patient ID` is no name; names are lower-case ASCII letters, digits, `_`
 --> zoo/columns.csv:1:6
  |
1 | file,Patient ID,,age,age,split,label,1x
  |      ^^^^^^^^^^
  = help: call it `patient_id`

error[RRL412]: column 3 has no name
 --> zoo/columns.csv:1:17
  |
1 | file,Patient ID,,age,age,split,label,1x
  |                 ^
  = help: pandas leaves its index out with `index=False`

error[RRL412]: two columns are called `age`
 --> zoo/columns.csv:1:22
  |
1 | file,Patient ID,,age,age,split,label,1x
  |                      ^^^

error[RRL412]: a column cannot be called `split`, which means something else
 --> zoo/columns.csv:1:26
  |
1 | file,Patient ID,,age,age,split,label,1x
  |                          ^^^^^

error[RRL412]: the data set has a label `label` already
 --> zoo/columns.csv:1:32
  |
1 | file,Patient ID,,age,age,split,label,1x
  |                                ^^^^^

error[RRL412]: `1x` is no name; names are lower-case ASCII letters, digits, `_`
 --> zoo/columns.csv:1:38
  |
1 | file,Patient ID,,age,age,split,label,1x
  |                                      ^^
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
error[RRL412]: two columns are called `v`
 --> zoo/columns.csv:1:8
  |
1 | file,v,v_0
  |        ^^^
""",
    ),
    "images that are not there": (
        b"file,p\ntrain/cat/1.png,1\ntrain/cat/00.png,2\n,3\ntrain/cat/1.png,4\nx,5\n",
        """\
error[RRL412]: the data set has no image `train/cat/00.png`
 --> zoo/columns.csv:3:1
  |
3 | train/cat/00.png,2
  | ^^^^^^^^^^^^^^^^
  = help: did you mean `train/cat/0.png`?

error[RRL412]: this row names no file
 --> zoo/columns.csv:4:1
  |
4 | ,3
  | ^

error[RRL412]: a row before has `train/cat/1.png` too
 --> zoo/columns.csv:5:1
  |
5 | train/cat/1.png,4
  | ^^^^^^^^^^^^^^^

error[RRL412]: the data set has no image `x`
 --> zoo/columns.csv:6:1
  |
6 | x,5
  | ^
  = help: a path is written as it is below zoo, such as `train/cat/0.png`
""",
    ),
    "a column without values": (
        b"file,p,q\ntrain/cat/0.png,,1\ntrain/cat/1.png,nan,2\n",
        """\
error[RRL412]: `p` has no value
 --> zoo/columns.csv:1:6
  |
1 | file,p,q
  |      ^
  = help: fill it in, or take the column away
""",
    ),
    "a column of numbers but for some": (
        b"file,age\ntrain/cat/0.png,3\ntrain/cat/1.png,4\ntrain/dog/0.png,5\ntest/cat/0.png,x5\n",
        """\
error[RRL412]: `x5` in `age` is no number, though 3 of its 4 values are
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
error[RRL412]: `2021-02-30` in `day` is no date, though 2 of its 3 values are
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
error[RRL412]: `2021-02-03` in `day` is no number, though 1 of its 2 values are
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
error[RRL412]: `9223372036854775808` in `age` does not fit 64 bits
 --> zoo/columns.csv:3:17
  |
3 | train/cat/1.png,9223372036854775808
  |                 ^^^^^^^^^^^^^^^^^^^
  = help: write it with a letter before it, for a label, or with a decimal point, for a number

error[RRL412]: `-10000000000000000000` in `age` does not fit 64 bits
 --> zoo/columns.csv:4:17
  |
4 | train/dog/0.png,-10000000000000000000
  |                 ^^^^^^^^^^^^^^^^^^^^^
""",
    ),
    "words in a vector": (
        b"file,v_0,v_1\ntrain/cat/0.png,1,two\ntrain/cat/1.png,2,3\n",
        """\
error[RRL412]: `two` in `v_1`, which is a part of a vector, is no number
 --> zoo/columns.csv:2:19
  |
2 | train/cat/0.png,1,two
  |                   ^^^
  = help: leave the cell of a missing value empty, or call the column otherwise
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
error[RRL412]: `z` in `age` is no number, though 2 of its 3 values are
 --> zoo/columns.csv:5:24
  |
5 | test/cat/0.png,"a,""b",z
  |                        ^
  = help: leave the cell of a missing value empty; write classes as words, such as `n1`
""",
    ),
    "marks for missing numbers": (
        b"file,age\ntrain/cat/0.png,3\ntrain/cat/1.png,NA\ntrain/dog/0.png,n/a\ntest/cat/0.png,-\n",
        """\
error[RRL412]: `NA` in `age` is no number, though 1 of its 4 values are
 --> zoo/columns.csv:3:17
  |
3 | train/cat/1.png,NA
  |                 ^^
  = help: leave the cell of a missing value empty; write classes as words, such as `n1`

error[RRL412]: `n/a` in `age` is no number, though 1 of its 4 values are
 --> zoo/columns.csv:4:17
  |
4 | train/dog/0.png,n/a
  |                 ^^^

error[RRL412]: `-` in `age` is no number, though 1 of its 4 values are
 --> zoo/columns.csv:5:16
  |
5 | test/cat/0.png,-
  |                ^
""",
    ),
}


@pytest.fixture(autouse=True)
def _beside_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoo").mkdir()
    monkeypatch.chdir(tmp_path)


def complaint() -> str:
    with pytest.raises(RRLError) as caught:
        read(Path("zoo"), FILES, ("label",))
    return f"{caught.value}\n"


@pytest.mark.parametrize("case", CASES)
def test_the_text_of_an_error(case: str) -> None:
    content, expected = CASES[case]
    Path("zoo/columns.csv").write_bytes(content)
    assert complaint() == expected


def test_a_very_long_cell() -> None:
    Path("zoo/columns.csv").write_text(f"file,p\n{FILES[0]},{'x' * 140_000}\n")
    found = complaint()
    assert "this row cannot be read: field larger than field limit (131072)" in found
    assert "zoo/columns.csv:2:1" in found
    assert len(found) < 600


def test_a_fault_at_the_end_of_a_very_long_line() -> None:
    header = ",".join(["file", *(f"v_{number}" for number in range(30_000))])
    Path("zoo/columns.csv").write_text(f"{header}\n{FILES[0]}{',1.5' * 29_999},z\n")
    assert "1.5,1.5,z\n" in complaint()
    assert f"zoo/columns.csv:2:{len(FILES[0]) + 29_999 * 4 + 2}\n" in complaint()


def test_ten_faults_are_shown_and_the_others_counted() -> None:
    rows = "".join(f"train/cat/{number}.png,1\n" for number in range(5, 2_005))
    Path("zoo/columns.csv").write_text(f"file,p\n{rows}")
    found = complaint()
    assert found.count("error[RRL412]: the data set has no image `train/cat/") == 10
    assert found.endswith("\n\nerror[RRL412]: zoo/columns.csv has 1,990 more faults\n")


def test_tables_of_tabs_have_tabs_between_cells() -> None:
    Path("zoo/columns.tsv").write_text(f"file\tage\n{FILES[0]}\t1\t2\n{FILES[1]}\t2\n")
    assert complaint() == (
        "error[RRL412]: this row has 3 cells, and the header 2\n"
        " --> zoo/columns.tsv:2:1\n"
        "  |\n"
        "2 | train/cat/0.png 1 2\n"
        "  | ^^^^^^^^^^^^^^^^^^^\n"
        "  = help: a cell that holds a tab stands in quotes\n"
    )


def test_a_path_of_windows_finds_its_image_among_many() -> None:
    files = [f"train/{folder}/{number}.png" for folder in "abc" for number in range(400)]
    Path("zoo/columns.csv").write_text("file,p\nD:\\zoo\\train\\c\\399.png,1\n")
    with pytest.raises(RRLError, match=r"help: did you mean `train/c/399\.png`"):
        read(Path("zoo"), files, ())


def test_a_table_that_cannot_be_opened() -> None:
    Path("zoo/columns.csv").mkdir()
    assert complaint() == "error[RRL412]: zoo/columns.csv cannot be read: Is a directory\n"
