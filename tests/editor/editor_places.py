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
    """What is known of a text that lies in a folder, or in none."""
    return Analysis(Source(text, "mine.rrl", folder), "utf-16", {})


def marked(text: str, folder: Path | None = None) -> tuple[Analysis, int]:
    """What is known of a text without its mark, and where that was."""
    before, after = text.split("^")
    return analyzed(before + after, folder), len(before)


def items(text: str, folder: Path | None = None, **how: bool) -> list[types.CompletionItem]:
    analysis, offset = marked(text, folder)
    found = complete(analysis, offset, Ability(**{"snippets": True, **how}))
    assert [each.sort_text for each in found] == sorted({str(each.sort_text) for each in found})
    return found


def offered(text: str, folder: Path | None = None) -> list[str]:
    return [each.label for each in items(text, folder)]


def built_in(kind: str) -> list[str]:
    return [name for name, each in signatures().items() if each.kind == kind]


SOURCES, TRANSFORMS, SCHEDULES = built_in("source"), built_in("transform"), built_in("schedule")
BINARY_SOURCES = [name for name in SOURCES if name != "similarity"]
