"""Text of a user in a page of Markdown, which ends no block or span of code by what it holds."""

from __future__ import annotations

import re

from rrl_dsl.language.diagnostics import printable


def fenced(text: str, language: str = "") -> str:
    """A block of code, with a fence that is longer than every run of backquotes in the text."""
    fence = "`" * max(3, _longest(text) + 1)
    shown = printable(text, but="\n\t")
    return f"{fence}{language}\n{shown}\n{fence}"


def code(text: str) -> str:
    """A span of code on one line."""
    quotes = "`" * (_longest(text) + 1)
    room = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{quotes}{room}{printable(text)}{room}{quotes}"


def _longest(text: str) -> int:
    """How many backquotes stand together at most."""
    return max(map(len, re.findall("`+", text)), default=0)
