"""`check` and `fmt`: many files, every format, and nothing written that should not be."""

import io
import json
import os
import stat

import pytest

from rrl_dsl.cli.start import run_at_once
from rrl_dsl.language.files import write_text

GOOD = "ssl(views=2) | supervised()\n"
BAD = "ssl(vews=2)\n| corupt(fpr=0.1)\n"
UGLY = "ssl( views=2 )|supervised()  # labels\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "good.rrl").write_text(GOOD)
    (tmp_path / "sub" / "bad.rrl").write_text(BAD)
    (tmp_path / "sub" / "ugly.rrl").write_bytes(UGLY.encode())
    (tmp_path / "sub" / "notes.txt").write_text("no recipe")
    return tmp_path


def test_check_of_right_files_says_so(cli, files):
    result = cli("check", "good.rrl", "sub/ugly.rrl")
    assert (result.code, result.out, result.err) == (0, "2 recipes checked, no errors\n", "")


def test_check_goes_through_folders_and_shows_every_error(cli, files):
    result = cli("check", ".")
    assert result.code == 1
    assert "error[RRL102]: `ssl` has no argument `vews`" in result.out
    assert " --> sub/bad.rrl:1:5" in result.out
    assert "error[RRL101]: there is no built-in `corupt`" in result.out
    assert result.out.endswith("3 recipes checked, 2 errors in 1\n")


def test_check_as_json_is_a_list_of_diagnostics_with_fixes(cli, files):
    result = cli("check", "sub/bad.rrl", "good.rrl", "--format", "json")
    assert result.code == 1
    first, second = json.loads(result.out)
    assert (first["code"], first["file"], first["start"]) == (
        "RRL102",
        "sub/bad.rrl",
        {"line": 1, "column": 5},
    )
    assert second["fix"][0]["text"] == "corrupt"
    assert json.loads(cli("check", "good.rrl", "--format", "json").out) == []


def test_check_as_github_annotates_lines(cli, files):
    result = cli("check", "sub/bad.rrl", "--format", "github")
    assert result.out.splitlines()[0] == (
        "::error file=sub/bad.rrl,line=1,endLine=1,col=5,endColumn=9,title=RRL102::"
        "`ssl` has no argument `vews`%0Ahelp: did you mean `views`?"
    )


def test_check_and_fmt_read_standard_input(cli, monkeypatch):
    def typed(content):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))

    typed(BAD.encode())
    assert " --> <stdin>:1:5" in cli("check", "-").out
    typed(UGLY.encode())
    assert cli("fmt", "-").out == "ssl(views=2) | supervised()  # labels\n"
    typed(UGLY.encode())
    result = cli("fmt", "-", "--check")
    assert (result.code, result.out) == (1, "<stdin> would change\n")
    typed(b"ssl(\xff)")
    assert "RRL014" in cli("check", "-").out


@pytest.mark.parametrize("verb", ["check", "fmt"])
def test_a_missing_file_is_an_error_and_the_others_are_checked(cli, files, verb):
    result = cli(verb, "missing.rrl", "good.rrl")
    assert result.code == 1
    assert "RRL021" in result.out + result.err
    (files / "empty").mkdir()
    result = cli(verb, "empty")
    assert result.code == 1
    assert "the folder `empty` contains no recipe" in result.out + result.err


def test_fmt_writes_what_changes_and_nothing_else(cli, files):
    good = files / "good.rrl"
    before = good.stat().st_mtime_ns
    result = cli("fmt", "good.rrl", "sub/ugly.rrl")
    assert (result.code, result.out) == (0, "sub/ugly.rrl formatted\n")
    assert (files / "sub" / "ugly.rrl").read_bytes() == b"ssl(views=2) | supervised()  # labels\n"
    assert good.stat().st_mtime_ns == before
    assert cli("fmt", "good.rrl", "sub/ugly.rrl").out == ""


