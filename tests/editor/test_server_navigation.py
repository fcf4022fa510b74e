"""Definitions, references, highlights, outline and renames, in one file and over several."""

from pathlib import Path

import pytest
from editor_client import applied, offset
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types
from random_recipes import recipes, text_of

from rrl_dsl.editor import rename
from rrl_dsl.editor.documents import Document, Documents, path_of
from rrl_dsl.editor.navigation import (
    declaration_at,
    definition_at,
    highlights_at,
    outline,
    references_at,
)
from rrl_dsl.graph.recipe import analyze
from rrl_dsl.language.lexer import tokens_of
from rrl_dsl.language.span import Source

MODEST = settings(deadline=None, derandomize=True, database=None, max_examples=40)

BASE = "param frac = 0.3\nparam by = coarse\nlet known = supervised(frac=frac)\nknown\n".replace(
    "coarse", '"coarse"'
)
MINE = """import "base.rrl" as base
param frac = 0.5
let noise = keep(frac)
ssl() | base(frac=frac, by="label") | base(frac=0.1) | noise
"""


class Folder:
    """Some recipes below a folder that an editor has open; those that are open, and one of them."""

    def __init__(self, root: Path, files: dict[str, str], opened: tuple[str, ...]) -> None:
        self.root = root.resolve()
        self.documents = Documents()
        self.documents.folders = (self.root,)
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        for name in opened:
            self.open(name, files[name])

    def open(self, name: str, text: str) -> Document:
        return self.documents.open((self.root / name).as_uri(), 1, text)

    def document(self, name: str) -> Document:
        document = self.documents.get((self.root / name).as_uri())
        assert document is not None
        return document

    def text(self, name: str) -> str:
        document = self.documents.get((self.root / name).as_uri())
        return (self.root / name).read_text("utf-8") if document is None else document.source.text

    def name(self, uri: str) -> str:
        path = path_of(uri)
        assert path is not None
        return path.relative_to(self.root).as_posix()

    def places(self, locations: list[types.Location] | None) -> list[tuple[str, int]]:
        """Files and offsets, for what an editor reads."""
        assert locations is not None
        return [
            (
                self.name(location.uri),
                offset(self.text(self.name(location.uri)), location.range.start),
            )
            for location in locations
        ]

    def renamed(self, name: str, place: int, new: str) -> dict[str, str]:
        """The text of each file after a rename."""
        changes = rename.rename(self.documents, self.document(name), place, new).changes
        assert changes is not None
        return {
            self.name(uri): applied(self.text(self.name(uri)), edits)
            for uri, edits in changes.items()
        }


@pytest.fixture
def two(tmp_path: Path) -> Folder:
    return Folder(tmp_path, {"base.rrl": BASE, "mine.rrl": MINE}, ("mine.rrl",))


def at(text: str, word: str, number: int = 0) -> int:
    """The offset of the nth occurrence of a word."""
    place = -1
    for _ in range(number + 1):
        place = text.index(word, place + 1)
    return place


# definitions


@pytest.mark.parametrize(
    ("place", "defined"),
    [
        (at(MINE, "noise", 1), ("mine.rrl", at(MINE, "noise"))),
        (at(MINE, "noise", 1) + 5, ("mine.rrl", at(MINE, "noise"))),
        (at(MINE, "noise"), ("mine.rrl", at(MINE, "noise"))),
        (at(MINE, "frac)"), ("mine.rrl", at(MINE, "frac"))),
        (at(MINE, "frac,"), ("mine.rrl", at(MINE, "frac"))),
        (at(MINE, "base("), ("base.rrl", 0)),
        (at(MINE, "base", 1), ("base.rrl", 0)),
        (at(MINE, "base.rrl"), ("base.rrl", 0)),
        (at(MINE, "frac=frac"), ("base.rrl", at(BASE, "frac"))),
        (at(MINE, "by="), ("base.rrl", at(BASE, "by"))),
        (at(MINE, "ssl"), None),
        (at(MINE, "keep"), None),
        (at(MINE, "let"), None),
        (at(MINE, "0.1"), None),
    ],
)
def test_definitions(two: Folder, place: int, defined: tuple[str, int] | None):
    definition = definition_at(two.documents, two.document("mine.rrl"), place)
    assert (None if definition is None else two.places([definition])[0]) == defined


