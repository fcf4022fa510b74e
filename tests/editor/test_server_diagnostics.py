"""Published diagnostics, their versions and their fixes, over stdio with a client of the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from editor_client import Editor, applied, position
from lsprotocol import types

from rrl_dsl.graph.imports import Library
from rrl_dsl.graph.recipe import analyze
from rrl_dsl.language.diagnostics import MAX_DIAGNOSTICS, in_order
from rrl_dsl.language.span import Source

Shown = tuple[str, str, types.Range]


def expected(
    text: str, uri: str = "untitled:a", texts: dict[Path, str] | None = None
) -> list[Shown]:
    """The errors of a text itself, found and placed by other means than the server's."""
    path = Path(uri.removeprefix("file://"))
    source = Source(text, path.name, path.parent) if uri.startswith("file:") else Source(text, uri)
    faults = analyze(source, library=Library(texts or {})).faults
    shown: list[Shown] = []
    for fault in in_order(fault for fault in faults if fault.source in (None, source)):
        start, end = fault.span or (0, 0)
        end = start if text[start : start + 1] in ("", "\r", "\n") else min(end, len(text))
        hint = f"\nhelp: {fault.hint}" if fault.hint else ""
        place = types.Range(position(text, min(start, len(text))), position(text, end))
        shown.append((fault.code, fault.message + hint, place))
    return shown


def shown(diagnostics: list[types.Diagnostic]) -> list[Shown]:
    return [
        (str(diagnostic.code), diagnostic.message, diagnostic.range) for diagnostic in diagnostics
    ]


def codes(diagnostics: list[types.Diagnostic]) -> list[str]:
    return [str(diagnostic.code) for diagnostic in diagnostics]


@pytest.fixture(scope="module")
def running() -> Iterator[Editor]:
    related = types.PublishDiagnosticsClientCapabilities(related_information=True)
    editor = Editor(
        able=types.ClientCapabilities(
            text_document=types.TextDocumentClientCapabilities(publish_diagnostics=related)
        )
    )
    yield editor
    assert editor.failures == []
    assert editor.quit() == 0


@pytest.fixture
def editor(running: Editor) -> Iterator[Editor]:
    yield running
    for uri in list(running.texts):
        running.close(uri)


# one text

