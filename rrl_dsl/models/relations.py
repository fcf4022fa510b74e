"""The relations of one step: between all rows, between whole views, and with rows of the bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.processes import Parts
from rrl_dsl.backends.program import Program
from rrl_dsl.backends.relation import Relation
from rrl_dsl.losses import Loss
from rrl_dsl.losses.outputs import Output
from rrl_dsl.models.encoder import Outputs

SPACES: Final[dict[str, Output]] = {
    "projection": "projection",
    "backbone": "backbone",
    "teacher": "teacher_projection",
}
"""A space of recipes -> the output it is."""


@dataclass(frozen=True)
class Relations:
    """The rows of a step with their outputs.

    Attributes:
        program: The recipe.
        nodes: The n rows: the whole views, then the local views.
        outputs: The outputs of the model; teacher and patches have only whole views. In a ring of
            processes, those of the rows of this process.
        known: The outputs of all rows that the recipe reads or the bank keeps.
        whole: The number of rows of whole views.
        bank: Earlier rows, the newest first, with their outputs, if the recipe uses a bank.
        epoch: The epoch.
        step: The optimizer step.
        parts: With several processes, the rows of each process, among all rows and among the rows
            of whole views.
    """

    program: Program
    nodes: Nodes
    outputs: Outputs
    known: Outputs
    whole: int
    bank: tuple[Nodes, Outputs] | None
    epoch: int
    step: int
    parts: tuple[Parts, Parts] | None = None
    _found: dict[tuple[bool, bool], Relation] = field(default_factory=dict)

    def value(self, loss: Loss) -> Tensor:
        """Computes the loss, a scalar: each term over the relation of the outputs it compares."""
        return loss.summed(self._of_one)

    def skipped(self, loss: Loss) -> dict[str, Tensor]:
        """Returns the shares of rows that the loss leaves out, by term if it has several."""
        terms = loss.flat_terms()
        return {
            reason if len(terms) == 1 else f"{term.name()}/{reason}": share
            for _, term in terms
            for reason, share in term.skipped(self.between(*compared(term))).items()
        }

    def between(self, z: Output, keys: Output) -> Relation:
        """Returns the relation of the rows with one output and the columns with another."""
        sides = self._is_whole(z), self._is_whole(keys)
        if sides not in self._found:
            self._found[sides] = self._relate(*sides, self.outputs[z].shape[-1])
        return self._found[sides]

    def whole_rows(
        self, *, own: bool = False
    ) -> tuple[Nodes, Nodes, dict[str, tuple[Tensor, Tensor]]]:
        """Returns the rows of whole views, their columns, and the vectors of both by space.

        Args:
            own: Whether to return only the rows of this process.
        """
        rows, cols, spaces = self._sides(True, True)
        if not own or self.parts is None:
            return rows, cols, spaces
        mine = self.parts[True].own
        return rows[mine], cols, {name: (space[mine], k) for name, (space, k) in spaces.items()}

    def _of_one(self, loss: Loss) -> Tensor:
        """Computes a loss without terms."""
        z, keys = compared(loss)
        columns = None
        if self.bank is not None:
            columns = {keys: torch.cat([self.outputs[keys], self.bank[1][keys]])}
        return loss.over(self.between(z, keys), self.outputs, columns)

    def _relate(self, rows_whole: bool, cols_whole: bool, width: int) -> Relation:
        rows, cols, spaces = self._sides(rows_whole, cols_whole)
        gather = None
        if self.parts is not None:
            gather = self.parts[rows_whole].against(self.parts[cols_whole])
        return self.program.relate(
            rows,
            cols,
            spaces=spaces,
            width=width,
            gather=gather,
            epoch=self.epoch,
            step=self.step,
        )

    def _sides(
        self, rows_whole: bool, cols_whole: bool
    ) -> tuple[Nodes, Nodes, dict[str, tuple[Tensor, Tensor]]]:
        rows, cols = (self._rows(whole) for whole in (rows_whole, cols_whole))
        if rows_whole == cols_whole:
            cols = rows
        sizes = len(rows), len(cols)
        wanted = {name: SPACES[name] for name in self.program.requires.spaces if name in SPACES}
        if self.bank is None:
            spaces = {
                name: (self.known[output][: sizes[0]], self.known[output][: sizes[1]])
                for name, output in wanted.items()
            }
            return rows, cols, spaces
        earlier, kept = self.bank
        spaces = {
            name: (
                self.known[output][: sizes[0]],
                torch.cat([self.known[output][: sizes[1]].detach(), kept[output]]),
            )
            for name, output in wanted.items()
        }
        return rows, cols.followed_by(earlier), spaces

    def _rows(self, whole: bool) -> Nodes:
        return self.nodes[: self.whole] if whole else self.nodes

    def _is_whole(self, output: Output) -> bool:
        rows = len(self.nodes)
        if self.parts is not None and self.parts[False].ring:
            rows = len(self.parts[False].own)
        return len(self.outputs[output]) < rows


def compared(loss: Loss) -> tuple[Output, Output]:
    """Returns the outputs of rows and of columns that a loss without terms compares."""
    inputs: Mapping[str, Output] = loss.inputs()
    return inputs["z"], inputs.get("keys", inputs["z"])
