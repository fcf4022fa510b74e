"""What `auto` chooses for a recipe: strategy, tile, memory and operations, for each device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from rrl_dsl.backends.known_edges import MOST_LISTED, has_lists, terms_of
from rrl_dsl.backends.program import Program
from rrl_dsl.backends.strategy import choose, operations
from rrl_dsl.language.machine import available_memory, bytes_in_words

_EDGES: Final = {
    "classes": "the classes of rows, in linear time",
    "lists": f"a list of them if they are few (up to {MOST_LISTED} per row and column)",
    "pairs": "all pairs",
}


@dataclass(frozen=True)
class Evaluation:
    """How a relation and a loss of cross-entropy over it are evaluated, forward and backward.

    Attributes:
        device: `cpu` or `cuda`.
        strategy: `dense` or `blocked`.
        reason: Why.
        rows: The number of rows.
        columns: The number of columns: the rows, and those of a bank.
        width: The width of the embeddings.
        tile: The most pairs that are evaluated at once.
        memory: Peak bytes beside the embeddings.
        free: The free memory in bytes; None where it is not known.
        operations: The number of elementary operations.
        edges: The way a blocked relation sums over edges, as `byol` and `wmse` do:
            the classes of rows, lists of edges if they are few, or all pairs.
    """

    device: str
    strategy: Literal["dense", "blocked"]
    reason: str
    rows: int
    columns: int
    width: int
    tile: int
    memory: int
    free: int | None
    operations: int
    edges: Literal["classes", "lists", "pairs"]


def evaluations_of(program: Program, rows: int, width: int, edge: int) -> tuple[Evaluation, ...]:
    """Returns what `auto` chooses on the CPU of this machine, and on a GPU with enough memory.

    Args:
        program: The compiled recipe.
        rows: The number of rows of a batch.
        width: The width of the embeddings.
        edge: The operations of the edge weight of a pair.
    """
    columns = rows + program.requires.bank
    mirrored = program.graph.symmetric and columns == rows
    edges = _edges(program)

    def on(device: str, free: int | None) -> Evaluation:
        choice = choose(rows, columns, width, device, lambda: free)
        return Evaluation(
            device=device,
            strategy=choice.strategy,
            reason=choice.reason,
            rows=rows,
            columns=columns,
            width=width,
            tile=choice.tile,
            memory=choice.memory,
            free=free,
            operations=operations(choice, rows, columns, width, edge, mirrored=mirrored),
            edges=edges if device == "cpu" or edges == "classes" else "pairs",
        )

    return on("cpu", available_memory()), on("cuda", None)


def _edges(program: Program) -> Literal["classes", "lists", "pairs"]:
    at = {"seed": program.seed, "epoch": 0, "step": 0}
    if terms_of(program.plan, **at) is not None:
        return "classes"
    return "lists" if has_lists(program.plan, **at) else "pairs"


def in_words(evaluation: Evaluation) -> Iterator[str]:
    """Yields the lines that `explain` prints."""
    tile = f", in tiles of {evaluation.tile:,} pairs" if evaluation.strategy == "blocked" else ""
    yield f"{evaluation.strategy} on {evaluation.device}{tile}: {evaluation.reason}"
    free = "" if evaluation.free is None else f" of {bytes_in_words(evaluation.free)} that are free"
    yield f"    {bytes_in_words(evaluation.memory)}{free}, {evaluation.operations:.3g} operations"
    if evaluation.strategy == "blocked":
        yield f"    sums over edges go through {_EDGES[evaluation.edges]}"
