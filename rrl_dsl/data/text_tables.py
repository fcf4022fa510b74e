"""Tables of text, CSV or TSV, as columns."""

from __future__ import annotations

from pathlib import Path

from rrl_dsl.data import cells
from rrl_dsl.data.unknown import UNKNOWN
from rrl_dsl.language.delimited import DelimitedText
from rrl_dsl.language.faults import Faults
from rrl_dsl.language.files import TABLE_BYTES


class TextTable(DelimitedText):
    """A file of rows of cells, the first of which names the columns."""

    def __init__(self, path: Path, delimiter: str, unknown: frozenset[str] = UNKNOWN) -> None:
        """Reads a file.

        Args:
            path: The file; OSError where it cannot be read.
            delimiter: What stands between cells.
            unknown: The words for a missing value.

        Raises:
            RRLError: RRL412 for what is not UTF-8 text, a file without a row, and rows of another
                length than the first; RRL428 where it is too large.
        """
        mark = "a tab" if delimiter == "\t" else f"`{delimiter}`"
        longer = f"a cell that holds {mark} stands in quotes"
        super().__init__("RRL412", path, str(path), TABLE_BYTES, delimiter, longer)
        rows = self.equal_rows()
        names = next(rows, [])
        columns: list[list[str]] = [[] for _ in names]
        for row in rows:
            for column, cell in zip(columns, row, strict=True):
                column.append(cell)
        self.faults.stop()
        self.columns = [
            cells.of_text(name, at, columns[at], self.column_faults(), unknown)
            for at, name in enumerate(names)
        ]

    def column_faults(self) -> Faults:
        """No faults yet, for one column: they refuse that column alone."""
        return Faults("RRL412", self._name, self.locate)
