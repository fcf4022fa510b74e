"""What a run shows during training."""

from __future__ import annotations

import warnings

from rich.console import Console
from rich.table import Table

from rrl_dsl.language.diagnostics import Diagnostic


class Display:
    """Shows progress where it is asked for, and warns as Python does.

    The command line derives from it, and prints the rest too.

    Attributes:
        console: Shows progress.
    """

    def __init__(self, console: Console | None = None) -> None:
        """A display.

        Args:
            console: Shows progress; None for no progress.
        """
        self.console = console or Console(quiet=True)

    def text(self, line: str) -> None:
        """Shows a line about the run."""

    def warning(self, diagnostic: Diagnostic) -> None:
        """Warns of something that the user can change."""
        warnings.warn(diagnostic.render(), stacklevel=2)

    def result(self, table: Table | None, warnings: list[Diagnostic]) -> None:
        """Shows the final table, if there is one, and warnings about what was learned."""
