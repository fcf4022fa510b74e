"""Weighted sums of losses, each term over what it takes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.dataclasses import dataclass
from torch import Tensor

from rrl_dsl.backends.relation import Relation
from rrl_dsl.losses.base import OPTIONS, Loss
from rrl_dsl.losses.outputs import Output


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Composite(Loss):
    """A loss that is a weighted sum of others, each of which takes what it wants."""

    @abstractmethod
    def terms(self) -> Sequence[tuple[float, Loss]]:
        """The weights and the losses, sums among them."""

    def flat_terms(self) -> Sequence[tuple[float, Loss]]:
        """See `Loss.flat_terms`."""
        return [
            (weight * own, term) for weight, loss in self.terms() for own, term in loss.flat_terms()
        ]

    def inputs(self) -> Mapping[str, Output]:
        """What the terms take, each by its output's name."""
        outputs = (output for _, term in self.flat_terms() for output in term.inputs().values())
        return {output: output for output in outputs}

    def least_rows(self, width: int) -> int:
        """What the most demanding term wants."""
        return max(term.least_rows(width) for _, term in self.flat_terms())

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """What each term leaves out."""
        return {
            f"{term.name()}/{reason}": share
            for _, term in self.flat_terms()
            for reason, share in term.skipped(relation).items()
        }

    def __call__(
        self,
        relation: Relation | Tensor,
        z: Tensor,
        *,
        keys: Tensor | None = None,
        view: Tensor | None = None,
        **others: Tensor,
    ) -> Tensor:
        """The sum where every term takes the same embeddings; see `Loss.__call__`.

        Where they take different ones, use `over`.
        """
        return self.summed(lambda term: term(relation, z, keys=keys, view=view, **others))

    def value(
        self, relation: Relation, z: Tensor, keys: Tensor, *others: Any, **named: Any
    ) -> Tensor:
        """As a call."""
        return self(relation, z, keys=keys, **named)

    def over(
        self,
        relation: Relation | Tensor,
        outputs: Mapping[Output, Tensor],
        columns: Mapping[Output, Tensor] | None = None,
    ) -> Tensor:
        """The sum, each term over the outputs that it takes."""
        return self.summed(lambda term: term.over(relation, outputs, columns))


@dataclass(frozen=True, config=OPTIONS)
class Sum(Composite):
    """A sum that a user wrote.

    Attributes:
        weighted: Weights and losses, at least one.
    """

    weighted: tuple[tuple[float, Loss], ...]

    def terms(self) -> Sequence[tuple[float, Loss]]:
        """The weights and the losses."""
        return self.weighted
