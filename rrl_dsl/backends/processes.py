"""The rows of the processes of `torch.distributed`: their owners, gathering, and passing on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    rows: Tensor = _AllRows.apply(own)
    return rows


class _AllRows(torch.autograd.Function):
    """Gathers rows. Its gradient is the sum of the gradients of all processes."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        """See `all_rows`."""
        count = rank_and_count()[1]
        rows = own.new_empty(count * len(own), *own.shape[1:])
        distributed.all_gather(list(rows.chunk(count)), own.contiguous())
        return rows

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The part of the summed gradients that belongs to the rows of this process."""
        parts = gradient.contiguous().chunk(rank_and_count()[1])
        own = torch.empty_like(parts[0])
        distributed.reduce_scatter(own, list(parts))
        return own


def passed_on(own: Tensor) -> Tensor:
    """Sends a tensor to the next process and returns the tensor of the previous one."""
    rank, count = rank_and_count()
    if count == 1:
        return own
    received = torch.empty_like(own, memory_format=torch.contiguous_format)
    send = distributed.P2POp(distributed.isend, own.contiguous(), (rank + 1) % count)
    receive = distributed.P2POp(distributed.irecv, received, (rank - 1) % count)
    for work in distributed.batch_isend_irecv([send, receive]):
        work.wait()
    return received


def banded(function: Callable[[Tensor], Tensor], rows: Tensor, height: int) -> Tensor:
    """The values of a function for rows, computed band by band.

    Args:
        function: From the positions of t rows, int64, to values (t, ...).
        rows: The positions of the rows, int64.
        height: The number of rows of a band.
    """
    return torch.cat([function(band) for band in torch.split(rows, height)])


def banded_by_all(function: Callable[[Tensor], Tensor], rows: Tensor, height: int) -> Tensor:
    """As `banded`, but each process computes a part of the rows, and the parts are gathered.

    All processes must call it with the same rows.
    """
    rank, count = rank_and_count()
    share = -(-len(rows) // count)
    # the parts have equal sizes: the last ones are filled up with the first row
    places = torch.arange(rank * share, (rank + 1) * share, device=rows.device)
    own = rows[places.where(places < len(rows), 0)]
    values = banded(function, own, height) if share else function(rows)
    return all_rows(values)[: len(rows)]


@dataclass(frozen=True)
class Parts:
    """The rows of each process.

    Attributes:
        places: int64 (processes, s), the positions of the rows of each process among all rows.
        gather: From the rows (s, ...) of this process to those of all, by rank, with gradients.
        ring: Whether embeddings are passed around a ring instead of gathered.
        columns: int64 (processes, c), the positions of the columns of each process; None if the
            columns are the rows.
    """

    places: Tensor
    gather: Callable[[Tensor], Tensor]
    ring: bool = False
    columns: Tensor | None = None

    def against(self, columns: Parts) -> Parts:
        """The same rows, with the rows of other parts as their columns."""
        return self if columns is self else replace(self, columns=columns.places)

    @cached_property
    def own(self) -> Tensor:
        """int64 (s,), the positions of the rows of this process."""
        return self.places[rank_and_count()[0]]

    def all(self, own: Tensor) -> Tensor:
        """From values (s, ...) of the rows of this process to those of all rows, in row order."""
        return self.gather(own)[self._order]

    @cached_property
    def _order(self) -> Tensor:
        """int64 (n,), the position of each row among the rows ordered by rank."""
        return self.places.flatten().argsort()


def by_rank(count: int, device: torch.device) -> Tensor:
    """The positions of `count` rows per process, int64 (processes, count), ordered by rank."""
    processes = rank_and_count()[1]
    return torch.arange(processes * count, device=device).view(processes, count)


def check_alike(
    sides: Sequence[Nodes],
    gather: Callable[[Tensor], Tensor],
    spaces: Mapping[str, tuple[Tensor, Tensor]] = MappingProxyType({}),
) -> None:
    """Refuses processes whose rows cannot be gathered. Synchronizes with the device.

    Args:
        sides: The rows of this process, and its columns if they are not the rows.
        gather: From the rows of this process to those of all.
        spaces: The vectors of rows and columns by space.

    Raises:
        RRLError: RRL402, in every process.
    """
    columns = [item for nodes in sides for item in (nodes.labels | nodes.fields).items()]
    columns += [(name, vectors) for name, pair in spaces.items() for vectors in pair]
    kinds = sorted((name, str(column.dtype), *column.shape[1:]) for name, column in columns)
    own = [*map(len, sides), crc32(repr(kinds).encode())]
    by_process = gather(torch.tensor([own], device=sides[0].device))
    *counts, columns_differ = (by_process != by_process[0]).any(dim=0).tolist()
    if any(counts):
        listed = ", ".join(map(str, by_process[:, counts.index(True)].tolist()))
        message = f"the processes have different numbers of rows: {listed}"
        hint = "give each process the same number, as `drop_last=True` of a loader does"
        raise error("RRL402", message, hint=hint)
    if columns_differ:
        message = "the columns of the processes differ in name, width or type"
        hint = "pass the same columns; fill sets of labels with -1 to the same width"
        raise error("RRL402", message, hint=hint)
