"""Files of pairs: every format gives the same pairs, and what is no pair is named by its line."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rrl_dsl as rrl
from rrl_dsl.graph.links import read
from rrl_dsl.language.digest import stable_id

MODEST = settings(max_examples=40, deadline=None, derandomize=True, database=None)

ids = st.integers(0, 2**63 - 1)
weights = st.floats(0, 1e30)


def pairs_of(path: Path) -> tuple[list[int], list[int], list[float] | None]:
    found = read(path)
    return list(found.a), list(found.b), None if found.weight is None else list(found.weight)


def error_of(path: Path) -> object:
    with pytest.raises(rrl.RRLError) as caught:
        read(path)
    return caught.value.diagnostics[0]


@MODEST
@given(st.lists(st.tuples(ids, ids, weights)), st.booleans(), st.booleans())
def test_every_format_gives_the_same_pairs(rows: list, weighted: bool, header: bool):
    import tempfile

    import pyarrow as pa
    import pyarrow.parquet as pq

    width = 3 if weighted else 2
    names = ["a", "b", "weight"][:width]
    header = header or not rows
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for suffix, sign in ((".csv", ","), (".tsv", "\t")):
            path = Path(folder) / f"links{suffix}"
            lines = [sign.join(names)] * header + [
                sign.join(repr(cell) for cell in row[:width]) for row in rows
            ]
            path.write_text("".join(f"{line}\n" for line in lines))
            found.append(pairs_of(path))
        path = Path(folder) / "links.parquet"
        types = [pa.int64(), pa.int64(), pa.float64()]
        arrays = [pa.array(c, t) for c, t in zip(columns[:width], types[:width], strict=True)]
        pq.write_table(pa.table(dict(zip(names, arrays, strict=True))), path)
        found.append(pairs_of(path))
    expected = (list(columns[0]), list(columns[1]), list(columns[2]) if weighted else None)
    assert found == [expected] * 3


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n",
        "1,2\n3,4",
        "\ufeffa,b\r\n1,2\r\n\r\n3,4\r\n",
        "b,x,a\n2,,1\n4,,3\n",
        '"a","b"\n"1"," 2"\n 3 ,4\n',
        "A,B\n1,2\n3,4\n",
    ],
    ids=["header", "no header", "windows", "other columns", "quotes and blanks", "capitals"],
)
def test_pairs_however_they_are_written(tmp_path: Path, text: str):
    path = tmp_path / "links.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert pairs_of(path) == ([1, 3], [2, 4], None)


def test_images_are_named_by_their_paths(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text("train/cat/1.png,train/cat/2.png\n")
    assert pairs_of(path)[:2] == ([stable_id("train/cat/1.png")], [stable_id("train/cat/2.png")])


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"1,2\n\xff\xfe\n", "RRL415", "this line is not UTF-8 text: invalid start byte"),
        (b"1,2\n3,\x00\n", "RRL415", "this line has `\x00`, which is neither a whole number nor"),
        (b"1," + b"9" * 2_000_000, "RRL415", "this line is not readable: field larger than"),
        (b"1,9223372036854775808\n", "RRL415", "this line has `9223372036854775808`"),
        (b'1,"2\n3,4\n', "RRL415", "this line is not readable"),
        (b"1\n" * 30, "RRL415", "this line wants `a,b`"),
        ("1,\uff12\n".encode(), "RRL415", "this line has `\uff12`"),
    ],
    ids=["latin-1", "nul", "two megabytes", "65 bits", "open quote", "one column", "full width"],
)
def test_garbage_is_named_by_its_line(tmp_path: Path, content: bytes, code: str, message: str):
    path = tmp_path / "links.csv"
    path.write_bytes(content)
    only = error_of(path)
    assert only.code == code
    assert only.message.startswith(message)
    assert len(only.render()) < 1000


def test_what_is_no_parquet_file_is_rrl414(tmp_path: Path):
    path = tmp_path / "links.parquet"
    path.write_bytes(b"PAR1 but no more")
    assert error_of(path).code == "RRL414"


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"x": [1], "y": [2]}, "RRL414"),
        ({"a": [1.5], "b": [2.0]}, "RRL415"),
        ({"a": [None], "b": [2]}, "RRL415"),
        ({"a": ["cat/1.png"], "b": [2]}, None),
        ({"a": [True], "b": [2]}, "RRL415"),
        ({"a": [1], "b": [2], "weight": [None]}, "RRL415"),
    ],
)
def test_parquet_of_other_columns(tmp_path: Path, columns: dict, code: str | None):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "links.parquet"
    pq.write_table(pa.table(columns), path)
    if code is None:
        assert len(read(path).a) == 1
    else:
        assert error_of(path).code == code


def test_folder_or_a_file_nobody_may_read_is_rrl414(tmp_path: Path):
    (tmp_path / "folder.csv").mkdir()
    assert error_of(tmp_path / "folder.csv").code == "RRL414"
    assert error_of(Path("a\0b.csv")).code == "RRL414"


def test_file_that_changes_is_read_again(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text("1,2\n")
    before = rrl.pairs(path)
    path.write_text("1,3\n")
    os.utime(path, ns=(1, 1))
    after = rrl.pairs(path)
    assert before.identity != after.identity
    path.write_text("1,2\n")
    assert rrl.pairs(path) == before


def test_identity_hangs_on_the_content_and_not_on_the_name(tmp_path: Path):
    for name in ("one.csv", "other.csv"):
        (tmp_path / name).write_text("1,2\n")
    one, other = (
        rrl.parse(f'pairs("{name}")', directory=tmp_path) for name in ("one.csv", "other.csv")
    )
    assert one == other == rrl.pairs(tmp_path / "one.csv")


def test_weight_for_every_pair_of_a_file_without_any(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text("0,1\n")
    graph = rrl.pairs(path, weight=0.5)
    assert not graph.binary
    assert rrl.compile(graph)(rrl.Nodes([0, 1])).tolist() == [[1.0, 0.5], [0.5, 1.0]]
    assert rrl.pairs(path, weight=1).binary
