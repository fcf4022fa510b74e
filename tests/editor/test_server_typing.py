"""A long time of typing: after every change what is shown is what a fresh look finds.

A recipe and the one it imports are typed character by character, disturbed in random places, put
back, renamed, fixed and formatted. The client's own copies of the texts are looked at anew after
each change; at random moments everything else that an editor asks is compared with a fresh answer.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from editor_client import LINE_END, Editor, applied, capabilities, offset, position
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from rrl_dsl.editor import rename
from rrl_dsl.editor.completion import Ability, complete
from rrl_dsl.editor.documents import Document, Documents
from rrl_dsl.editor.formatting import formatting
from rrl_dsl.editor.hover import hover_at
from rrl_dsl.editor.navigation import definition_at, highlights_at, outline, references_at
from rrl_dsl.editor.signature_help import signature_help
from rrl_dsl.graph.imports import Library
from rrl_dsl.graph.recipe import analyze
from rrl_dsl.language.diagnostics import Diagnostic, in_order
from rrl_dsl.language.span import Source

MINE = """# 😀 views e\u0301 of one image
import "base.rrl" as base
param frac = 0.3
param by = "coarse"
let known = supervised(frac=frac, labels=by)
ssl(views=2) | known
| base(share=0.5) | keep(frac)
"""
BASE = """param share = 0.2
let noise = corrupt(fpr=share)
supervised(share) | noise # 😀
"""
FRAGMENTS = [
    *["x", " ", "(", ")", ",", "=", "|", "&", "~", '"', "'", "#", "\n", "\r\n", "\r", "\\"],
    *["😀", "e\u0301", "\x0c", "\u2028", "\x00", "$", "1", "0.5", "let ", "param ", "contrast "],
    *["ssl()", "supervised(frac=", "\nlet y = ssl()\n", " | nothing", "import 'x.rrl' as x\n"],
    *["\nrrl 1\n", "((((", "linear(0, 1, epochs=3)", "known", "frac", "labels="],
]
LEAST = 240
"""How many changes there are at least."""

Shown = tuple[str, str, types.Range]


class Typist:
    """The editor with two texts, and the way back from what disturbed them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder.resolve()
        self.random = random.Random(seed)
        self.editor = Editor(able=capabilities(), folders=[self.folder])
        self.mine = (self.folder / "mine.rrl").as_uri()
        self.base = (self.folder / "base.rrl").as_uri()
        self.changes = 0
        self.compared = 0
        self.way_back: dict[str, list[tuple[int, int, str]]] = {self.mine: [], self.base: []}
        for uri in (self.mine, self.base):
            self.editor.open(uri, "")
            self.check(uri)

    # changes

    def put(self, uri: str, start: int, end: int, new: str) -> None:
        """Replaces a part of a text, character by character where it is written."""
        if start < end:
            self.step(uri, start, end, "")
        for index, char in enumerate(new):
            self.step(uri, start + index, start + index, char)

    def step(self, uri: str, start: int, end: int, new: str) -> None:
        self.editor.change(uri, start, end, new)
        self.check(uri)

    def type(self, uri: str, text: str) -> None:
        for char in text:
            end = len(self.editor.texts[uri])
            self.step(uri, end, end, char)
            if self.random.random() < 0.12:
                self.random.choice(
                    [self.disturb, self.undo, self.cut, self.rename, self.fix, self.format]
                )(uri)
            if self.random.random() < 0.15:
                self.compare(uri)

    def disturb(self, uri: str) -> None:
        """Writes something somewhere."""
        new, place = self.random.choice(FRAGMENTS), self.place(uri)
        self.way_back[uri].append((place, place + len(new), ""))
        self.put(uri, place, place, new)

    def cut(self, uri: str) -> None:
        """Takes something away."""
        start = self.place(uri)
        end = min(len(self.editor.texts[uri]), start + self.random.randint(1, 6))
        if not (self.splits(uri, start) or self.splits(uri, end)):
            self.way_back[uri].append((start, start, self.editor.texts[uri][start:end]))
            self.step(uri, start, end, "")

    def undo(self, uri: str) -> None:
        """Takes back the last disturbance."""
        if self.way_back[uri]:
            start, end, old = self.way_back[uri].pop()
            if not (self.splits(uri, start) or self.splits(uri, end)):
                self.step(uri, start, end, old)

    def rename(self, uri: str) -> None:
        """Renames the name at a random place, if there is one."""
        try:
            changes = self.editor.rename(uri, self.place(uri), f"n{self.changes}")
        except JsonRpcException:
            return
        for changed_uri, edits in changes.items():
            self.apply(changed_uri, edits)

    def fix(self, uri: str) -> None:
        """Applies a fix that the server offers."""
        actions = self.editor.actions(uri, 0, len(self.editor.texts[uri]))
        if actions:
            changes = self.random.choice(actions).edit.changes
            self.apply(uri, changes[uri])

    def format(self, uri: str) -> None:
        """Formats the text, unless it is broken."""
        edits = self.editor.formatting(uri)
        if edits:
            self.apply(uri, edits)

    def apply(self, uri: str, edits: list[types.TextEdit]) -> None:
        """Makes edits of the server, the last first, in one message."""
        self.way_back[uri].clear()
        text = self.editor.texts[uri]
        spans = [
            (offset(text, e.range.start), offset(text, e.range.end), e.new_text) for e in edits
        ]
        wanted = applied(text, edits)
        self.editor.change_all(uri, sorted(spans, reverse=True))
        if len({start for start, *_ in spans}) == len(spans):
            assert self.editor.texts[uri] == wanted
        self.check(uri)

    def place(self, uri: str) -> int:
        """A place in a text where something may be written."""
        while True:
            place = self.random.randint(0, len(self.editor.texts[uri]))
            if not self.splits(uri, place):
                return place

    def splits(self, uri: str, place: int) -> bool:
        """Whether a place is within a line end, where no editor puts its cursor."""
        ends = LINE_END.finditer(self.editor.texts[uri])
        return any(line_end.start() < place < line_end.end() for line_end in ends)

    # checks

    def check(self, uri: str) -> None:
        """Compares what is published for a changed text, and for the one that imports it."""
        self.changes += 1
        self.agree(uri, self.editor.diagnostics(uri))
        if uri == self.base:
            for _ in range(1000):
                try:
                    return self.agree(self.mine, self.editor.diagnostics(self.mine))
                except AssertionError:
                    self.editor.pause(0.01)  # what was published before the change
            self.agree(self.mine, self.editor.diagnostics(self.mine))
        return None

    def agree(self, uri: str, published: list[types.Diagnostic]) -> None:
        own, foreign = self.faults(uri)
        assert [(fault.code, fault.message, fault.range) for fault in published[: len(own)]] == own
        rest = published[len(own) :]
        assert bool(rest) == bool(foreign)
        assert all(any(fault.message in one.message for one in rest) for fault in foreign[:1])

    def faults(self, uri: str) -> tuple[list[Shown], list[Diagnostic]]:
        """The errors that a fresh look at a text finds, and those of the files that it imports."""
        text = self.editor.texts[uri]
        source = Source(text, Path(uri).name, self.folder)
        overlay = {
            self.folder / Path(file_uri).name: other
            for file_uri, other in self.editor.texts.items()
        }
        faults = analyze(source, library=Library(overlay)).faults
        own: list[Shown] = []
        for fault in in_order(fault for fault in faults if fault.source is source):
            assert fault.span is not None
            start, end = fault.span
            end = start if text[start : start + 1] in ("", "\r", "\n") else end
            hint = f"\nhelp: {fault.hint}" if fault.hint else ""
            place = types.Range(position(text, start), position(text, min(end, len(text))))
            own.append((fault.code, fault.message + hint, place))
        return own, in_order(fault for fault in faults if fault.source is not source)

    def compare(self, uri: str) -> None:
        """Compares every other answer with that of texts that were opened just now."""
        self.compared += 1
        fresh = Documents()
        fresh.folders = (self.folder,)
        for name, text in self.editor.texts.items():
            fresh.open(name, 1, text)
        document = fresh.get(uri)
        assert document is not None
        for ask in (answers_at, answers_of):
            for answer, wanted in ask(self.editor, fresh, document, self.place(uri)):
                assert answer == wanted


