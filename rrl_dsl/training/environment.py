"""What Lightning is told of the processes of a run."""

from __future__ import annotations

import os

from lightning.fabric.plugins.environments.lightning import LightningEnvironment


class Environment(LightningEnvironment):
    """Lightning takes what `rrl_dsl.training.ranks.adopt` settled, and looks for no launcher."""

    def __init__(self) -> None:
        super().__init__()
        self.set_global_rank(int(os.environ.get("RANK", 0)))  # Lightning read it at its import

    def teardown(self) -> None:
        """Keeps what a launcher set, for the next training of the same process."""
        if "RANK" not in os.environ:
            super().teardown()
