"""The bank: rows of earlier steps with their embeddings, as further columns or to search in."""

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
    """The last rows that were put into it, the newest first, of all ranks alike.

    It fills within the first steps: until then it has fewer rows. It is a part of a checkpoint.
    """

    def __init__(self, size: int) -> None:
        """An empty bank.

        Args:
            size: How many rows it keeps.
        """
        super().__init__()
        self._size = size
        self._nodes: Nodes | None = None
        self._outputs: Outputs = {}

    @torch.no_grad()
    def push(self, nodes: Nodes, outputs: Mapping[Output, Tensor]) -> None:
        """Puts rows in front, and lets the oldest go.

        Args:
            nodes: The n rows.
            outputs: Their embeddings, each (n, d), of the same names every time.

        Raises:
            RRLError: RRL406 where they are of other names than before, or of other rows.
        """
        if self._nodes is not None and outputs.keys() != self._outputs.keys():
            message = (
                f"a bank of {listing(self._outputs)} was given {listing(outputs) or 'nothing'}"
            )
            raise error("RRL406", message, hint="pass the same outputs every time")
        for name, each in outputs.items():
            if len(each) != len(nodes):
                message = f"a bank was given {len(nodes)} rows, but {len(each)} of `{name}`"
                raise error("RRL406", message)
        added = {name: each.detach()[: self._size] for name, each in outputs.items()}
        nodes = nodes[: self._size]
        if self._nodes is not None:
            kept = slice(0, self._size - len(nodes))
            nodes = nodes.followed_by(self._nodes.to(nodes.device)[kept])
            added = {
                name: torch.cat([each, self._outputs[name].to(each)[kept]])
                for name, each in added.items()
            }
        self._nodes, self._outputs = nodes, added

    def newest(self, count: int, device: torch.device) -> tuple[Nodes, Outputs] | None:
        """The newest rows, `count` of them or all there are, and their embeddings.

        Returns:
            Both on the device, or None where that is no row.
        """
        if self._nodes is None or not count:
            return None
        outputs: Outputs = {name: each[:count].to(device) for name, each in self._outputs.items()}
        return self._nodes[:count].to(device), outputs

    def get_extra_state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        columns = {} if self._nodes is None else vars(self._nodes)
        return {"nodes": dict(columns), "outputs": self._outputs}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Takes up what a checkpoint kept."""
        columns = state["nodes"]
        self._nodes = Nodes(**columns) if columns else None
        self._outputs = dict(state["outputs"])
