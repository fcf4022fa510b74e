"""The relations of one step: between all rows, whole views alone, and rows of the bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from rrl_dsl.backends.gathered import GatheredRelation, Share
from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program, Spaces
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
    """What a step knows of its rows.

    Attributes:
        program: The recipe.
        nodes: The n rows: those of whole views, then those of local ones.
        outputs: What the model made of them; teachers and patches have whole views alone.
        whole: How many rows are of whole views.
        bank: Earlier rows, the newest first, with their outputs, where the recipe has such columns.
        epoch: The epoch.
        step: The optimizer step.
        shares: Of several processes, which of all rows and which of the rows of whole views are
            those of this one.
    """

    program: Program
    nodes: Nodes
    outputs: Outputs
    whole: int
    bank: tuple[Nodes, Outputs] | None
    epoch: int
    step: int
    shares: tuple[Share, Share] | None = None
    _found: dict[tuple[bool, bool], Relation] = field(default_factory=dict)

    def value(self, loss: Loss) -> Tensor:
        """The loss over the rows, each term over the relation of what it compares; a scalar."""
        return loss.summed(self._of_one)

    def skipped(self, loss: Loss) -> dict[str, Tensor]:
        """The shares of rows that the loss leaves out, by term where it has several."""
        terms = loss.flat_terms()
        return {
            reason if len(terms) == 1 else f"{term.name()}/{reason}": share
            for _, term in terms
            for reason, share in term.skipped(self.between(*compared(term))).items()
        }

    def between(self, z: Output, keys: Output) -> Relation:
        """The relation of the rows that have one output and the columns that have another."""
        sides = self._is_whole(z), self._is_whole(keys)
        if sides not in self._found:
            self._found[sides] = self._relate(*sides)
        return self._found[sides]

    def whole_rows(self) -> tuple[Nodes, Nodes, dict[str, tuple[Tensor, Tensor]]]:
        """The rows of whole views, the columns beside them, and both their vectors by space."""
        return self._sides(True, True)

    def _of_one(self, loss: Loss) -> Tensor:
        """A loss that is no sum."""
        z, keys = compared(loss)
        columns = None
        if self.bank is not None:
            columns = {keys: torch.cat([self.outputs[keys], self.bank[1][keys]])}
        return loss.over(self.between(z, keys), self.outputs, columns)

    def _relate(self, rows_whole: bool, cols_whole: bool) -> Relation:
        rows, cols, spaces = self._sides(rows_whole, cols_whole)
        if self.shares is None:
            return self._related(rows, cols, spaces)
        share = self.shares[rows_whole]
        of_own = {name: (of_rows[share.rows], each) for name, (of_rows, each) in spaces.items()}
        return GatheredRelation(self._related(rows[share.rows], cols, of_own), rows, cols, share)

    def _related(self, rows: Nodes, cols: Nodes, spaces: Spaces) -> Relation:
        return self.program.relate(rows, cols, spaces=spaces, epoch=self.epoch, step=self.step)

    def _sides(
        self, rows_whole: bool, cols_whole: bool
    ) -> tuple[Nodes, Nodes, dict[str, tuple[Tensor, Tensor]]]:
        rows, cols = (self._rows(each) for each in (rows_whole, cols_whole))
        if rows_whole == cols_whole:
            cols = rows
        sizes = len(rows), len(cols)
        wanted = {name: SPACES[name] for name in self.program.requires.spaces if name in SPACES}
        if self.bank is None:
            spaces = {
                name: (self.outputs[each][: sizes[0]], self.outputs[each][: sizes[1]])
                for name, each in wanted.items()
            }
            return rows, cols, spaces
        earlier, kept = self.bank
        spaces = {
            name: (
                self.outputs[each][: sizes[0]],
                torch.cat([self.outputs[each][: sizes[1]].detach(), kept[each]]),
            )
            for name, each in wanted.items()
        }
        return rows, cols.followed_by(earlier), spaces

    def _rows(self, whole: bool) -> Nodes:
        return self.nodes[: self.whole] if whole else self.nodes

    def _is_whole(self, output: Output) -> bool:
        return len(self.outputs[output]) < len(self.nodes)


def compared(loss: Loss) -> tuple[Output, Output]:
    """The outputs that a loss which is no sum compares: of its rows and of its columns."""
    inputs: Mapping[str, Output] = loss.inputs()
    return inputs["z"], inputs.get("keys", inputs["z"])
