"""The metrics of a run, one row an epoch from 1 on, written whole and atomically after each."""

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
"""The figures of an epoch by their names."""

_OF_A_STEP: Final = ("step/", "lr-")
"""What the names of metrics of a single step begin with; the loggers alone have these."""


class History(Callback):
    """Keeps the rows in the checkpoint too, so that a resumed run goes on with the same table."""

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
        """Adds the epoch's row and writes the file."""
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
        """The rows so far."""
        return {"rows": self.rows, "seconds": self._seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])
        self._seconds = state_dict["seconds"]

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Writes the rows of the checkpoint that the run goes on from."""
        if self.rows and trainer.is_global_zero:
            write_text(self.path, table_of(self.rows))

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts the clock."""
        self._started = time.monotonic()


def table_of(rows: Sequence[Row]) -> str:
    """Rows as CSV with a header, in which a figure that a row lacks is empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def changes_of(path: Path, rows: Sequence[Row], epochs: int) -> Iterator[Difference]:
    """What of a table is not as a run wrote it.

    A run that is killed between table and checkpoint, or that goes on from the checkpoint before
    the newest, leaves rows of later epochs. They are written anew.

    Args:
        path: The CSV file.
        rows: The rows of the checkpoint.
        epochs: How many rows there may be.
    """
    if not rows and not os.path.lexists(path):
        return
    kept = _figures(table_of(rows))
    try:
        found = _figures(read_bytes(path, str(path), TABLE_BYTES).decode())
    except (OSError, UnicodeDecodeError, csv.Error):
        yield Difference(path.name, _epochs(len(kept)), "missing or damaged", path.name)
        return
    in_order = [row.get("epoch") for row in found] == [str(1.0 + row) for row in range(len(found))]
    if not in_order or not len(kept) <= len(found) <= epochs:
        now = _epochs(len(found)) if in_order else "of other epochs"
        yield Difference(path.name, _epochs(len(kept)), now, path.name)
        return
    for number, pair in enumerate(zip(kept, found, strict=False), 1):
        for name, before, now, _ in differences(*pair):
            yield Difference(f"{path.name}: {name} of epoch {number}", before, now, path.name)


def _figures(text: str) -> list[dict[str, str]]:
    """The figures of each row as text; what is empty is not there."""
    rows = csv.DictReader(io.StringIO(text), restkey="more")
    return [{name: str(value) for name, value in row.items() if value} for row in rows]


def _epochs(count: int) -> str:
    return f"of {count} epoch{'' if count == 1 else 's'}"