def test_the_declaration_of_an_import_is_its_statement(two: Folder):
    declaration = declaration_at(two.documents, two.document("mine.rrl"), at(MINE, "base("))
    assert declaration is not None
    assert two.places([declaration]) == [("mine.rrl", at(MINE, "base", 1))]


def test_a_file_that_is_open_is_called_what_the_editor_calls_it(two: Folder):
    uri = (two.root / "base.rrl").as_uri().replace("base", "%62ase")
    two.documents.open(uri, 1, BASE)
    definition = definition_at(two.documents, two.document("mine.rrl"), at(MINE, "base("))
    assert definition is not None
    assert definition.uri == uri


def test_an_import_that_is_not_there_is_defined_by_its_statement(tmp_path: Path):
    text = 'import "no.rrl" as no\nno'
    folder = Folder(tmp_path, {"mine.rrl": text}, ("mine.rrl",))
    definition = definition_at(folder.documents, folder.document("mine.rrl"), len(text))
    assert definition is not None
    assert folder.places([definition]) == [("mine.rrl", at(text, "no", 1))]


# references


def test_references_of_a_let(two: Folder):
    document = two.document("mine.rrl")
    used = [("mine.rrl", at(MINE, "noise", 1))]
    defined = [("mine.rrl", at(MINE, "noise"))]
    for place in (at(MINE, "noise"), at(MINE, "noise", 1)):
        references = references_at(two.documents, document, place, declaration=False)
        assert two.places(references) == used
        references = references_at(two.documents, document, place, declaration=True)
        assert two.places(references) == defined + used


def test_references_of_a_parameter_are_those_of_other_recipes_too(two: Folder):
    references = references_at(
        two.documents, two.document("mine.rrl"), at(MINE, "frac=frac"), declaration=True
    )
    assert two.places(references) == [
        ("base.rrl", at(BASE, "frac")),
        ("base.rrl", at(BASE, "frac", 2)),
        ("mine.rrl", at(MINE, "frac=frac")),
        ("mine.rrl", at(MINE, "frac=0.1")),
    ]


def test_highlights(two: Folder):
    highlights = highlights_at(two.documents, two.document("mine.rrl"), at(MINE, "frac)"))
    assert highlights is not None
    kinds = types.DocumentHighlightKind
    assert [highlight.kind for highlight in highlights] == [kinds.Write, kinds.Read, kinds.Read]
    document = two.open("base.rrl", BASE)
    highlights = highlights_at(two.documents, document, at(BASE, "frac"))
    assert highlights is not None
    assert [highlight.range.start.line for highlight in highlights] == [0, 2]


def test_nothing_is_known_of_a_built_in(two: Folder):
    document = two.document("mine.rrl")
    assert references_at(two.documents, document, at(MINE, "ssl"), declaration=True) is None
    assert highlights_at(two.documents, document, at(MINE, "ssl")) is None


def test_the_outline(two: Folder):
    document = two.open("more.rrl", f"{MINE}contrast all()\nparam = 3\n")
    symbols = outline(two.documents.analyzed(document))
    assert [(symbol.name, symbol.kind.name, symbol.detail) for symbol in symbols] == [
        ("base", "Module", "binary graph"),
        ("frac", "Constant", "number 0.5"),
        ("noise", "Function", "transform"),
        ("graph", "Object", "binary graph"),
        ("contrast", "Object", None),
    ]
    for symbol in symbols:
        assert symbol.range.start <= symbol.selection_range.start
        assert symbol.selection_range.end <= symbol.range.end


# renames


@pytest.mark.parametrize("place", [at(MINE, "noise"), at(MINE, "noise", 1)])
def test_renaming_a_let(two: Folder, place: int):
    assert two.renamed("mine.rrl", place, "dirt") == {"mine.rrl": MINE.replace("noise", "dirt")}


