"""The strategy and tile that `auto` chooses, their cost, and the fallback if memory runs out.

This module imports torch only to ask a GPU for its free memory, so `rrl-dsl explain` can use it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from rrl_dsl.language.machine import available_memory, bytes_in_words, too_little_memory

if TYPE_CHECKING:
    import torch

Strategy = Literal["auto", "dense", "blocked"]
"""`dense`: all pairs at once; `blocked`: tile by tile; `auto`: chosen by `choose`."""
Gather = Literal["all", "ring"]
"""`all`: every process has the embeddings of all rows; `ring`: those of one process at a time."""

TILE_PAIRS: Final = {"cpu": 2**18, "cuda": 2**24}
"""Pairs of a tile, by device: 1 MiB of float32 stays in a core's cache; a GPU wants few kernels."""
SMALLEST_TILE: Final = 2**12
"""The fewest pairs of a tile, which needs 72 KiB."""
KEPT_BYTES: Final = 2**25
"""Bytes of weights that a blocked relation keeps, so that some tiles are evaluated only once."""
BLOCKED_PAIRS: Final = {"cpu": 2**22, "cuda": 2**26}
"""Device -> the number of pairs from which `auto` is blocked, for embeddings of up to `WIDTH`."""
WIDTH: Final = 128
"""The default width of embeddings."""
PAIR_BYTES: Final = 18
"""Peak bytes per pair that is evaluated at once: a weight and a cross-entropy, both passes."""
ENTRY_BYTES: Final = 20
"""Bytes per entry of the vectors of rows and columns: a scaled copy and gradients."""

_UNASKED: Final = 2**26
"""Bytes that every machine has. Below them, a query of the free memory would take most time."""
_STEP: Final = 4
"""The factor by which a tile shrinks: each side is halved."""

Free = Callable[[], int | None]
"""Returns the free memory in bytes; None if it is unknown."""


@dataclass(frozen=True)
class Choice:
    """The strategy for a relation of n rows and m columns.

    Attributes:
        strategy: `dense` or `blocked`.
        tile: The most pairs that are evaluated at once.
        memory: Peak bytes besides the embeddings, with the gradient of a cross-entropy.
        reason: The reason, in words.
    """

    strategy: Literal["dense", "blocked"]
    tile: int
    memory: int
    reason: str


def choose(
    n: int,
    m: int,
    width: int,
    device: str,
    free: Free,
    *,
    strategy: Strategy = "auto",
    most: int | None = None,
) -> Choice:
    """Chooses the strategy and the tile of a relation.

    Args:
        n: The number of rows.
        m: The number of columns.
        width: The width of the embeddings.
        device: The type of the device.
        free: Its free memory. At most half of it is used.
        strategy: The requested strategy.
        most: The most pairs at once, if memory ran out for more.
    """
    pairs, linear = n * m, ENTRY_BYTES * (n + m) * width
    matrix = PAIR_BYTES * pairs + linear
    limit = _at(BLOCKED_PAIRS, device) * min(max(width // WIDTH, 1), 4)  # wide tiles cost more
    available = None if matrix < _UNASKED else free()
    room = matrix if available is None else available // 2
    if strategy != "auto":
        reason = f"`{strategy}` is asked for"
    elif most is not None and pairs > most:
        strategy, reason = "blocked", f"memory ran out for more than {most:,} pairs at once"
    elif pairs >= limit:
        strategy, reason = "blocked", f"{pairs:,} pairs are {limit:,} or more"
    elif matrix > room:
        strategy = "blocked"
        reason = f"the matrix needs {bytes_in_words(matrix)}, more than half of the free memory"
    else:
        strategy, reason = "dense", f"{pairs:,} pairs are fewer than {limit:,}"
    if strategy == "dense":
        return Choice(strategy, pairs, matrix, reason)
    usual = _at(TILE_PAIRS, device)
    tile = usual if most is None else min(usual, most)
    while tile > SMALLEST_TILE and PAIR_BYTES * min(tile, pairs) + linear > room:
        tile //= _STEP
    return Choice("blocked", tile, PAIR_BYTES * min(tile, pairs) + linear, reason)


def operations(choice: Choice, n: int, m: int, width: int, edge: int, *, mirrored: bool) -> int:
    """Returns the operations of a relation and a cross-entropy over it, forward and backward.

    Args:
        choice: The strategy and the tile.
        n: The number of rows.
        m: The number of columns.
        width: The width of the embeddings.
        edge: The operations of the edge weight of a pair.
        mirrored: Whether the columns are the rows and the weights are symmetric. Tiles below the
            diagonal are then not computed.
    """
    gradients = 4 * width  # of rows and columns; a similarity takes 2 operations per entry
    if choice.strategy == "dense":
        return n * m * (edge + 2 * width + gradients)
    return n * m * (2 * (edge + 2 * width) + gradients) // (2 if mirrored else 1)


def free_memory(device: torch.device) -> int | None:
    """Returns the free memory of a device for this process in bytes; None if it is unknown."""
    if device.type != "cuda":
        return available_memory() if device.type == "cpu" else None
    import torch

    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


class Limit:
    """The most pairs that a program evaluates at once on a device.

    It falls when memory runs out and stays there, so that the next batch does not run out again.

    Attributes:
        pairs: The limit; None as long as memory has not run out.
    """

    def __init__(self) -> None:
        self.pairs: int | None = None

    def lower(self, tried: int, device: str) -> int:
        """Returns a smaller limit, with a warning the first time.

        Args:
            tried: The number of pairs at once for which memory ran out.
            device: The type of the device.

        Raises:
            RRLError: RRL515 if the smallest tile was tried.
        """
        if tried <= SMALLEST_TILE:
            what = f"a relation in its smallest tiles, of {SMALLEST_TILE:,} pairs"
            raise too_little_memory(
                what, "lower `batch_size` or the width of the embeddings", "batch_size"
            )
        lower = max(min(tried // _STEP, _at(TILE_PAIRS, device)), SMALLEST_TILE)
        if self.pairs is None:
            message = f"memory ran out for {tried:,} pairs at once: tiles of {lower:,} are used now"
            warnings.warn(message, stacklevel=2)
        self.pairs = lower
        return lower


def _at(table: dict[str, int], device: str) -> int:
    return table.get(device, table["cuda"])
