"""Text from a user, made fit for a picture or a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """The text on one line, with characters that do not print as spaces.

    A class name or a recipe may hold what breaks an SVG file or moves a terminal's cursor.
    """
    return "".join(char if char.isprintable() else " " for char in text)


def clean_lines(text: str) -> list[str]:
    """The lines of a text that is not blank at either end, each made fit by `one_line`."""
    return [one_line(line.expandtabs(4)).rstrip() for line in text.strip("\n").splitlines()]
