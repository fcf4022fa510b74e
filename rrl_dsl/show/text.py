"""Cleans text from users for pictures and terminals."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Returns the text on one line, with a space for every non-printable character.

    A class name or a recipe may contain characters that break an SVG file or move the cursor of a
    terminal.
    """
    return "".join(char if char.isprintable() else " " for char in text)


def clean_lines(text: str) -> list[str]:
    """Returns the lines of a text, cleaned by `one_line`, without blank lines at either end."""
    return [one_line(line.expandtabs(4)).rstrip() for line in text.strip("\n").splitlines()]
