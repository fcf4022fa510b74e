"""Files that are named on the command line: errors point at them once, whatever their names are."""

import errno
import json
import os
import stat
import subprocess
import sys

import pytest

from rrl_dsl.language import files
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.language.files import DRAFTS, write_bytes

FORMATS = ("text", "json", "github")


@pytest.fixture
def importers(tmp_path):
    """Three recipes that read a wrong one in `parts`, and a file of pairs with a wrong line."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "base.rrl").write_text("ssl(vews=2)\n")
    (tmp_path / "parts" / "links.csv").write_text("a,b\n0,-1\n")
    for name, path in (("a", "parts/base.rrl"), ("b", "./parts/base.rrl")):
        (tmp_path / f"{name}.rrl").write_text(f'import "{path}" as base\nbase\n')
    for name, path in (("c", "parts/links.csv"), ("d", "./parts/links.csv")):
        (tmp_path / f"{name}.rrl").write_text(f'pairs("{path}")\n')
    return tmp_path


@pytest.mark.parametrize("order", [("a.rrl", "b.rrl", "parts"), ("parts", "b.rrl", "a.rrl")])
def test_an_error_of_an_imported_file_is_reported_once(cli, importers, order):
    result = cli("check", *order)
    assert result.out.count("RRL102") == 1
    assert result.out.endswith("3 recipes checked, 1 error in 1\n")
    assert len(json.loads(cli("check", *order, "--format", "json").out)) == 1
    assert cli("check", "a.rrl").out.count("RRL102") == 1


def test_so_is_an_error_of_a_file_of_pairs(cli, importers):
    assert cli("check", "c.rrl", "d.rrl").out.count("RRL415") == 1


def test_equal_mistakes_in_two_files_are_two(cli, tmp_path):
    for name in ("a.rrl", "b.rrl"):
        (tmp_path / name).write_text("ssl(vews=2)\n")
    assert cli("check", ".").out.endswith("2 recipes checked, 2 errors in 2\n")


def test_a_file_is_checked_and_formatted_once(cli, tmp_path):
    (tmp_path / "a.rrl").write_text("ssl( )\n")
    assert cli("check", ".", "a.rrl").out == "1 recipe checked, no errors\n"
    assert cli("fmt", "a.rrl", ".", "--check").out == "a.rrl would change\n"


@pytest.mark.parametrize("name", ["missing.rrl", "empty"])
def test_unreadable_files_are_named(cli, tmp_path, name):
    (tmp_path / "empty").mkdir()
    [record] = json.loads(cli("check", name, "--format", "json").out)
    assert (record["code"], record["file"]) == ("RRL021", name)
    assert cli("check", name, "--format", "github").out.startswith(f"::error file={name},title=RRL")
    assert f" --> {name}\n" in cli("check", name).out


@pytest.mark.parametrize("verb", ["check", "fmt", "compile", "explain", "train"])
def test_a_missing_file_has_a_suggestion(cli, tmp_path, verb):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "SimCLR.rrl").write_text("ssl()")
    result = cli(verb, "sub/simclr.rll")
    assert result.code == 1
    assert "did you mean `sub/SimCLR.rrl`?" in result.out + result.err
    assert "did you mean" not in cli(verb, "nowhere/zzz.rrl").err


def test_a_missing_import_points_at_the_import(cli, tmp_path):
    (tmp_path / "a.rrl").write_text('import "base.rrl" as base\nbase\n')
    result = cli("check", "a.rrl")
    assert " --> a.rrl:1:8" in result.out


@pytest.mark.parametrize(
    "name", ["two\nlines.rrl", "back\rwards.rrl", "red\x1b[31m.rrl", "odd\udcff"]
)
def test_no_name_of_a_file_breaks_a_line(cli, tmp_path, name):
    (tmp_path / name).write_text("ssl(vews=2 )\n")
    shown = name.encode("unicode_escape").decode()
    result = cli("check", name)
    assert f"\n --> {shown}:1:5\n" in result.out
    [line, verdict] = cli("check", name, "--format", "github").out.split("\n")
    assert verdict == ""
    assert line.isprintable()
    assert line.startswith("::error file=")
    [record] = json.loads(cli("check", name, "--format", "json").out)
    assert record["file"] == name
    assert cli("fmt", name, "--check").out == f"{shown} would change\n"
    (tmp_path / name).write_text("ssl()\n")
    assert cli("compile", name).out.startswith(f"recipe    {shown}\n")
    gone = cli("check", f"{name}x")
    assert f"`{shown}x`" in gone.out
    assert f"\n --> {shown}x\n" in gone.out


def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(RRLError, match=r"RRL507.*Not a regular file"):
            write_bytes(tmp_path / name, b"text")
        assert stat.S_ISFIFO((tmp_path / name).stat().st_mode)
    assert len([*tmp_path.iterdir()]) == 2


WRITTEN_IN_PLACE = """
import os
from pathlib import Path
from rrl_dsl.language import files

real = files._write_through
def written(path, content):
    if path.name == "a.rrl":
        with open(path, "wb") as file:
            file.write(content[:3])
        os._exit(9)
    real(path, content)

files._write_through = written
files.write_text(Path("a.rrl"), "the new text")
"""


def test_a_file_of_several_names_is_not_lost_when_the_process_is_killed(tmp_path):
    (tmp_path / "a.rrl").write_text("the old text")
    os.link(tmp_path / "a.rrl", tmp_path / "b.rrl")
    killed = subprocess.run([sys.executable, "-c", WRITTEN_IN_PLACE], cwd=tmp_path)
    assert killed.returncode == 9
    assert (tmp_path / "b.rrl").read_text() == "the"
    (draft,) = tmp_path.glob(DRAFTS)
    assert draft.read_text() == "the new text"


def test_a_file_of_several_names_is_as_before_where_the_disk_is_full(tmp_path, monkeypatch):
    target = tmp_path / "a.rrl"
    target.write_text("the old text")
    os.link(target, tmp_path / "b.rrl")
    real = files._write_through

    def full(path, content):
        if path == target and content == b"the new text":
            real(path, b"the")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, content)

    monkeypatch.setattr(files, "_write_through", full)
    with pytest.raises(RRLError, match=r"RRL507.*No space"):
        write_bytes(target, b"the new text")
    assert (tmp_path / "b.rrl").read_text() == "the old text"
    assert not [*tmp_path.glob(DRAFTS)]


def test_files_outside_are_read_where_that_is_allowed(cli, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "links.csv").write_text("0,1\n")
    (tmp_path / "inner" / "a.rrl").write_text('ssl() | pairs("../links.csv")\n')
    for words in (["check"], ["check", "--format", "text"], ["explain"], ["compile"]):
        result = cli(*words, "inner/a.rrl")
        assert result.code == 1
        assert "RRL022" in result.out + result.err
        assert cli(*words, "inner/a.rrl", "--allow-outside").code == 0
    same = ["diff", "inner/a.rrl", "-e", 'ssl() | pairs("links.csv")']
    assert "RRL022" in cli(*same).err
    assert "the same graph" in cli(*same, "--allow-outside").out