def test_renaming_an_import(two: Folder):
    expected = MINE.replace("as base", "as first").replace("base(", "first(")
    assert two.renamed("mine.rrl", at(MINE, "base("), "first") == {"mine.rrl": expected}


def test_renaming_a_parameter(two: Folder):
    expected = MINE.replace("param frac", "param f").replace("keep(frac)", "keep(f)")
    assert two.renamed("mine.rrl", at(MINE, "frac"), "f") == {
        "mine.rrl": expected.replace("=frac,", "=f,")
    }


@pytest.mark.parametrize("opened", [(), ("base.rrl",)])
def test_renaming_a_parameter_of_another_recipe(tmp_path: Path, opened: tuple[str, ...]):
    files = {
        "sub/base.rrl": BASE,
        "sub/beside.rrl": 'import "base.rrl" as b\nb(frac=0.2)\n',
        "sub/odd.rrl": "let frac = ssl()\nfrac | supervised(frac=0.3)\n",
        "mine.rrl": MINE.replace("base.rrl", "sub/base.rrl"),
        "sub/deep/below.rrl": "param frac = 0.3\nsupervised(frac=frac)\n",
    }
    names = tuple(f"sub/{file}" for file in opened)
    folder = Folder(tmp_path, files, ("mine.rrl", *names))
    place = at(files["mine.rrl"], "frac=frac")
    assert folder.renamed("mine.rrl", place, "share") == {
        "sub/base.rrl": files["sub/base.rrl"]
        .replace("param frac", "param share")
        .replace("=frac", "=share"),
        "sub/beside.rrl": files["sub/beside.rrl"].replace("frac", "share"),
        "mine.rrl": files["mine.rrl"].replace("base(frac=", "base(share="),
    }


@pytest.mark.parametrize(
    "text",
    [
        'import "base.rrl" as b\nb(frac=0.2\n',
        'import "base.rrl" as b\nlet c = ) | b(frac=0.2)\nb(frac=0.3) | c\n',
        'import "base.rrl" as b\nssl( | b(by="label", frac=0.2)) +\n',
    ],
)
def test_renaming_reaches_statements_that_are_broken(tmp_path: Path, text: str):
    folder = Folder(tmp_path, {"base.rrl": BASE, "mine.rrl": text}, ("base.rrl", "mine.rrl"))
    for name, place in (("base.rrl", at(BASE, "frac")), ("mine.rrl", at(text, "frac"))):
        assert folder.renamed(name, place, "share")["mine.rrl"] == text.replace("frac", "share")


def test_a_word_that_an_error_hides_is_not_left_behind(tmp_path: Path):
    text = 'let pick = "coarse"\nsupervised(labels=pick) | ) supervised(labels=pick)\n'
    folder = Folder(tmp_path, {"mine.rrl": text}, ("mine.rrl",))
    with pytest.raises(rename.Refused, match="`pick` is also in line 2"):
        folder.renamed("mine.rrl", at(text, "pick"), "field")


def test_renaming_reaches_what_is_open_and_not_on_disk(tmp_path: Path):
    folder = Folder(tmp_path, {"base.rrl": BASE}, ("base.rrl",))
    text = 'import "base.rrl" as b\nb(frac=0.2)\n'
    folder.open("new.rrl", text)
    files = folder.renamed("base.rrl", at(BASE, "frac"), "share")
    assert files["new.rrl"] == text.replace("frac", "share")


def test_a_parameter_that_is_used_as_a_word(tmp_path: Path):
    text = 'param by = "coarse"\nsupervised(labels=by) | supervised(labels="by")\n'
    folder = Folder(tmp_path, {"mine.rrl": text}, ("mine.rrl",))
    expected = text.replace("param by", "param kind").replace("=by", "=kind")
    assert folder.renamed("mine.rrl", at(text, "by"), "kind") == {"mine.rrl": expected}


