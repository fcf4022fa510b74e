"""What a recipe needs of the trainer and of the dataset."""

from __future__ import annotations

from dataclasses import dataclass

from rrl_dsl.graph.algebra import Composed, Graph, Scaled, calls_of, walk
from rrl_dsl.graph.schedule import Schedule
from rrl_dsl.graph.types import Need


@dataclass(frozen=True)
class Requires:
    """What a recipe needs. Names come in order of appearance.

    Attributes:
        views: How many views of each sample to draw.
        labels: The label fields it reads.
        numbers: The number fields it reads.
        vectors: The vector fields it reads.
        spaces: The spaces of the model in which it compares rows.
        bank: How many earlier rows it has as further columns.
        teacher: Whether it looks at a teacher's embeddings.
        bound: Whether it must be bound to the whole dataset first.
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
        return (
            *(Need("label", name) for name in self.labels),
            *(Need("number", name) for name in self.numbers),
            *(Need("vector", name) for name in self.vectors),
        )


def requires_of(graph: Graph) -> Requires:
    """What a recipe needs."""
    facts = [call.facts for call in calls_of(graph)]
    needs = dict.fromkeys(need for call_facts in facts for need in call_facts.needs)

    def named(kind: str) -> tuple[str, ...]:
        return tuple(need.name for need in needs if need.kind == kind)

    factors = (node.factor for node in walk(graph) if isinstance(node, Scaled))
    scheduled = any(isinstance(factor, Schedule) for factor in factors)
    return Requires(
        views=max((call_facts.views for call_facts in facts), default=1),
        labels=named("label"),
        numbers=named("number"),
        vectors=named("vector"),
        spaces=named("space"),
        bank=max((call_facts.bank for call_facts in facts), default=0),
        teacher="teacher" in named("space"),
        bound=any(call_facts.scope == "data set" for call_facts in facts)
        or any(isinstance(node, Composed) for node in walk(graph)),
        draws=any(call_facts.draws for call_facts in facts),
        epochs=scheduled or any(call_facts.timed for call_facts in facts),
    )
