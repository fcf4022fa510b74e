"""Random and hostile files: a file is read or has an error, fast and in little memory."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import rrl_dsl as rrl
from rrl_dsl.graph.links import read
from rrl_dsl.language.format import format_text
from rrl_dsl.language.span import Source

LIMIT_S = 20.0  # of a machine that does other things too; a million lines take two seconds
MILLION = 1_000_000


@contextmanager
def soon(limit: float = LIMIT_S) -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < limit


@contextmanager
def memory_below(bytes_: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < bytes_
    finally:
        tracemalloc.stop()


def faults_of(path: Path) -> tuple:
    with pytest.raises(rrl.RRLError) as caught:
        rrl.load(path)
    return caught.value.diagnostics


def test_null_bytes_are_signs_of_no_recipe(tmp_path: Path):
    path = tmp_path / "recipe.rrl"
    path.write_bytes(b"ssl()\x00 | all\x00()\n")
    assert [(fault.code, fault.span.start) for fault in faults_of(path)] == [
        ("RRL001", 5),
        ("RRL001", 12),
    ]


def test_file_of_nothing_but_null_bytes_is_refused(tmp_path: Path):
    path = tmp_path / "recipe.rrl"
    path.write_bytes(b"\x00" * 200_000)
    with soon(4):
        assert {fault.code for fault in faults_of(path)} <= {"RRL001", "RRL017", "RRL019"}


def test_megabyte_on_one_line_is_over_the_limit_and_shown_in_a_few_words(tmp_path: Path):
    path = tmp_path / "recipe.rrl"
    path.write_text("ssl() | " * 131_072 + "ssl()")
    (only,) = faults_of(path)
    assert only.code == "RRL011"
    assert len(only.render()) < 300


def test_quarter_of_a_megabyte_on_one_line_is_shown_around_the_mistake(tmp_path: Path):
    path = tmp_path / "recipe.rrl"
    path.write_text("ssl(    " + " " * 250_000 + "vews=2)")
    with soon(4):
        (only,) = faults_of(path)
    assert only.to_dict()["start"] == {"line": 1, "column": 250_009}
    assert len(only.render()) < 600
    assert "vews=2)" in only.render()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_places_do_not_depend_on_how_lines_end(tmp_path: Path, end: str):
    path = tmp_path / "recipe.rrl"
    path.write_bytes(end.join(["let a = ssl()", "", "a", "\t| supervised(labls=coarse)"]).encode())
    (only,) = faults_of(path)
    assert only.to_dict()["start"] == {"line": 4, "column": 15}
    assert only.to_dict()["end"] == {"line": 4, "column": 20}


@pytest.mark.parametrize(
    ("start", "repeated", "end"),
    [
        ("ssl(", "a;", ")"),
        ("", ".", ""),
        ("ssl(", "// a\n", ")"),
        ("ssl(", "None,", ")"),
        ("", "'a'\n", ""),
    ],
)
def test_twenty_thousand_tokens_with_errors_are_read_in_one_pass(
    tmp_path: Path, start: str, repeated: str, end: str
):
    path = tmp_path / "recipe.rrl"
    path.write_text(start + repeated * 9_900 + end)
    with soon():
        assert len(faults_of(path)) > 1


def test_a_row_of_a_hundred_thousand_names_is_no_header_of_pairs(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text("a,b," + ",".join(f"c{column}" for column in range(100_000)) + "\n0,1\n")
    with soon(), pytest.raises(rrl.RRLError) as caught:
        read(path)
    assert len(caught.value.diagnostics) == 11
    assert caught.value.diagnostics[10].message == "99,990 more errors"


def test_a_string_of_spaces_without_its_closing_quote_is_read_in_one_pass(tmp_path: Path):
    path = tmp_path / "recipe.rrl"
    path.write_text('import "' + " " * 250_000 + "a")
    with soon():
        first, *_ = faults_of(path)
    assert first.code == "RRL004"


def test_imported_file_may_be_no_text_at_all(tmp_path: Path):
    (tmp_path / "latin.rrl").write_bytes(b"ssl() # caf\xe9")
    (tmp_path / "large.rrl").write_bytes(b"\n" * 300_000)
    path = tmp_path / "recipe.rrl"
    path.write_text('import "latin.rrl" as a\nimport "large.rrl" as b\na | b\n')
    assert [fault.code for fault in faults_of(path)] == ["RRL014", "RRL011"]


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e999", "-1e999", "9" * 5_000])
def test_huge_numbers_are_refused_at_their_places(tmp_path: Path, number: str):
    path = tmp_path / "recipe.rrl"
    path.write_text(f"ssl() | near(time, {number})")
    (only,) = faults_of(path)
    assert only.code == "RRL002"
    assert only.span.start == text_start(number)


def text_start(number: str) -> int:
    return len("ssl() | near(time, ") + number.startswith("-")


def test_formatting_takes_memory_in_proportion_to_the_file():
    text = "let a = ssl()\n" + "|".join(["a"] * 2_000)
    format_text(Source("ssl()"))
    with memory_below(2_000 * len(text)), soon(8):
        format_text(Source(text))


@pytest.fixture(scope="module")
def million(tmp_path_factory) -> Path:
    """A chain of a million links."""
    path = tmp_path_factory.mktemp("links") / "million.csv"
    path.write_text("a,b\n" + "".join(f"{row},{row + 1}\n" for row in range(MILLION)))
    return path


def test_million_links_are_a_graph(million: Path):
    with soon():
        program = rrl.compile(rrl.pairs(million))
    samples = [0, 1, 2, 500_000, 500_001, MILLION]
    expected = [[abs(a - b) <= 1 for b in samples] for a in samples]
    assert program(rrl.Nodes(samples)).tolist() == expected


def test_million_links_take_memory_in_proportion_to_their_file(million: Path):
    copy = million.with_name("copy.csv")
    copy.write_text("a,b\n" + "".join(f"{row},{row + 1}\n" for row in range(MILLION // 20)))
    with memory_below(8 * copy.stat().st_size):
        read(copy)


def test_many_lines_of_garbage_are_ten_errors_and_their_number(tmp_path: Path):
    path = tmp_path / "links.csv"
    path.write_text("a,b\n" + "-1,?\n" * (MILLION // 5))
    with soon(), pytest.raises(rrl.RRLError) as caught:
        read(path)
    shown = caught.value.diagnostics
    assert len(shown) == 11
    assert [diagnostic.to_dict()["start"]["line"] for diagnostic in shown[:10]] == list(
        range(2, 12)
    )
    assert shown[10].message == "199,990 more errors"
