"""What is shown follows the files on disk: ones that change, go and come."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from editor_client import Editor
from lsprotocol import types

BASE = 'param frac = 0.3\nsupervised(frac=frac) | pairs("links.csv")\n'
MINE = 'import "base.rrl" as base\nbase(frac=0.5)\n'
RIGHT, WRONG = "a,b\n0,1\n", "a,b\n0,\\\n"


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    running = Editor(folders=[tmp_path])
    yield running
    assert running.failures == []
    assert running.quit() == 0


def write(folder: Path, name: str, text: str) -> str:
    """Writes a file; its URI."""
    (folder / name).write_text(text, "utf-8")
    return (folder / name).as_uri()


def opened(editor: Editor, folder: Path, name: str, text: str) -> str:
    uri = write(folder, name, text)
    editor.open(uri, text)
    editor.diagnostics(uri)
    return uri


def codes(diagnostics: list[types.Diagnostic]) -> list[str]:
    return [str(diagnostic.code) for diagnostic in diagnostics]


def saved(editor: Editor, uri: str, *paths: Path) -> list[types.Diagnostic]:
    """The diagnostics of a text after files changed on disk."""
    since = len(editor.published)
    editor.saved(*paths)
    return editor.next_diagnostics(uri, since)


def test_a_request_about_one_document_does_not_release_another(editor: Editor, tmp_path: Path):
    write(tmp_path, "links.csv", RIGHT)
    base = opened(editor, tmp_path, "base.rrl", BASE)
    mine = opened(editor, tmp_path, "mine.rrl", MINE)
    assert editor.diagnostics(base) == editor.diagnostics(mine) == []
    since = len(editor.published)
    write(tmp_path, "links.csv", f"{RIGHT}2\n")  # and nobody says so
    context = types.ReferenceContext(include_declaration=True)
    place = editor.at(mine, MINE.index("frac"))
    editor.ask(types.TEXT_DOCUMENT_REFERENCES, types.ReferenceParams(context=context, **place))
    assert codes(editor.next_diagnostics(base, since)) == ["RRL415"]
    assert codes(editor.next_diagnostics(mine, since)) == ["RRL415"]


def test_a_file_of_the_same_size_and_time(editor: Editor, tmp_path: Path):
    links = tmp_path / "links.csv"
    write(tmp_path, links.name, RIGHT)
    uri = opened(editor, tmp_path, "base.rrl", BASE)
    before = links.stat()
    write(tmp_path, links.name, WRONG)
    os.utime(links, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert links.stat().st_size == before.st_size
    assert codes(saved(editor, uri, links)) == ["RRL415"]


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ("base", "links.csv"),
        ('base(by="label")', "links.csv"),
        ('base(file="others.csv")', "others.csv"),
    ],
)
def test_a_file_that_only_an_imported_recipe_reads(
    editor: Editor, tmp_path: Path, call: str, wrong: str
):
    folder = tmp_path / "sub"
    folder.mkdir()
    base = 'param file = "links.csv"\nparam by = "coarse"\npairs(file) | supervised(labels=by)\n'
    write(folder, "base.rrl", base)
    for name in ("links.csv", "others.csv"):
        write(folder, name, WRONG if name == wrong else RIGHT)
    uri = opened(editor, tmp_path, "mine.rrl", f'import "sub/base.rrl" as base\n{call}\n')
    assert "RRL415" in codes(editor.diagnostics(uri))
    write(folder, wrong, RIGHT)
    assert saved(editor, uri, folder / wrong) == []


def test_a_file_that_may_be_meant(editor: Editor, tmp_path: Path):
    uri = opened(editor, tmp_path, "mine.rrl", 'import "helo.rrl" as hello\nhello\n')
    (diagnostic,) = editor.diagnostics(uri)
    assert "did you mean" not in diagnostic.message
    write(tmp_path, "hello.rrl", "ssl()\n")
    (diagnostic,) = saved(editor, uri, tmp_path / "hello.rrl")
    assert diagnostic.message.endswith("help: did you mean `hello.rrl`?")
    (tmp_path / "hello.rrl").unlink()
    (diagnostic,) = saved(editor, uri, tmp_path / "hello.rrl")
    assert "did you mean" not in diagnostic.message
