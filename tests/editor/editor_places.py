"""Texts with `^` where something is asked."""

from pathlib import Path

from rrl_dsl.editor.analysis import Analysis
from rrl_dsl.language.span import Source


def analysed(text: str, folder: Path | None = None) -> Analysis:
    """What is known of a text that lies in a folder, or in none."""
    return Analysis(Source(text, "mine.rrl", folder), "utf-16", {})


def marked(text: str, folder: Path | None = None) -> tuple[Analysis, int]:
    """What is known of a text without its mark, and where that was."""
    before, after = text.split("^")
    return analysed(before + after, folder), len(before)
