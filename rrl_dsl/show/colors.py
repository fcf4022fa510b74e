"""The colors of the pictures."""

from __future__ import annotations

from typing import Final

INK: Final = "#1a1a1a"
QUIET: Final = "#6b6b6b"
HAIRLINE: Final = "#b4bac2"
WEAK: Final = "#d6d6d6"
UNKNOWN_COLOR: Final = "#c8c8c8"
ACCENT: Final = "#e4391d"
ACCENT_WEAK: Final = "#f7c8bf"

CLASS_COLORS: Final = (
    "#0072b2", "#e0a100", "#009e73", "#8f5fae", "#56b4e9",
    "#7a6a4f", "#a6c34c", "#2f3e83", "#d78fc0", "#00696b",
)  # fmt: skip
"""Colors of classes: distinct with color vision deficiency, and different from the accent."""
