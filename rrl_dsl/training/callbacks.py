"""A Lightning callback that logs the relation of a run; it works with any trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from rrl_dsl.training.module import RelationalModule


class EdgeStatistics(Callback):
    """Logs statistics of the graph of the first batch of every epoch.

    `edges/…` are the statistics of `rrl_dsl.training.statistics`. `skipped/…` are the shares of
    rows that the loss ignores (`Loss.skipped`).
    """

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Logs the statistics of the first batch."""
        if batch_idx > 0 or not isinstance(pl_module, RelationalModule):
            return
        assert isinstance(outputs, Mapping)
        figures = pl_module.edge_statistics(outputs["relations"])
        skipped = {f"skipped/{name}": share for name, share in outputs["skipped"].items()}
        pl_module.log_dict({**figures, **skipped}, on_step=False, on_epoch=True, batch_size=1)
