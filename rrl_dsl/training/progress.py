"""Shows the progress of a run: loss, accuracies of the probes, remaining time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor

_PLAIN_LINES = 10  # the number of lines without a terminal


class LiveProgress(Callback):
    """A progress bar of the run; without a terminal, some lines per run."""

    def __init__(self, console: Console) -> None:
        """A display.

        Args:
            console: Where to draw.
        """
        self._console = console
        self._task = TaskID(0)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            disable=not console.is_terminal,
            refresh_per_second=4,
        )

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Shows the bar; a resumed run starts at its step."""
        self._task = self._progress.add_task(
            "training",
            total=int(trainer.estimated_stepping_batches),
            completed=trainer.global_step,
            epoch=f"{trainer.current_epoch}/{trainer.max_epochs}",
            figures="",
        )
        self._progress.start()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Advances the bar."""
        self._progress.update(self._task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Shows the metrics of the epoch."""
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        figures = _figures(trainer.callback_metrics)
        self._progress.update(self._task, epoch=f"{done}/{total}", figures=figures)
        every = max(1, total // _PLAIN_LINES)
        if not self._console.is_terminal and (done % every == 0 or done == total):
            self._console.print(f"epoch {done}/{total}  {figures}", highlight=False)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Removes the bar."""
        self._progress.stop()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Removes the bar, so that it does not cover the error."""
        self._progress.stop()


def _figures(metrics: Mapping[str, Tensor]) -> str:
    shown = (
        ("loss", "loss"),
        ("online probes: backbone", "probe/backbone"),
        ("projector", "probe/projector"),
    )
    return "  ".join(f"{label} {float(metrics[key]):.3f}" for label, key in shown if key in metrics)
