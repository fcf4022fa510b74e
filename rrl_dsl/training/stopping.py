"""Ends a training: between two steps after a signal, or where the user interrupts it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.watch import Stopped, Watch


@contextmanager
def interruptible(run: RunDirectory) -> Iterator[None]:
    """Raises KeyboardInterrupt where the user interrupts a training, and says how to resume it.

    Lightning raises SystemExit instead, and leaves SIGINT ignored.

    Args:
        run: The run that is trained.

    Raises:
        KeyboardInterrupt: If the user interrupts the training.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except Stopped:
        raise
    except SystemExit:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        message = "training was interrupted"
        if run.has_checkpoint():
            message += f"; `rrl_dsl.train(resume={str(run.path)!r})` continues it"
        raise KeyboardInterrupt(message) from None


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
