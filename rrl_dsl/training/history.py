"""The metrics of a run: one row per epoch, counted from 1. The file is written atomically."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import lightning as L
from lightning.pytorch.callbacks import Callback

from rrl_dsl.language.files import TABLE_BYTES, read_bytes, write_text
from rrl_dsl.training.provenance import Difference, differences

Row = dict[str, float]
"""The metrics of an epoch by name."""

_OF_A_STEP: Final = ("step/", "lr-")
"""Prefixes of metrics of a single step, which only the loggers record."""


class History(Callback):
    """Writes `metrics.csv`, and saves the rows in checkpoints, so that a resumed run has them."""

    def __init__(self, path: Path) -> None:
        """The history of a run.

        Args:
            path: The CSV file.
        """
        self.path = path
        self.rows: list[Row] = []
        self._seconds = 0.0
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Adds the row of the epoch and writes the file."""
        now = time.monotonic()
        self._seconds += now - self._started
        self._started = now
        figures = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if not name.startswith(_OF_A_STEP)
        }
        row = {"epoch": float(trainer.current_epoch + 1), "seconds": round(self._seconds, 2)}
        self.rows.append({**row, **dict(sorted(figures.items()))})
        if trainer.is_global_zero:
            write_text(self.path, table_of(self.rows))

    def state_dict(self) -> dict[str, Any]:
        """Returns the rows so far."""
        return {"rows": self.rows, "seconds": self._seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Loads the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])
        self._seconds = state_dict["seconds"]

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Writes the rows of the checkpoint that the run is resumed from."""
        if self.rows and trainer.is_global_zero:
            write_text(self.path, table_of(self.rows))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts the clock."""
        self._started = time.monotonic()


def table_of(rows: Sequence[Row]) -> str:
    """Returns rows as CSV with a header. A metric that a row does not have is empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def changes_of(path: Path, rows: Sequence[Row], epochs: int) -> Iterator[Difference]:
    """Yields what differs between a table and the rows that the run wrote.

    Rows after those of the checkpoint are allowed: a run that is killed between writing the table
    and the checkpoint leaves them, and resuming replaces them.

    Args:
        path: The CSV file.
        rows: The rows of the checkpoint.
        epochs: The largest number of rows.
    """
    if not rows and not os.path.lexists(path):
        return
    kept = _figures(table_of(rows))
    try:
        present = figures_of(path)
    except (OSError, UnicodeDecodeError, csv.Error):
        yield Difference(path.name, _epochs(len(kept)), "missing or damaged", path.name)
        return
    in_order = [row.get("epoch") for row in present] == [
        str(1.0 + at) for at in range(len(present))
    ]
    if not in_order or not len(kept) <= len(present) <= epochs:
        now = _epochs(len(present)) if in_order else "of other epochs"
        yield Difference(path.name, _epochs(len(kept)), now, path.name)
        return
    for number, pair in enumerate(zip(kept, present, strict=False), 1):
        for name, before, now, _ in differences(*pair):
            yield Difference(f"{path.name}: {name} of epoch {number}", before, now, path.name)


def figures_of(path: Path) -> list[dict[str, str]]:
    """Reads the metrics of each row as text, without empty cells.

    Args:
        path: The CSV file.

    Raises:
        OSError, UnicodeDecodeError, csv.Error: If the file cannot be read.
        RRLError: RRL428 if it is too large.
    """
    return _figures(read_bytes(path, str(path), TABLE_BYTES).decode())


def _figures(text: str) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(text), restkey="more")
    return [{name: str(value) for name, value in row.items() if value} for row in rows]


def _epochs(count: int) -> str:
    return f"of {count} epoch{'' if count == 1 else 's'}"
