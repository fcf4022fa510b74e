"""Names that no file can have, and folders that may not be read: an error with a code, never more.

Root, as whom the tests may run, is refused nothing but long names and loops of links.
"""

import os

import pytest

LONG = "a" * 300
NAMES = {"long": f"{LONG}.rrl", "loop": "loop/x.rrl", "bytes": "\udce9.rrl", "empty": ""}
VERBS = {
    "check": lambda name: ["check", name],
    "fmt": lambda name: ["fmt", name],
    "explain": lambda name: ["explain", name],
    "diff": lambda name: ["diff", "ok.rrl", name],
    "compile": lambda name: ["compile", name],
    "picture": lambda name: ["compile", "ok.rrl", "--out", f"{name or 'none'}/x.npz"],
    "folder": lambda name: ["compile", "ok.rrl", "--dataset", f"imagefolder:{name}"],
    "archive": lambda name: ["compile", "ok.rrl", "--dataset", f"npz:{name}"],
    "data": lambda name: ["compile", "ok.rrl", "--data-dir", name, "--dataset", "cifar10"],
    "pairs": lambda name: ["compile", "-e", f'ssl() | pairs("{name}.csv")'],
    "import": lambda name: ["compile", "-e", f'import "{name}" as other\nother'],
    "config": lambda name: ["train", "ok.rrl", "--config", name],
    "loss": lambda name: ["losses", f"{name}:"],
    "train": lambda name: ["train", name],
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ok.rrl").write_text("ssl(views=2)\n")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "loop.rrl").symlink_to("loop.rrl")
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_code_for_a_name_that_leads_nowhere(cli, folder, verb, name):
    result = cli(*VERBS[verb](NAMES[name]))
    assert "itself failed" not in result.err
    if NAMES[name] or verb not in ("config", "data"):  # an empty path is the folder itself
        assert "error[RRL" in result.out + result.err
        assert result.code == 1


def test_a_recipe_that_names_such_a_file_does_not_end_the_check_of_a_folder(cli, folder):
    (folder / "a.rrl").write_text(f'import "{LONG}.rrl" as other\nother\n')
    (folder / "b.rrl").write_text(f'ssl() | pairs("{LONG}.csv")\n')
    (folder / "c.rrl").write_text("slef()\n")
    (folder / "loop.rrl").unlink()
    result = cli("check", ".")
    assert result.out.count("error[") == 3
    assert "4 recipes checked, 3 errors in 3\n" in result.out
    assert [name in result.out for name in ("a.rrl:1", "b.rrl:1", "c.rrl:1")] == [True] * 3


@pytest.fixture
def unreadable(monkeypatch):
    """Makes folders of that name unreadable, as they are for others than root."""

    def scandir(path=".", scan=os.scandir):
        if os.path.basename(os.fspath(path)) == "closed":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_checked(cli, folder, unreadable):
    (folder / "loop.rrl").unlink()
    (folder / "closed").mkdir()
    (folder / "open").mkdir()
    (folder / "open" / "x.rrl").write_text("slef()\n")
    result = cli("check", ".")
    assert "error[RRL021]: cannot read the folder `./closed`: Permission denied" in result.out
    assert "open/x.rrl:1:1" in result.out
    assert "2 recipes checked, 2 errors in 1\n" in result.out
    assert "contains no recipe" not in cli("check", "closed").out


def test_a_folder_of_the_ending_of_recipes_is_a_folder(cli, tmp_path):
    (tmp_path / "of.rrl").mkdir()
    (tmp_path / "of.rrl" / "x.rrl").write_text("ssl()\n")
    assert cli("check", ".").out == "1 recipe checked, no errors\n"


def test_a_recipe_must_be_utf8(cli):
    result = cli("compile", "-e", "ssl() # \udcff")
    assert (result.code, "error[RRL014]: byte 8 of this file is not UTF-8 text" in result.err) == (
        1,
        True,
    )
