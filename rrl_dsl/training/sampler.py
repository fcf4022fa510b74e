"""The relation sampler: batches in which labeled and paired samples meet.

Each epoch puts the samples into small groups of related ones, and a group goes into one batch. With
ten labels a class of CIFAR-100, a random batch of 256 has 0.11 pairs of related samples on average.
Groups of 4 give 6.6, and every batch has some; groups of 8 give 15, unevenly, and of 16 give 23,
but half the batches have none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from torch.utils.data import Sampler

from rrl_dsl.backends.nodes import Samples
from rrl_dsl.backends.program import Program
from rrl_dsl.graph.draws import key
from rrl_dsl.graph.streams import stream_word
from rrl_dsl.training.related_samples import Indices, RelatedSamples, SplitRelations


class RelationSampler(Sampler[list[int]]):
    """Yields the part of each batch of one rank; a `batch_sampler` for PyTorch's data loader.

    An epoch visits the samples in a random order. A sample without a group opens one, and adds up
    to `meet - 1` other samples without a group, chosen at random. It takes them in turn from its
    relations: its class by each label that the program compares, and its neighbors in each list
    over the dataset. Groups are small, so that a fully labeled class does not fill a batch. They
    are assigned to the batches in turn, the largest first. Samples without related ones fill the
    rest.

    - Every sample occurs in every epoch. If their number is not divisible by the number of ranks,
      at most `world_size - 1` samples are repeated.
    - No batch is larger than `batch_size`, and sizes differ by at most `world_size`. The parts of
      all ranks have the same size, so related samples meet when the ranks are gathered.
    - A group stays in one batch while enough samples have no related one. If nearly all have one,
      the last group of a full batch is split.
    - The order depends on the seed and the epoch, and is the same on every rank.

    Relations are recomputed in each epoch, because they can follow a schedule. This takes
    O(n · meet) plus the lengths of the lists: some seconds for a million samples.
    """

    def __init__(
        self,
        program: Program,
        split: Samples,
        batch_size: int,
        *,
        meet: int,
        seed: int | None = None,
        world_size: int = 1,
        rank: int = 0,
    ) -> None:
        """Finds the relations of the program over the whole split.

        Args:
            program: The program.
            split: The n samples.
            batch_size: The samples per batch over all ranks; a multiple of `world_size`.
            meet: The number of related samples that are drawn together, at least 2.
            seed: The seed of the order; defaults to the seed of the program.
            world_size: The number of ranks.
            rank: The rank of this process.

        Raises:
            RRLError: As `Program.bind`.
        """
        self._count = len(split.sample)
        self._seed = program.seed if seed is None else seed
        self._relations = SplitRelations(program, split)
        self._sizes = batch_sizes(self._count, batch_size, world_size)
        self._meet, self._world_size, self._rank = meet, world_size, rank
        self.epoch = 0

    @property
    def sampler(self) -> RelationSampler:
        """Returns itself: Lightning sets the epoch of `loader.batch_sampler.sampler`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of the next batches."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches(self.epoch):
            size = len(batch) // self._world_size
            yield batch[self._rank * size : (self._rank + 1) * size].tolist()

    def batches(self, epoch: int) -> list[Indices]:
        """Returns the batches of an epoch over all ranks, as indices of samples in the split.

        A batch consists of the parts of rank 0, rank 1, and so on.
        """
        draws = self._draws(epoch)
        groups = self._groups(epoch, draws)
        repeats = np.resize(draws.permutation(self._count), sum(self._sizes) - self._count)
        places = np.concatenate([np.arange(self._count), repeats])
        alone = np.arange(self._count, len(places))
        batch_of = _dealt(np.concatenate([groups, alone]), self._sizes, draws)
        shuffled = draws.permutation(len(places))
        shuffled = shuffled[np.argsort(batch_of[shuffled], kind="stable")]
        return np.split(places[shuffled], np.cumsum(self._sizes)[:-1])

    def meeting(self, epoch: int) -> int:
        """Returns the number of samples of an epoch that are drawn together with another one."""
        sizes = np.bincount(self._groups(epoch, self._draws(epoch)))
        return int(sizes[sizes > 1].sum())

    def _draws(self, epoch: int) -> np.random.Generator:
        return np.random.default_rng(key(self._seed, stream_word("sampler", 0), epoch))

    def _groups(self, epoch: int, draws: np.random.Generator) -> Indices:
        order = draws.permutation(self._count)
        return grouped(self._relations.by_comparison(epoch, order), order, self._meet)