TEXTS = [
    "",
    "ssl(views=2)\n",
    "ssl(views=2) | nothing",
    "ssl(",
    "ssl() |",
    "ssl() |\n",
    "ssl() |\r\n# more\r\n",
    "let a = ssl(\rlet b = supervised(fraq=2)\r\na | b",
    'supervised(labels="😀e\u0301", fraq=1) | nothing # 😀',
    "# 😀\u2028 \x0c\n\x0c supervised(frac=2) | 'open",
    "corrupt(fpr=0.05) | ssl(views=2)",
    "\ufeffssl() | nothing",
    'import "no.rrl" as no\npairs("no.csv") | no',
    "| ".join(f"n{number}" for number in range(150)),
    "ssl() " * 21_000,
    "a" * 300_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_opened_or_typed(editor: Editor, text: str):
    uri = "untitled:a"
    wanted = expected(text.replace("\ufeff", " "))
    editor.open(uri, text)
    assert shown(editor.diagnostics(uri)) == wanted
    editor.replace(uri, "all()")
    assert editor.diagnostics(uri) == []
    editor.change(uri, 0, 5, text)
    diagnostics = editor.diagnostics(uri)
    assert shown(diagnostics) == wanted
    assert len(diagnostics) <= MAX_DIAGNOSTICS
    assert {diagnostic.source for diagnostic in diagnostics} <= {"rrl-dsl"}
    assert {diagnostic.severity for diagnostic in diagnostics} <= {types.DiagnosticSeverity.Error}


def test_a_text_over_the_limits_has_one(editor: Editor):
    editor.open("untitled:a", "a" * 300_000)
    assert codes(editor.diagnostics("untitled:a")) == ["RRL011"]


def test_closing_takes_them_back(editor: Editor):
    editor.open("untitled:a", "nothing")
    assert editor.diagnostics("untitled:a")
    since = len(editor.published)
    editor.close("untitled:a")
    assert editor.next_diagnostics("untitled:a", since) == []


def test_a_burst_of_changes_is_published_at_its_end(editor: Editor):
    editor.open("untitled:a", "")
    editor.diagnostics("untitled:a")
    since = len(editor.published)
    for char in "ssl(views=2) | supervised(frac=0.3, labels=coarse)":
        end = len(editor.texts["untitled:a"])
        editor.change("untitled:a", end, end, char)
    assert editor.diagnostics("untitled:a") == []
    versions = [
        message.version for message in editor.published[since:] if message.uri == "untitled:a"
    ]
    assert versions == sorted(set(versions))


# several files


def uri_of(path: Path) -> str:
    return path.resolve().as_uri()


MINE = 'import "base.rrl" as base\nssl() | base\n'


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path.resolve() / "base.rrl"
    path.write_text("supervised(frac=0.3)\n", "utf-8")
    return path


@pytest.fixture
def mine(base: Path) -> str:
    return uri_of(base.with_name("mine.rrl"))


def test_a_change_that_is_not_saved_reaches_what_imports_it(editor: Editor, base: Path, mine: str):
    editor.open(mine, MINE)
    assert editor.diagnostics(mine) == []
    since = len(editor.published)
    text = "# 😀\nsupervised(frac=3) | nothing\n"
    editor.open(uri_of(base), text)
    (diagnostic,) = editor.next_diagnostics(mine, since)
    assert diagnostic.range == types.Range(types.Position(0, 7), types.Position(0, 17))
    assert diagnostic.code == "RRL301"
    assert diagnostic.message == (
        "`base.rrl` has 2 errors, the first in line 2: "
        "`frac` must be a number above 0 and at most 1, not 3"
    )
    own = editor.diagnostics(uri_of(base))
    assert codes(own) == ["RRL301", "RRL101"]
    assert diagnostic.related_information is not None
    related = [
        (related_place.location.uri, related_place.location.range)
        for related_place in diagnostic.related_information
    ]
    assert related == [(uri_of(base), fault.range) for fault in own]
    since = len(editor.published)
    editor.change(uri_of(base), text.index("3"), text.index("3") + 1, "1")
    (diagnostic,) = editor.next_diagnostics(mine, since)
    assert diagnostic.message == "`base.rrl` has an error in line 2: `nothing` is not defined"
    since = len(editor.published)
    editor.close(uri_of(base))
    assert editor.next_diagnostics(mine, since) == [], "the file on disk is in order"


def test_errors_follow_changes_of_an_imported_file(editor: Editor, base: Path, mine: str):
    editor.open(mine, MINE)
    assert editor.diagnostics(mine) == []
    for text, wanted in [("nothing\n", ["RRL101"]), (None, ["RRL021"]), ("all()\n", [])]:
        since = len(editor.published)
        base.unlink() if text is None else base.write_text(text, "utf-8")
        editor.saved(base)
        assert codes(editor.next_diagnostics(mine, since)) == wanted


def test_a_file_that_is_not_there_yet(editor: Editor, base: Path, mine: str):
    editor.open(mine, 'import "base.rrl" as base\nimport "new.rrl" as new\nbase | new\n')
    assert codes(editor.diagnostics(mine)) == ["RRL021"]
    since = len(editor.published)
    editor.open(uri_of(base.with_name("new.rrl")), "all()")
    assert editor.next_diagnostics(mine, since) == []


def test_errors_by_way_of_another_import(editor: Editor, base: Path, mine: str):
    base.write_text('import "deep/er.rrl" as er\ner\n', "utf-8")
    base.with_name("deep").mkdir()
    er = base.with_name("deep") / "er.rrl"
    er.write_text("all()\nnothing\n", "utf-8")
    editor.open(mine, MINE)
    (diagnostic,) = editor.diagnostics(mine)
    assert diagnostic.message.startswith("`deep/er.rrl` has 2 errors, the first in line 2: ")
    assert diagnostic.range.start == types.Position(0, 7)
    assert diagnostic.related_information is not None
    assert {related_place.location.uri for related_place in diagnostic.related_information} == {
        uri_of(er)
    }
    since = len(editor.published)
    editor.open(uri_of(er), "all()")
    assert editor.next_diagnostics(mine, since) == []


def test_a_file_that_an_import_lacks(editor: Editor, base: Path, mine: str):
    base.write_text('import "new.rrl" as new\nnew\n', "utf-8")
    editor.open(mine, MINE)
    (diagnostic,) = editor.diagnostics(mine)
    assert diagnostic.message.startswith(
        "`base.rrl` has an error in line 1: cannot read the recipe"
    )
    since = len(editor.published)
    editor.open(uri_of(base.with_name("new.rrl")), "all()")
    assert editor.next_diagnostics(mine, since) == []


def test_files_that_import_each_other(editor: Editor, base: Path, mine: str):
    base.write_text('import "mine.rrl" as mine\nmine\n', "utf-8")
    editor.open(mine, MINE)
    (diagnostic,) = editor.diagnostics(mine)
    assert diagnostic.code == "RRL023"
    assert diagnostic.message.startswith("`base.rrl` has an error in line 1: ")


def test_a_file_that_is_not_text(editor: Editor, base: Path, mine: str):
    base.write_bytes(b"ssl() # \xff")
    editor.open(mine, MINE)
    (diagnostic,) = editor.diagnostics(mine)
    assert diagnostic.code == "RRL014"
    assert diagnostic.range.start.line == 0


def test_a_file_of_pairs(editor: Editor, base: Path, mine: str):
    pairs = base.with_name("links.csv")
    editor.open(mine, 'ssl() |\n pairs("links.csv")\n')
    assert codes(editor.diagnostics(mine)) == ["RRL414"]
    for text, wanted in [("0,1\nx\n2\n", "2 errors, the first in line 2"), ("0,1\n", None)]:
        since = len(editor.published)
        pairs.write_text(text, "utf-8")
        editor.saved(pairs)
        diagnostics = editor.next_diagnostics(mine, since)
        assert [diagnostic.message[:45] for diagnostic in diagnostics] == (
            [] if wanted is None else [f"`links.csv` has {wanted}"]
        )
        assert [diagnostic.range for diagnostic in diagnostics] == [
            types.Range(types.Position(1, 7), types.Position(1, 18)) for _ in diagnostics
        ]


def test_a_request_reads_a_file_that_changed_without_a_notification(
    editor: Editor, base: Path, mine: str
):
    editor.open(mine, MINE)
    assert editor.diagnostics(mine) == []
    base.write_text("nothing\n", "utf-8")
    since = len(editor.published)
    assert "an error" in (editor.hover(mine, MINE.rindex("base")) or "")
    assert codes(editor.next_diagnostics(mine, since)) == ["RRL101"]


def test_another_text_is_left_alone(editor: Editor, mine: str):
    editor.open("untitled:a", "nothing")
    editor.diagnostics("untitled:a")
    editor.open(mine, "all()")
    editor.diagnostics(mine)
    since = len(editor.published)
    editor.change(mine, 0, 0, "~")
    editor.diagnostics(mine)
    assert {message.uri for message in editor.published[since:]} == {mine}


# fixes


@pytest.mark.parametrize(
    ("text", "title", "fixed"),
    [
        ("ssl(", "Add the `)`", "ssl()"),
        ("ssl", "Write `ssl()`", "ssl()"),
        ("superv()", "Did you mean `supervised`?", "supervised()"),
        ("# 😀\nsupervised(fraq=0.3)", "Did you mean `frac`?", "# 😀\nsupervised(frac=0.3)"),
        (
            "corrupt(fpr=0.05) | ssl(views=2)",
            "Write `ssl(views=2) | corrupt(fpr=0.05)`",
            "ssl(views=2) | corrupt(fpr=0.05)",
        ),
        ("supervised(frac 0.3)", "Add `=`", "supervised(frac= 0.3)"),
        ("keep(0.9)", "Write `ssl(views=2) | keep(0.9)`", "ssl(views=2) | keep(0.9)"),
    ],
)
def test_a_fix(editor: Editor, text: str, title: str, fixed: str):
    editor.open("untitled:a", text)
    (fault,) = editor.diagnostics("untitled:a")
    action, everything = editor.actions("untitled:a", 0, len(text))
    assert action.title == title
    assert action.kind == types.CodeActionKind.QuickFix
    assert action.is_preferred
    assert action.diagnostics is not None
    assert shown(list(action.diagnostics)) == shown([fault])
    assert everything.kind == types.CodeActionKind.SourceFixAll
    for offered in (action, everything):
        assert offered.edit is not None
        assert offered.edit.changes is not None
        assert applied(text, offered.edit.changes["untitled:a"]) == fixed
    editor.apply("untitled:a", action.edit.changes["untitled:a"])
    assert editor.diagnostics("untitled:a") == []


def test_fixes_by_position_and_by_kind(editor: Editor):
    text = "let a = superv()\nlet b = supervisd()\na | b"
    editor.open("untitled:a", text)
    fix, every = types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll
    first = [action.kind for action in editor.actions("untitled:a", 9, 9)]
    assert first == [fix, every]
    assert len(editor.actions("untitled:a", 0, len(text), fix)) == 2
    assert [action.kind for action in editor.actions("untitled:a", 0, 0, "source")] == [every]
    assert editor.actions("untitled:a", 0, len(text), "refactor") == ()
    assert editor.actions("untitled:a", 0, 3, fix) == ()


def test_all_fixes_at_once(editor: Editor):
    text = "let a = superv(fraq=0.3\r\nlet b = supervisd(labels='coarse)\r\na | b | keep(p 0.3)"
    editor.open("untitled:a", text)
    assert editor.diagnostics("untitled:a")
    (action,) = editor.actions("untitled:a", 0, 0, types.CodeActionKind.SourceFixAll)
    editor.apply("untitled:a", action.edit.changes["untitled:a"])
    assert editor.texts["untitled:a"] == (
        "let a = supervised(frac=0.3)\r\n"
        "let b = supervised(labels='coarse')\r\n"
        "a | b | keep(p= 0.3)"
    )
    assert editor.diagnostics("untitled:a") == []


def test_fixes_of_the_same_position_are_applied_in_turn(editor: Editor):
    editor.open("untitled:a", "(((ssl(")
    (action,) = editor.actions("untitled:a", 0, 0, types.CodeActionKind.SourceFixAll)
    editor.apply("untitled:a", action.edit.changes["untitled:a"])
    assert editor.texts["untitled:a"] == "(((ssl())))"


def test_an_error_without_a_fix_has_no_action(editor: Editor):
    editor.open("untitled:a", "supervised(frac=3)")
    assert editor.actions("untitled:a", 0, 18) == ()
    editor.replace("untitled:a", "ssl()")
    assert editor.actions("untitled:a", 0, 5) == ()
