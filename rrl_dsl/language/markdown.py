"""Text from a user as code in Markdown, whatever backquotes it contains."""

from __future__ import annotations

import re

from rrl_dsl.language.diagnostics import printable


def fenced(text: str, language: str = "") -> str:
    """Returns a block of code; its fence is longer than any run of backquotes in the text."""
    fence = "`" * max(3, _longest(text) + 1)
    shown = printable(text, but="\n\t")
    return f"{fence}{language}\n{shown}\n{fence}"


def code(text: str) -> str:
    """Returns a span of code on one line."""
    quotes = "`" * (_longest(text) + 1)
    room = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{quotes}{room}{printable(text)}{room}{quotes}"


def cell(text: str) -> str:
    """Returns Markdown as it is written in a cell of a table."""
    return text.replace("|", "\\|")


def _longest(text: str) -> int:
    """The length of the longest run of backquotes."""
    return max(map(len, re.findall("`+", text)), default=0)
