"""Files of pairs: every format gives the same pairs, and what is no pair is named by its line."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rrl_dsl as rrl
from rrl_dsl.graph.links import read
from rrl_dsl.language.diagnostics import Diagnostic
from rrl_dsl.language.digest import stable_id

MODEST = settings(max_examples=40, deadline=None, derandomize=True, database=None)

ids = st.integers(0, 2**63 - 1)
weights = st.floats(0, 1e30)


def pairs_of(path: Path) -> tuple[list[int], list[int], list[float] | None]:
    links = read(path)
    return list(links.a), list(links.b), None if links.weight is None else list(links.weight)


def error_of(path: Path) -> Diagnostic:
    with pytest.raises(rrl.RRLError) as caught:
        read(path)
    (only,) = caught.value.diagnostics
    return only


@MODEST
@given(st.lists(st.tuples(ids, ids, weights)), st.booleans(), st.booleans())
def test_every_format_gives_the_same_pairs(rows: list, weighted: bool, header: bool):
    import tempfile

    width = 3 if weighted else 2
    names = ["a", "b", "weight"][:width]
    header = header or not rows
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    with tempfile.TemporaryDirectory() as folder:
        pairs = []
        for suffix, sign in ((".csv", ","), (".tsv", "\t")):
            path = Path(folder) / f"links{suffix}"
            lines = [sign.join(names)] * header + [
                sign.join(repr(cell) for cell in row[:width]) for row in rows
            ]
            path.write_text("".join(f"{line}\n" for line in lines))
            pairs.append(pairs_of(path))
        path = Path(folder) / "links.parquet"
        types = [pa.int64(), pa.int64(), pa.float64()]
        arrays = [pa.array(c, t) for c, t in zip(columns[:width], types[:width], strict=True)]
        pq.write_table(pa.table(dict(zip(names, arrays, strict=True))), path)
        pairs.append(pairs_of(path))
    expected = (list(columns[0]), list(columns[1]), list(columns[2]) if weighted else None)
    assert pairs == [expected] * 3


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n",
        "1,2\n3,4",
        "\ufeffa,b\r\n1,2\r\n\r\n3,4\r\n",
        "b,a\n2,1\n4,3\n",
        '"a","b"\n"1", " 2"\n 3 ,4\n',
        "a,b\r1,2\r\r3,4",
        "1,2\n,\n3,4\n",
    ],
    ids=["header", "no header", "windows", "other order", "quotes", "old line ends", "empty rows"],
)
def test_pairs_however_they_are_written(tmp_path: Path, text: str):
    path = tmp_path / "links.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert pairs_of(path) == ([1, 3], [2, 4], None)


def test_images_are_named_by_their_paths(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text("train/cat/1.png,train/cat/2.png\n")
    assert pairs_of(path)[:2] == ([stable_id("train/cat/1.png")], [stable_id("train/cat/2.png")])


def test_ids_are_texts_of_the_dataset(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text("a,b\np1,1.png\np-2,3\n")
    a, b, _ = pairs_of(path)
    assert a == [stable_id("p1"), stable_id("p-2")]
    assert b == [stable_id("1.png"), 3]


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b"1,2\n3,4\n5,\xff\xfe\n7\n", (3, 3), "this is not UTF-8 text: invalid start byte"),
        (b"\xff\xfea\0,\0b\0", (1, 1), "this is not UTF-8 text: invalid start byte"),
        (b"a,b\r1,2\r3,\xe9\r", (3, 3), "this is not UTF-8 text: invalid continuation byte"),
        (b"1,2\n3,\x00\n5\n", (2, 3), "this is a NUL character"),
        (b"1,2\n1," + b"9" * 2_000_000, (2, 1), "this row cannot be read: field larger than"),
        (b"1,9223372036854775808\n", (1, 3), "the id `9223372036854775808` is too large"),
        (b"1," + b"9" * 5000, (1, 3), "the id `999"),
        (b'1,"2\n3,4\n', (1, 1), "this row cannot be read: unexpected end of data"),
        (b'1,"2"x\n3,4\n', (1, 1), "this row cannot be read: ',' expected after"),
    ],
    ids=[
        "latin-1",
        "utf-16",
        "latin-1 with old line ends",
        "nul",
        "two megabytes",
        "65 bits",
        "5000 digits",
        "open quote",
        "text after a quote",
    ],
)
def test_garbage_is_one_error_at_its_place(
    tmp_path: Path, content: bytes, place: tuple[int, int], message: str
):
    path = tmp_path / "links.csv"
    path.write_bytes(content)
    only = error_of(path)
    assert only.code == "RRL415"
    assert only.message.startswith(message)
    assert only.source.position(only.span.start) == place
    assert len(only.render()) < 1000


def test_a_file_without_pairs_is_an_error_in_every_format(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text("")
    assert error_of(path).message == "the file has no rows"
    (tmp_path / "header.tsv").write_text("a\tb\tweight\n")
    columns = {"a": pa.array([], pa.int64()), "b": pa.array([], pa.int64())}
    pq.write_table(pa.table(columns), tmp_path / "header.parquet")
    for name in ("header.tsv", "header.parquet"):
        with pytest.raises(rrl.RRLError, match=rf"RRL415.*{name}` lists no pairs"):
            rrl.pairs(tmp_path / name)


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "links.parquet").write_bytes(b"PAR1 but no more")
    (tmp_path / "links.csv").write_text("1,2\n")
    for name in ("folder.csv", "links.parquet", "a\0b.csv"):
        assert error_of(tmp_path / name).code == "RRL414"

    def fail(*_: object):
        raise OSError("the disk said no\nand more")

    monkeypatch.setattr(os, "open", fail)
    only = error_of(tmp_path / "links.csv")
    assert only.message.endswith("links.csv`: the disk said no")


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


def test_file_that_changes_within_a_tick_of_the_clock_is_read_again(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text("1,2\n")
    state = path.stat()
    before = rrl.pairs(path)
    path.write_text("1,3\n")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert rrl.pairs(path) != before


def test_relative_path_is_one_of_the_folder_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pairs = []
    for folder, text in (("x", "1,2\n"), ("y", "1,3\n")):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        Path("links.csv").write_text(text)
        os.utime("links.csv", ns=(1, 1))
        pairs.append(pairs_of(Path("links.csv")))
    assert pairs == [([1], [2], None), ([1], [3], None)]


def test_sample_that_is_lacking_is_shown_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("links.csv").write_text("a,b\n1,007\n")
    links = read(Path("links.csv"))
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert links.lacking(pair=0, end=1).render().splitlines()[1:4] == [
        " --> links.csv:2:3",
        "  |",
        "2 | 1,007",
    ]


def test_sample_that_is_lacking_is_shown_as_it_is_written(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text('weight,b,a\n1,train/cat/1.png,0\n\n1,"train/cat/2.png",0\n')
    diagnostic = read(path).lacking(pair=1, end=1, more=2)
    assert (
        diagnostic.message
        == "the dataset has no sample `train/cat/2.png`; 2 more pairs name unknown samples"
    )
    assert diagnostic.source.line(4) == '1,"train/cat/2.png",0'
    assert diagnostic.source.position(diagnostic.span.start) == (4, 3)


def test_sample_that_is_lacking_from_a_file_that_has_changed(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text("a,b\n0,1\n")
    links = read(path)
    for text in ("a,b\n0,2\n", "a,b\n", "garbage"):
        path.write_text(text)
        diagnostic = links.lacking(pair=0, end=1)
        assert (diagnostic.message, diagnostic.span) == ("the dataset has no sample 1", None)
    path.unlink()
    assert links.lacking(pair=0, end=0).message == "the dataset has no sample 0"


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


def test_only_files_below_the_recipe_are_read(tmp_path: Path):
    inner = tmp_path / "inner"
    (inner / "deep").mkdir(parents=True)
    for folder in (tmp_path, inner, inner / "deep"):
        (folder / "links.csv").write_text("1,2\n")
    (inner / "away.csv").symlink_to(tmp_path / "links.csv")
    (inner / "near.csv").symlink_to("deep/links.csv")
    (inner / "up").symlink_to("..")
    inside = ("links.csv", "deep/links.csv", "deep/../links.csv", "near.csv", inner / "links.csv")
    for name in inside:
        assert rrl.parse(f'pairs("{name}")', directory=inner).identity
    for name in ("../links.csv", "away.csv", "up/links.csv", tmp_path / "links.csv", "/dev/zero"):
        text = f'pairs("{name}")'
        with pytest.raises(rrl.RRLError, match="RRL022"):
            rrl.parse(text, directory=inner)
        if name != "/dev/zero":
            assert rrl.parse(text, directory=inner, allow_outside=True).identity
    (inner / "mine.rrl").write_text('import "base.rrl" as base\nbase')
    (inner / "base.rrl").write_text('pairs("../links.csv")')
    with pytest.raises(rrl.RRLError, match="RRL022"):
        rrl.load(inner / "mine.rrl")
    assert rrl.load(inner / "mine.rrl", allow_outside=True).identity
    whole = f'pairs("{tmp_path / "links.csv"}")'
    with pytest.raises(rrl.RRLError, match="RRL024"):
        rrl.parse(whole)
    assert rrl.parse(whole, allow_outside=True).identity
