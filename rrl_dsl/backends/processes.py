"""The rows of the processes of `torch.distributed`: which are whose, gathered or passed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any
from zlib import crc32

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.language.diagnostics import error


def rank_and_count() -> tuple[int, int]:
    """The rank of this process and the number of processes; 0 and 1 without a process group."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def all_rows(own: Tensor) -> Tensor:
    """The rows of all processes, (processes * n, ...), by rank; gradients are summed over them.

    Args:
        own: The rows of this process, (n, ...). All processes must have the same number.
    """
    if rank_and_count()[1] == 1:
        return own
    found: Tensor = _AllRows.apply(own)
    return found


class _AllRows(torch.autograd.Function):
    """Gathers rows. Its gradient is the sum of the gradients of all processes."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        """See `all_rows`."""
        found = own.new_empty(rank_and_count()[1] * len(own), *own.shape[1:])
        distributed.all_gather(list(found.chunk(rank_and_count()[1])), own.contiguous())
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The rows of this process in the sum."""
        parts = gradient.contiguous().chunk(rank_and_count()[1])
        own = torch.empty_like(parts[0])
        distributed.reduce_scatter(own, list(parts))
        return own


def passed_on(own: Tensor) -> Tensor:
    """Sends a tensor to the next process, and returns that of the previous one."""
    rank, count = rank_and_count()
    if count == 1:
        return own
    received = torch.empty_like(own, memory_format=torch.contiguous_format)
    work = distributed.batch_isend_irecv(
        [
            distributed.P2POp(distributed.isend, own.contiguous(), (rank + 1) % count),
            distributed.P2POp(distributed.irecv, received, (rank - 1) % count),
        ]
    )
    for each in work:
        each.wait()
    return received


def banded(function: Callable[[Tensor], Tensor], rows: Tensor, height: int) -> Tensor:
    """The values of a function for rows, computed band by band.

    Args:
        function: From the positions of t rows, int64, to values (t, ...).
        rows: The positions of the rows, int64.
        height: The rows of a band.
    """
    return torch.cat([function(band) for band in torch.split(rows, height)])


def banded_by_all(function: Callable[[Tensor], Tensor], rows: Tensor, height: int) -> Tensor:
    """As `banded`, but each process computes the values of a part of the rows, which are gathered.

    All processes must call it with the same rows.
    """
    rank, count = rank_and_count()
    share = -(-len(rows) // count)
    # of equal sizes: the last parts are filled with the first row
    places = torch.arange(rank * share, (rank + 1) * share, device=rows.device)
    own = rows[places.where(places < len(rows), 0)]
    found = banded(function, own, height) if share else function(rows)
    return all_rows(found)[: len(rows)]


@dataclass(frozen=True)
class Parts:
    """Which of all rows are those of which process.

    Attributes:
        places: int64 (processes, s), the places of the rows of each process among all rows.
        gather: From the rows (s, ...) of this process to those of all, by rank, with gradients.
        ring: Whether embeddings are passed around a ring, not gathered.
        columns: int64 (processes, c), the places of the columns of each process; those of its rows
            where left out.
    """

    places: Tensor
    gather: Callable[[Tensor], Tensor]
    ring: bool = False
    columns: Tensor | None = None

    def against(self, columns: Parts) -> Parts:
        """The same rows, with the rows of other parts as columns."""
        if columns is self:
            return self
        return Parts(self.places, self.gather, self.ring, columns.places)

    @cached_property
    def own(self) -> Tensor:
        """int64 (s,), the places of the rows of this process."""
        return self.places[rank_and_count()[0]]

    def all(self, own: Tensor) -> Tensor:
        """From values (s, ...) of the rows of this process to those of all rows, in their order."""
        return self.gather(own)[self._order]

    @cached_property
    def _order(self) -> Tensor:
        """int64 (n,), where each row is among the rows by rank."""
        return self.places.flatten().argsort()


def by_rank(count: int, device: torch.device) -> Tensor:
    """The places of as many rows of each process, int64 (processes, count), ordered by rank."""
    processes = rank_and_count()[1]
    return torch.arange(processes * count, device=device).view(processes, count)


def check_alike(
    sides: Sequence[Nodes],
    gather: Callable[[Tensor], Tensor],
    spaces: Mapping[str, tuple[Tensor, Tensor]] = MappingProxyType({}),
) -> None:
    """Refuses processes whose rows cannot be gathered. It waits for the device.

    Args:
        sides: The rows of this process, and its columns if they are others.
        gather: From the rows of this process to those of all.
        spaces: The vectors of rows and columns by space.

    Raises:
        RRLError: RRL402, in every process.
    """
    columns = [
        (name, each) for nodes in sides for name, each in (nodes.labels | nodes.fields).items()
    ]
    columns += [(name, each) for name, pair in spaces.items() for each in pair]
    kinds = sorted((name, str(each.dtype), *each.shape[1:]) for name, each in columns)
    own = [*map(len, sides), crc32(repr(kinds).encode())]
    found = gather(torch.tensor([own], device=sides[0].device))
    *counts, columns_differ = (found != found[0]).any(dim=0).tolist()
    if any(counts):
        listed = ", ".join(map(str, found[:, counts.index(True)].tolist()))
        message = f"the processes have different numbers of rows: {listed}"
        hint = "give each process the same number, as `drop_last=True` of a loader does"
        raise error("RRL402", message, hint=hint)
    if columns_differ:
        message = "the processes have other columns, or columns of other widths or types"
        hint = "pass the same columns; fill sets of labels with -1 to the same width"
        raise error("RRL402", message, hint=hint)
