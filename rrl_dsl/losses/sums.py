"""Weighted sums of losses. Each term takes its own inputs."""

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
    """A weighted sum of losses. Each term takes its own inputs."""

    @abstractmethod
    def terms(self) -> Sequence[tuple[float, Loss]]:
        """Returns weights and losses, which may be sums."""

    def flat_terms(self) -> Sequence[tuple[float, Loss]]:
        """See `Loss.flat_terms`."""
        return [
            (weight * own, term) for weight, loss in self.terms() for own, term in loss.flat_terms()
        ]

    def inputs(self) -> Mapping[str, Output]:
        """Returns the inputs of all terms, by the name of the output."""
        outputs = (output for _, term in self.flat_terms() for output in term.inputs().values())
        return {output: output for output in outputs}

    def least_rows(self, width: int) -> int:
        """Returns the largest `least_rows` of all terms."""
        return max(term.least_rows(width) for _, term in self.flat_terms())

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """Returns the shares of rows that the terms ignore."""
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
        """Returns the sum if every term takes the same embeddings; see `Loss.__call__`.

        If they take different ones, use `over`.
        """
        return self.summed(lambda term: term(relation, z, keys=keys, view=view, **others))

    def value(
        self, relation: Relation, z: Tensor, keys: Tensor, *others: Any, **named: Any
    ) -> Tensor:
        """See `Loss.value`."""
        return self(relation, z, keys=keys, **named)

    def over(
        self,
        relation: Relation | Tensor,
        outputs: Mapping[Output, Tensor],
        columns: Mapping[Output, Tensor] | None = None,
    ) -> Tensor:
        """Returns the sum, in which each term takes its own outputs."""
        return self.summed(lambda term: term.over(relation, outputs, columns))


@dataclass(frozen=True, config=OPTIONS)
class Sum(Composite):
    """A sum that a user wrote.

    Attributes:
        weighted: Weights and losses, at least one.
    """

    weighted: tuple[tuple[float, Loss], ...]

    def terms(self) -> Sequence[tuple[float, Loss]]:
        """Returns the weights and the losses."""
        return self.weighted