def batch_sizes(count: int, batch_size: int, world_size: int) -> list[int]:
    """Returns the batch sizes of an epoch: few, nearly equal, and multiples of `world_size`.

    Args:
        count: The number of samples, at least 1; up to `world_size - 1` are repeated.
        batch_size: The largest batch, a multiple of `world_size`.
        world_size: The number of ranks.
    """
    share = -(-count // world_size)
    batches = -(-share // (batch_size // world_size))
    small, larger = divmod(share, batches)
    return [(small + (at < larger)) * world_size for at in range(batches)]


def grouped(relations: Sequence[RelatedSamples], order: Indices, meet: int) -> Indices:
    """Returns groups of up to `meet` related samples; every sample is in one group.

    Args:
        relations: The relations that provide related samples.
        order: All n samples, in the order in which they open groups.
        meet: The largest size of a group.

    Returns:
        The group of each sample, (n,): the index of the sample that opened it.
    """
    groups = list(range(len(order)))
    free = bytearray(b"\x01") * len(order)
    known = np.zeros(len(order), dtype=bool)
    for relation in relations:
        known |= relation.known
    for turn, first in enumerate(order[known[order]].tolist()):
        if not free[first]:
            continue
        free[first] = 0
        sources = deque(relation.of(first, free) for relation in relations)
        sources.rotate(turn)  # otherwise the last relation would add no sample if `meet` is small
        for other in islice(_in_turn(sources), meet - 1):
            free[other] = 0
            groups[other] = first
    return np.array(groups, dtype=np.int64)


def _in_turn(sources: deque[Iterator[int]]) -> Iterator[int]:
    """Yields one item of each source in turn, until all are exhausted."""
    while sources:
        source = sources.popleft()
        for item in islice(source, 1):
            yield item
            sources.append(source)


def _dealt(groups: Indices, sizes: Sequence[int], draws: np.random.Generator) -> Indices:
    """Returns the batch of each sample, (n,): assigns groups in turn, then single samples.

    Args:
        groups: The group of each sample, (n,).
        sizes: The sizes of the batches; they sum to n.
        draws: The random generator.
    """
    members = np.bincount(groups)
    dealt = draws.permutation(np.flatnonzero(members > 1))
    dealt = dealt[np.argsort(-members[dealt], kind="stable")]
    batch_of_group = np.full(len(members), -1, dtype=np.int64)
    batch_of_group[dealt] = draws.permutation(len(sizes))[np.arange(len(dealt)) % len(sizes)]
    batch_of = batch_of_group[groups]
    _put_back(batch_of, groups, sizes)
    room = np.array(sizes) - np.bincount(batch_of[batch_of >= 0], minlength=len(sizes))
    left = draws.permutation(np.flatnonzero(batch_of < 0))
    batch_of[left] = np.repeat(np.arange(len(sizes)), room)
    return batch_of


def _put_back(batch_of: Indices, groups: Indices, sizes: Iterable[int]) -> None:
    """Removes the excess from each batch, and splits as few groups as possible."""
    held = np.flatnonzero(batch_of >= 0)
    held = held[np.lexsort((groups[held], batch_of[held]))]
    loads = np.bincount(batch_of[held], minlength=1)
    rank = np.arange(len(held)) - np.repeat(np.cumsum(loads) - loads, loads)
    batch_of[held[rank >= np.array(list(sizes))[batch_of[held]]]] = -1