def answers_at(
    editor: Editor, fresh: Documents, document: Document, place: int
) -> Iterator[tuple[object, object]]:
    """What the server and what a fresh look say about a place."""
    uri, at = document.uri, editor.at(document.uri, place)
    analysis = fresh.analyzed(document)
    items = complete(analysis, place, Ability(snippets=True))
    yield editor.complete(uri, place), sorted(items, key=lambda item: item.sort_text or "")
    hover, known = editor.hover(uri, place), hover_at(analysis, place)
    yield hover is None, known is None
    if hover is not None and known is not None:
        yield hover.startswith("\n\n".join(known.parts)), True
    for method, params, own in (
        (types.TEXT_DOCUMENT_DEFINITION, types.DefinitionParams(**at), definition_at),
        (
            types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT,
            types.DocumentHighlightParams(**at),
            highlights_at,
        ),
    ):
        yield listed(editor.ask(method, params)), own(fresh, document, place)
    context = types.ReferenceContext(include_declaration=True)
    references = types.ReferenceParams(context=context, **at)
    yield (
        listed(editor.ask(types.TEXT_DOCUMENT_REFERENCES, references)),
        references_at(fresh, document, place, declaration=True),
    )
    signature = editor.ask(types.TEXT_DOCUMENT_SIGNATURE_HELP, types.SignatureHelpParams(**at))
    own_signature = signature_help(analysis, place)
    yield signature is None, own_signature is None
    if signature is not None and own_signature is not None:
        yield signature.active_parameter, own_signature.active_parameter
        yield signature.signatures[0].label, own_signature.signatures[0].label
    yield (
        outcome(lambda: editor.rename(uri, place, "another")),
        outcome(lambda: rename.rename(fresh, document, place, "another").changes),
    )


