"""How the command line shows a run."""

from __future__ import annotations

from rich.table import Table

from rrl_dsl.cli.output import output, print_diagnostic, print_text
from rrl_dsl.language.diagnostics import Diagnostic
from rrl_dsl.training.display import Display


class Terminal(Display):
    """Prints progress, what the run is, its final table and its warnings."""

    def __init__(self) -> None:
        """A display on standard output, with warnings on standard error."""
        super().__init__(output())

    def text(self, line: str) -> None:
        """Prints a line."""
        print_text(line)

    def warning(self, diagnostic: Diagnostic) -> None:
        """Prints a warning."""
        print_diagnostic(diagnostic)

    def result(self, table: Table | None, warnings: list[Diagnostic]) -> None:
        """Prints the final table and the warnings below it."""
        if table is not None:
            self.console.print()
            self.console.print(table)
        for diagnostic in warnings:
            print_diagnostic(diagnostic)
