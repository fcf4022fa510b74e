"""Texts with `^` where something is asked, and what is offered there."""

from pathlib import Path

from lsprotocol import types

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.editor.completion import Ability, complete
from rrl_dsl.graph.registry import signatures
from rrl_dsl.language.span import Source

IMPORT = 'param share = 0.5\nparam word = "coarse"\nlet known = ssl()\nimport "base.rrl" as base\n'
"""Imports what the fixture `folder` holds."""


def analyzed(text: str, folder: Path | None = None) -> Analysis:
    """The analysis of a text, in a folder or in none."""
    return Analysis(Source(text, "mine.rrl", folder), "utf-16", {})


def marked(text: str, folder: Path | None = None) -> tuple[Analysis, int]:
    """The analysis of a text without its mark, and the place of the mark."""
    before, after = text.split("^")
    return analyzed(before + after, folder), len(before)


def items(text: str, folder: Path | None = None, **how: bool) -> list[types.CompletionItem]:
    analysis, offset = marked(text, folder)
    items = complete(analysis, offset, Ability(**{"snippets": True, **how}))
    assert [item.sort_text for item in items] == sorted({str(item.sort_text) for item in items})
    return items


def offered(text: str, folder: Path | None = None) -> list[str]:
    return [item.label for item in items(text, folder)]


def built_in(kind: str) -> list[str]:
    return [name for name, signature in signatures().items() if signature.kind == kind]


SOURCES, TRANSFORMS, SCHEDULES = built_in("source"), built_in("transform"), built_in("schedule")
BINARY_SOURCES = [name for name in SOURCES if name != "similarity"]
