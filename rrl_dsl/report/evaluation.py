"""What `auto` chooses for a recipe: strategy, tile, memory and operations, for each device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rrl_dsl.backends.program import Program
from rrl_dsl.backends.strategy import choose, operations
from rrl_dsl.language.machine import available_memory, bytes_in_words


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
        )

    return on("cpu", available_memory()), on("cuda", None)


def in_words(evaluation: Evaluation) -> Iterator[str]:
    """Yields the lines that `explain` prints."""
    tile = f", in tiles of {evaluation.tile:,} pairs" if evaluation.strategy == "blocked" else ""
    yield f"{evaluation.strategy} on {evaluation.device}{tile}: {evaluation.reason}"
    free = "" if evaluation.free is None else f" of {bytes_in_words(evaluation.free)} that are free"
    yield f"    {bytes_in_words(evaluation.memory)}{free}, {evaluation.operations:.3g} operations"