def answers_of(
    editor: Editor, fresh: Documents, document: Document, place: int
) -> Iterator[tuple[object, object]]:
    """What the server and what a fresh look say about a whole text."""
    identifier = types.TextDocumentIdentifier(document.uri)
    symbols = types.DocumentSymbolParams(identifier)
    analysis = fresh.analyzed(document)
    yield listed(editor.ask(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, symbols)), outline(analysis)
    yield listed(editor.formatting(document.uri)), formatting(analysis)


def listed(answer: object) -> object:
    return list(answer) if isinstance(answer, tuple) else answer


def outcome(change: Callable[[], object]) -> object:
    """What a rename changes, or why it is refused."""
    try:
        renamed = change()
    except (JsonRpcException, rename.Refused) as refusal:
        return str(refusal)
    assert renamed is not None
    return {uri: list(edits) for uri, edits in dict(renamed).items()}  # type: ignore[call-overload]


@pytest.mark.parametrize("seed", [1])
def test_no_answer_is_ever_stale(tmp_path: Path, seed: int):
    typist = Typist(tmp_path, seed)
    editor, mine, base = typist.editor, typist.mine, typist.base
    half = len(BASE) // 2
    typist.type(base, BASE[:half])
    typist.type(mine, MINE)
    typist.type(base, BASE[half:])
    while typist.changes < LEAST:
        typist.disturb(typist.random.choice((mine, base)))
    for uri, text in ((base, BASE), (mine, MINE)):
        typist.compare(uri)
        editor.replace(uri, text)  # whatever was left of the disturbances
        typist.check(uri)
        typist.compare(uri)
    assert editor.diagnostics(mine) == editor.diagnostics(base) == []
    assert typist.compared > 20
    versions: dict[str, int] = {}
    for message in editor.published:
        assert message.version is not None
        assert message.version >= versions.get(message.uri, 0), "for an older version"
        versions[message.uri] = message.version
    compare_with_a_fresh_server(typist)
    assert editor.failures == []
    assert editor.quit() == 0


def compare_with_a_fresh_server(typist: Typist) -> None:
    """Asks a server that knows nothing of the typist the same questions."""
    other = Editor(able=capabilities(), folders=[typist.folder])
    for uri in (typist.base, typist.mine):
        other.open(uri, typist.editor.texts[uri])
        assert other.diagnostics(uri) == typist.editor.diagnostics(uri)
        for place in range(0, len(typist.editor.texts[uri]), 7):
            if not typist.splits(uri, place):
                assert other.complete(uri, place) == typist.editor.complete(uri, place)
                asked = [client.hover(uri, place) or "" for client in (other, typist.editor)]
                assert len({text.partition("its density is being")[0][:60] for text in asked}) == 1
    other.quit()
