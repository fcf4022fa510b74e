"""The needs of a recipe: what the trainer and the dataset must provide."""

from __future__ import annotations

from dataclasses import dataclass

from rrl_dsl.graph.algebra import Composed, Graph
from rrl_dsl.graph.traversal import calls_of, walk
from rrl_dsl.graph.types import Need


@dataclass(frozen=True)
class Requires:
    """The needs of a recipe. Names are in order of appearance.

    Attributes:
        views: The number of views per sample.
        labels: The label fields that it reads.
        numbers: The number fields that it reads.
        vectors: The vector fields that it reads.
        spaces: The spaces of the model in which it compares rows.
        bank: The number of earlier rows that are additional columns.
        teacher: Whether it reads the embeddings of a teacher.
        bound: Whether it must be bound to the whole dataset.
        draws: Whether its graph is random.
        epochs: Whether its graph depends on the epoch or step.
    """

    views: int
    labels: tuple[str, ...]
    numbers: tuple[str, ...]
    vectors: tuple[str, ...]
    spaces: tuple[str, ...]
    bank: int
    teacher: bool
    bound: bool
    draws: bool
    epochs: bool

    @property
    def columns(self) -> tuple[Need, ...]:
        """The columns of the dataset that it reads."""
        labels = (Need("label", name) for name in self.labels)
        numbers = (Need("number", name) for name in self.numbers)
        return *labels, *numbers, *(Need("vector", name) for name in self.vectors)


def requires_of(graph: Graph) -> Requires:
    """The needs of a recipe."""
    facts = [call.facts for call in calls_of(graph)]
    needs = dict.fromkeys(need for call in facts for need in call.needs)

    def named(kind: str) -> tuple[str, ...]:
        return tuple(need.name for need in needs if need.kind == kind)

    return Requires(
        views=max((call.views for call in facts), default=1),
        labels=named("label"),
        numbers=named("number"),
        vectors=named("vector"),
        spaces=named("space"),
        bank=max((call.bank for call in facts), default=0),
        teacher="teacher" in named("space"),
        bound=any(call.scope == "dataset" for call in facts)
        or any(isinstance(node, Composed) for node in walk(graph)),
        draws=any(call.draws for call in facts),
        epochs=graph.timed,
    )