def test_fmt_check_and_diff_write_nothing(cli, files):
    result = cli("fmt", "good.rrl", "sub/ugly.rrl", "--check")
    assert (result.code, result.out) == (1, "sub/ugly.rrl would change\n")
    result = cli("fmt", "sub/ugly.rrl", "--diff")
    assert result.code == 1
    assert "+ssl(views=2) | supervised()  # labels\n" in result.out
    assert (files / "sub" / "ugly.rrl").read_bytes() == UGLY.encode()
    assert cli("fmt", "good.rrl", "--check").code == 0
    assert cli("fmt", "good.rrl", "--diff").out == ""


def test_fmt_leaves_a_file_with_errors_as_it_is_and_formats_the_next(cli, files):
    broken = files / "broken.rrl"
    broken.write_text("ssl(  views=2\n")
    result = cli("fmt", "broken.rrl", "sub/ugly.rrl")
    assert result.code == 1
    assert "RRL006" in result.err
    assert broken.read_text() == "ssl(  views=2\n"
    assert "sub/ugly.rrl formatted" in result.out


def test_fmt_formats_recipes_with_unknown_names(cli, files):
    (files / "names.rrl").write_text("nothing( 2 )|known")
    assert cli("fmt", "names.rrl").code == 0
    assert (files / "names.rrl").read_text() == "nothing(2) | known\n"


def test_fmt_keeps_permissions_and_links(cli, files):
    ugly, link = files / "sub" / "ugly.rrl", files / "link.rrl"
    ugly.chmod(0o640)
    link.symlink_to(ugly)
    assert cli("fmt", "link.rrl").code == 0
    assert link.is_symlink()
    assert stat.S_IMODE(ugly.stat().st_mode) == 0o640
    assert ugly.read_text() == "ssl(views=2) | supervised()  # labels\n"
    assert sorted(os.listdir(files / "sub")) == ["bad.rrl", "notes.txt", "ugly.rrl"]


def test_a_new_file_may_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "new.txt", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) == 0o640


def test_a_file_with_the_longest_name_is_written(cli, files):
    name = f"{'x' * 251}.rrl"
    (files / name).write_text(UGLY)
    assert cli("fmt", name).code == 0
    assert (files / name).read_text() == "ssl(views=2) | supervised()  # labels\n"


def test_fmt_takes_a_byte_order_mark_away(cli, files):
    (files / "mark.rrl").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert cli("fmt", "mark.rrl").out == "mark.rrl formatted\n"
    assert (files / "mark.rrl").read_text() == GOOD


def test_the_gallery_is_right_and_in_style(cli):
    from pathlib import Path

    gallery = str(Path(__file__).parents[2] / "recipes")
    assert cli("check", gallery).code == 0
    assert cli("fmt", gallery, "--check").code == 0


@pytest.mark.parametrize(
    "line",
    [
        "check good.rrl",
        "check .",
        "check sub/bad.rrl --format json",
        "check --format=github sub/bad.rrl good.rrl",
        "check empty --format json",
        "check missing.rrl",
        "fmt --check .",
        "fmt --diff good.rrl sub/ugly.rrl",
        "fmt sub/bad.rrl empty sub/ugly.rrl",
    ],
)
def test_plain_command_lines_do_the_same_without_the_library(cli, files, line, monkeypatch):
    (files / "empty").mkdir()
    texts = {path: path.read_bytes() for path in files.rglob("*.rrl")}

    def outcome():
        for path, text in texts.items():
            path.write_bytes(text)
        return cli(*line.split()), [path.read_bytes() for path in texts]

    def never(*_, **__):
        pytest.fail("read by the library")

    with monkeypatch.context() as patched:
        patched.setattr("rrl_dsl.cli.main.app", never)
        at_once = outcome()
    monkeypatch.setattr("rrl_dsl.cli.start.run_at_once", lambda _: None)
    assert outcome() == at_once


@pytest.mark.parametrize(
    "line", ["", "check", "check --help", "check a --form json", "fmt a --format b", "explain a"]
)
def test_other_command_lines_are_left_to_the_library(line):
    assert run_at_once(line.split()) is None


def test_a_folder_without_recipes_spoils_nothing_else(cli, files):
    (files / "empty").mkdir()
    result = cli("fmt", "empty", "sub/bad.rrl", "sub/ugly.rrl")
    assert result.code == 1
    assert "the folder `empty` contains no recipe" in result.err
    assert "sub/ugly.rrl formatted" in result.out
