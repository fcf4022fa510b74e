"""Errors of files, and limits of the language that a Markdown case cannot contain."""

import os
import stat
from pathlib import Path

import pytest

import rrl_dsl as rrl
from rrl_dsl.language.diagnostics import Diagnostic

KIBI = 1024


def error_of(path: Path | str) -> Diagnostic:
    with pytest.raises(rrl.RRLError) as caught:
        rrl.load(path)
    (only,) = caught.value.diagnostics
    return only


def recipe_of(size: int) -> str:
    """A valid recipe of exactly so many bytes."""
    return "ssl()\n#" + "x" * (size - 7)


def test_file_gives_the_graph_that_its_text_gives(tmp_path: Path):
    path = tmp_path / "recipe.rrl"
    path.write_text("ssl(views=2) | supervised(frac=0.3)")
    assert rrl.load(path) == rrl.load(str(path)) == rrl.ssl() | rrl.supervised(frac=0.3)


def test_message_names_the_file(tmp_path: Path):
    path = tmp_path / "recipe.rrl"
    path.write_text("slef()")
    assert f"--> {path}:1:1" in error_of(path).render()


def test_parameters_reach_the_recipe_of_a_file(tmp_path: Path):
    path = tmp_path / "recipe.rrl"
    path.write_text("param frac = 0.3\nsupervised(frac=frac)")
    assert rrl.load(path, params={"frac": 0.5}) == rrl.supervised(frac=0.5)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_and_line_ends_do_not_matter(tmp_path: Path, end: str):
    path = tmp_path / "recipe.rrl"
    path.write_bytes(b"\xef\xbb\xbf" + f"let a = ssl(){end}# note{end}a{end}".encode())
    assert rrl.load(path) == rrl.ssl()


def test_missing_file_is_rrl021(tmp_path: Path):
    missing = tmp_path / "nowhere.rrl"
    assert error_of(missing).code == "RRL021"
    assert error_of(missing).message == (
        f"cannot read the recipe `{missing}`: No such file or directory"
    )


def test_directory_in_place_of_a_file_is_rrl021(tmp_path: Path):
    assert error_of(tmp_path).code == "RRL021"


def test_file_without_permission_is_rrl021(tmp_path: Path):
    path = tmp_path / "secret.rrl"
    path.write_text("ssl()")
    path.chmod(stat.S_IWUSR)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert error_of(path).code == "RRL021"


def test_path_that_no_system_takes_is_rrl021():
    assert error_of("a\0b").code == "RRL021"


@pytest.mark.parametrize(
    ("content", "byte"),
    [(b"ssl() # caf\xe9", 11), ("ssl()".encode("utf-16"), 0), (b"ssl()\xc3", 5)],
    ids=["latin-1", "utf-16", "cut short"],
)
def test_file_that_is_not_utf8_is_rrl014(tmp_path: Path, content: bytes, byte: int):
    path = tmp_path / "recipe.rrl"
    path.write_bytes(content)
    assert error_of(path).render() == (
        f"error[RRL014]: byte {byte} of this file is not UTF-8 text\n"
        f" --> {path}\n"
        "  = help: save the file as UTF-8"
    )


def test_file_of_256_kib_is_read_and_one_byte_more_is_rrl011(tmp_path: Path):
    path = tmp_path / "recipe.rrl"
    path.write_text(recipe_of(256 * KIBI))
    assert rrl.load(path) == rrl.ssl()
    path.write_text(recipe_of(256 * KIBI + 1))
    assert error_of(path).render() == (
        f"error[RRL011]: a recipe must not exceed 262,144 bytes\n --> {path}"
    )


def test_large_file_is_not_read_to_its_end(tmp_path: Path):
    path = tmp_path / "large.rrl"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of zeros that takes no room
    assert error_of(path).code == "RRL011"


def test_bytes_count_not_characters():
    text = "ssl()\n#" + "ü" * (128 * KIBI)
    assert len(text) < 256 * KIBI
    with pytest.raises(rrl.RRLError, match="RRL011"):
        rrl.parse(text)


def test_twenty_thousand_tokens_are_read_and_one_more_is_rrl012():
    chain = "let a = ssl()\n" + "|".join(["a"] * 9_997)  # 6 words and signs, then 19,993
    assert rrl.parse(chain + "\n# comments and blank lines do not count\n" * 300).binary
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse(chain + "|a")
    (only,) = caught.value.diagnostics
    assert only.code == "RRL012"
    assert only.message == "a recipe must not have more than 20,000 tokens"
    assert only.to_dict()["start"] == {"line": 2, "column": 2 * 9_997 + 1}


def test_more_than_a_hundred_errors_are_cut_with_rrl019():
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse(" | ".join(f"slef{number}()" for number in range(250)))
    shown = caught.value.diagnostics
    assert len(shown) == 100
    assert {diagnostic.code for diagnostic in shown[:99]} == {"RRL101"}
    assert shown[99].code == "RRL019"
    assert shown[99].message == "151 more errors are not shown"


def test_a_hundred_errors_are_all_shown():
    with pytest.raises(rrl.RRLError) as caught:
        rrl.parse(" | ".join(f"slef{number}()" for number in range(100)))
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["RRL101"] * 100
