"""Saves in each checkpoint what the run depends on, and what changed when it was resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch.optim.lr_scheduler import LambdaLR

from rrl_dsl.training.module import RelationalModule
from rrl_dsl.training.optimizer import set_anew
from rrl_dsl.training.provenance import Provenance, differences


class Record(Callback):
    """Saves the provenance and the notes of a run in its checkpoints.

    Attributes:
        notes: What changed when the run was resumed, one sentence per change.
    """

    def __init__(
        self, provenance: Provenance, done: int, changes: Sequence[str], say: Callable[[str], None]
    ) -> None:
        """The record of a run.

        Args:
            provenance: What the numbers depend on now.
            done: The number of complete epochs.
            changes: What the user changed before resuming.
            say: Shows a note about a change that the user did not ask for.
        """
        self.provenance = provenance
        self.notes: list[str] = []
        self._after = f"after epoch {done}: "
        self._changes = changes
        self._say = say
        self._before: dict[str, str] = {}
        self._now: dict[str, str] = {}

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint saves."""
        return {"provenance": self.provenance.to_dict(), "machine": self._now, "notes": self.notes}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Loads the notes of a checkpoint, and the machine that it was saved on."""
        self.notes = list(state_dict["notes"])
        self._before = state_dict["machine"]

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Notes what changed since the checkpoint that the run is resumed from."""
        assert isinstance(pl_module, RelationalModule)
        self._now = machine(trainer.strategy.root_device, compiled=pl_module.is_compiled)
        self.notes += [self._after + change for change in self._changes]
        for difference in differences(self._before, self._now) if self._before else ():
            self.notes.append(f"{self._after}{difference}")
            self._say(f"{difference}: from here on, sums are computed in another order")

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Applies the settings that the user changed to the optimizer."""
        if self._changes and isinstance(pl_module, RelationalModule):
            fresh = pl_module.configure_optimizers()["optimizer"]
            schedule = trainer.lr_scheduler_configs[0].scheduler
            assert isinstance(schedule, LambdaLR)
            set_anew(trainer.optimizers[0], schedule, fresh)


def machine(device: torch.device, *, compiled: bool) -> dict[str, str]:
    """Returns what the rounding of sums depends on: threads, device, and a compiled encoder."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    facts = {"threads": str(torch.get_num_threads()), "device": name}
    return facts | ({"encoder": "compiled"} if compiled else {})
