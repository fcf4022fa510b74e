"""The ranks of a run, as Lightning reads them."""

from __future__ import annotations

import os

from lightning.fabric.plugins.environments.lightning import LightningEnvironment


class Environment(LightningEnvironment):
    """Gives Lightning the ranks that `rrl_dsl.training.ranks.adopt` set, whatever the launcher."""

    def __init__(self) -> None:
        super().__init__()
        # Lightning reads the variable only when it is imported
        self.set_global_rank(int(os.environ.get("RANK", 0)))

    def teardown(self) -> None:
        """Keeps the variables of a launcher for the next training in this process."""
        if "RANK" not in os.environ:
            super().teardown()
