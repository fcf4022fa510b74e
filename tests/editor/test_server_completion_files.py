"""Files and imported recipes that are offered."""

from pathlib import Path

import pytest
from editor_places import BINARY_SOURCES, IMPORT, analyzed, items, offered
from lsprotocol import types

from rrl_dsl.editor.listing import MAX_FILES, files_below
from rrl_dsl.graph.links import read

PAIRS = ["a.tsv", "b.csv", "c.PARQUET", "sub/deep/x.csv"]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ('pairs("^', PAIRS),
        ('pairs("^")', PAIRS),
        ("pairs('b^')", PAIRS),
        ('pairs("^) | closure()', PAIRS),
        ('pairs(file="^', PAIRS),
        ('pairs("sub/^', ["sub/deep/x.csv"]),
        ('pairs("sub/de^', ["sub/deep/x.csv"]),
        ('pairs("../^', []),
        ('pairs("/^', []),
        ('pairs("a.tsv", "^', []),
        ('ssl("^', []),
        ('import "^', ["base.rrl", "sub/other.rrl"]),
        ('import "su^" as other', ["base.rrl", "sub/other.rrl"]),
        ("import ^", ['"base.rrl"', '"sub/other.rrl"']),
        ('import "base.rrl" ^', ["as base"]),
        ('import "base.rrl" as ^', []),
        ('import "ssl.rrl" ^', ["as"]),
        ("pairs(^", ["file=", "weight=", "symmetric=", *(f'"{name}"' for name in PAIRS)]),
    ],
)
def test_files_below_the_folder(text: str, labels: list[str], folder: Path):
    assert offered(text, folder) == labels


def test_every_file_that_is_offered_can_be_read(folder: Path):
    for name in offered('pairs("^', folder)[:2]:
        read(folder / name)


def test_a_file_replaces_what_the_quotes_hold(folder: Path):
    edit = items('pairs("b^.tsv")', folder)[0].text_edit
    assert edit.range == types.Range(types.Position(0, 7), types.Position(0, 12))
    edit = items('pairs("b^ | closure()', folder)[0].text_edit
    assert edit.range == types.Range(types.Position(0, 7), types.Position(0, 8))


def test_a_text_in_no_folder_has_no_files():
    assert offered('import "^') == []
    assert offered('pairs("^') == []


def test_so_many_files_at_most(tmp_path: Path):
    for number in range(MAX_FILES + 5):
        (tmp_path / f"{number:03}.csv").touch()
    analysis = analyzed("", tmp_path)
    assert len(list(files_below(analysis, (".csv",), ""))) == MAX_FILES


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("base(^", ["frac=", "by=", "on="]),
        ("base(frac=0.5, ^)", ["by=", "on="]),
        ("base(^, on=true)", ["frac=", "by="]),
        ("base(frac=^", ["share"]),
        ("base(by=^", ["word"]),
        ("base(on=^", ["true", "false"]),
        ("base(no=^", []),
        ("ssl() - ^", ["known", "base", *BINARY_SOURCES]),
    ],
)
def test_an_imported_recipe(text: str, labels: list[str], folder: Path):
    assert offered(IMPORT + text, folder) == labels


def test_parameters_of_an_imported_recipe_show_their_value(folder: Path):
    assert [item.detail for item in items(f"{IMPORT}base(^", folder)] == [
        "frac = 0.3",
        "by = label",
        "on = true",
    ]
