"""The bank: rows of earlier steps with their embeddings, for comparison or search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.language.diagnostics import error, listing
from rrl_dsl.losses.outputs import Output
from rrl_dsl.models.encoder import Outputs


class Bank(nn.Module):
    """The rows that were pushed last, newest first, from all ranks.

    The bank starts empty and fills during the first steps. It is part of a checkpoint.
    """

    def __init__(self, size: int) -> None:
        """Creates an empty bank.

        Args:
            size: The number of rows that it keeps.
        """
        super().__init__()
        self._size = size
        self._nodes: Nodes | None = None
        self._outputs: Outputs = {}

    @torch.no_grad()
    def push(self, nodes: Nodes, outputs: Mapping[Output, Tensor]) -> None:
        """Adds rows at the front and removes the oldest rows.

        Args:
            nodes: The n rows.
            outputs: Their embeddings (n, d). The names must be the same in every call.

        Raises:
            RRLError: RRL406 if the names differ from before, or the number of rows does not match.
        """
        if self._nodes is not None and outputs.keys() != self._outputs.keys():
            given = listing(outputs, "and") or "nothing"
            message = f"a bank of {listing(self._outputs, 'and')} was given {given}"
            raise error("RRL406", message, hint="pass the same outputs every time")
        for name, tensor in outputs.items():
            if len(tensor) != len(nodes):
                message = f"a bank was given {len(nodes)} rows, but {len(tensor)} of `{name}`"
                raise error("RRL406", message)
        added = {name: tensor.detach()[: self._size] for name, tensor in outputs.items()}
        nodes = nodes[: self._size]
        if self._nodes is not None:
            kept = slice(0, self._size - len(nodes))
            nodes = nodes.followed_by(self._nodes.to(nodes.device)[kept])
            added = {
                name: torch.cat([tensor, self._outputs[name].to(tensor)[kept]])
                for name, tensor in added.items()
            }
        self._nodes, self._outputs = nodes, added

    def newest(self, count: int, device: torch.device) -> tuple[Nodes, Outputs] | None:
        """Returns the newest rows, at most `count`, and their embeddings.

        Returns:
            The rows and the embeddings on the device, or None if there are no rows.
        """
        if self._nodes is None or not count:
            return None
        outputs: Outputs = {
            name: tensor[:count].to(device) for name, tensor in self._outputs.items()
        }
        return self._nodes[:count].to(device), outputs

    def get_extra_state(self) -> dict[str, Any]:
        """Returns the state for a checkpoint."""
        columns = {} if self._nodes is None else vars(self._nodes)
        return {"nodes": dict(columns), "outputs": self._outputs}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Restores the state from a checkpoint."""
        columns = state["nodes"]
        self._nodes = Nodes(**columns) if columns else None
        self._outputs = dict(state["outputs"])