@pytest.mark.parametrize(
    ("text", "word", "new", "message"),
    [
        ("let a = ssl()\na", "ssl", "b", "`ssl` is a built-in and cannot be renamed"),
        ("let a = ssl()\na", "let", "b", "`let` is a reserved word and cannot be renamed"),
        (
            "let a = ssl(views=2)\na",
            "views",
            "b",
            "this recipe does not define anything at this place",
        ),
        ("let a = ssl()\na", "=", "b", "this recipe does not define anything at this place"),
        ("let a = ssl()\na", "a", "ssl", "`ssl` is a built-in and cannot be redefined"),
        ("let a = ssl()\na", "a", "let", "`let` is a reserved word and cannot be a name"),
        ("let a = ssl()\na", "a", "true", "`true` is a reserved word and cannot be a name"),
        ("let a = ssl()\na", "a", "A", "`A` is not a name"),
        ("let a = ssl()\na", "a", "é", "`é` is not a name"),
        ("let a = ssl()\na", "a", "a b", "`a b` is not a name"),
        ("let a = ssl()\na", "a", "", "`` is not a name"),
        ("let b = all()\nlet a = ssl()\na", "a =", "b", "`b` is already defined"),
        ("param f = 0.3\nsupervised(f, coarse)", "f", "coarse", "`coarse` is used"),
        ("param f = 0.3\nsupervised(f) | g", "f", "g", "`g` is used"),
        ("let a = ssl()\na | b(a)", "a", "c", "`a` is also in line 2"),
        ("let a = ssl()\nlet a = all()\na", "a", "c", "`a` is also in line 2"),
        ("let a = ssl()\na | ) a", "a", "c", "`a` is also in line 2"),
        ("a\nlet a = ssl()\na", "a =", "c", "`a` is also in line 1"),
        ("param f = 0.3\nsupervised(frac=f, f)", "f", "g", "`f` is also in line 2"),
    ],
)
def test_renames_that_are_errors(tmp_path: Path, text: str, word: str, new: str, message: str):
    folder = Folder(tmp_path, {"mine.rrl": text}, ("mine.rrl",))
    with pytest.raises(rename.Refused) as refusal:
        folder.renamed("mine.rrl", at(text, word), new)
    assert str(refusal.value).startswith(message)


def test_words_that_stand_for_themselves_stay(tmp_path: Path):
    text = (
        "let coarse = supervised(labels=coarse)\nlet frac = 0.3\ncoarse | supervised(frac=frac)\n"
    )
    folder = Folder(tmp_path, {"mine.rrl": text}, ("mine.rrl",))
    assert folder.renamed("mine.rrl", at(text, "coarse"), "big") == {
        "mine.rrl": text.replace("let coarse", "let big").replace("\ncoarse", "\nbig")
    }
    assert folder.renamed("mine.rrl", at(text, "let frac") + 4, "f") == {
        "mine.rrl": text.replace("let frac", "let f").replace("=frac)", "=f)")
    }


def test_the_name_that_would_be_renamed(two: Folder):
    span, name = rename.renamed_at(two.documents, two.document("mine.rrl"), at(MINE, "base("))
    assert MINE[slice(*span)] == name == "base"
    with pytest.raises(rename.Refused, match="built-in"):
        rename.renamed_at(two.documents, two.document("mine.rrl"), at(MINE, "ssl"))


def test_the_same_name_changes_nothing(two: Folder):
    assert two.renamed("mine.rrl", at(MINE, "noise"), "noise") == {}


@MODEST
@given(recipes(), recipes(), st.data())
def test_a_rename_keeps_what_a_recipe_means(tmp_path_factory, one, other, data):
    text = f"param share = 0.3\nlet first = {text_of(one)}\nlet second = {text_of(other)}\n"
    text += "first + second | (supervised(share) | keep(p=share)) + first\n"
    graph = analyze(Source(text)).graph
    if graph is None:  # the two together are too deep
        return
    documents = Documents()
    document = documents.open("untitled:mine", 1, text)
    own = [word for word in tokens_of(Source(text)) if word in ("share", "first", "second")]
    token = data.draw(st.sampled_from(own))
    edits = rename.rename(documents, document, token.start_pos, "another").changes
    assert edits is not None
    renamed = applied(text, edits["untitled:mine"])
    assert analyze(Source(renamed)).graph == graph
    assert not [word for word in tokens_of(Source(renamed)) if word == token]
