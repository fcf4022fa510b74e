"""The metrics of a run, one row an epoch from 1 on, written whole and atomically after each."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any, Final

import lightning as L
from lightning.pytorch.callbacks import Callback

from rrl_dsl.language.files import write_text

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
        self.rows: list[dict[str, float]] = []
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
            self._write()

    def state_dict(self) -> dict[str, Any]:
        """The rows so far."""
        return {"rows": self.rows, "seconds": self._seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up the rows of a checkpoint."""
        self.rows = list(state_dict["rows"])
        self._seconds = state_dict["seconds"]

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts the clock."""
        self._started = time.monotonic()

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())
