"""Ends a training where its process is to end."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from rrl_dsl.training.watch import Watch


class EndAtSteps(Callback):
    """Ends a training between two steps."""

    def __init__(self, watch: Watch) -> None:
        """Ends a training.

        Args:
            watch: Knows when.
        """
        self._watch = watch

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Ends before a step."""
        self._watch.check()

    def on_validation_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Ends before a batch of the validation."""
        self._watch.check()
