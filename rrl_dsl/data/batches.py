"""Batches: images with their ids and labels, fetched a whole batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler, Sampler, get_worker_info

from rrl_dsl.data.crops import Crops
from rrl_dsl.data.dataset import Split
from rrl_dsl.data.image_files import ImageFiles
from rrl_dsl.language.diagnostics import RRLError, error


@dataclass(frozen=True, eq=False)
class Batch:
    """Some samples of a split.

    Attributes:
        images: uint8 (b, C, H, W); of views that were cropped from files, (views, b, C, H, W).
        sample: The stable ids, int64 (b,).
        labels: Label name -> int64 (b,); -1 is unknown.
        fields: Name of a further column -> numbers (b,) or vectors (b, d); NaN is missing.
        local: Local views that were cropped from files, uint8 (local, b, C, side, side).
    """

    images: Tensor
    sample: Tensor
    labels: dict[str, Tensor]
    fields: dict[str, Tensor] = field(default_factory=dict)
    local: Tensor | None = None

    def __len__(self) -> int:
        return len(self.sample)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The batch on a device.

        Args:
            device: Where to.
            non_blocking: Whether the copy may run behind the caller; safe from pinned memory to
                an accelerator, and not back.
        """
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory; the data loader calls this."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, move: Callable[[Tensor], Tensor]) -> Batch:
        labels = {name: move(label) for name, label in self.labels.items()}
        fields = {name: move(column) for name, column in self.fields.items()}
        local = None if self.local is None else move(self.local)
        return Batch(move(self.images), move(self.sample), labels, fields, local)


class SplitBatches(Dataset[Batch]):
    """A split as a map-style data set of PyTorch, which fetches whole batches."""

    def __init__(self, split: Split, crops: Crops | None = None) -> None:
        """Batches of a split.

        Args:
            split: What to fetch from.
            crops: The crops to draw of each sample, where its images are files; None for the whole
                images.
        """
        self._split = split
        self._crops = crops
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        """What crops follow from; workers see it change."""

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, place: int) -> Batch:
        """The batch of one sample."""
        return self._fetch([place])

    def __getitems__(self, places: Sequence[int]) -> Batch | RRLError:
        """The batch of the samples at some places.

        Returns:
            The batch. In a worker process a mistake of the user's, such as a damaged image, is
            returned, because PyTorch would rebuild what is raised there from its text alone.

        Raises:
            RRLError: Outside of a worker, as the split's images raise it.
        """
        try:
            return self._fetch(places)
        except RRLError as mistake:
            if get_worker_info() is None:
                raise
            return mistake

    def _fetch(self, places: Sequence[int]) -> Batch:
        index = torch.as_tensor(places, dtype=torch.int64)
        labels = {name: label[index] for name, label in self._split.labels.items()}
        fields = {name: column[index] for name, column in self._split.fields.items()}
        sample = self._split.sample[index]
        if self._crops is None:
            return Batch(self._split.images[index], sample, labels, fields)
        views, local = self._cropped(index, sample, self._crops)
        return Batch(views, sample, labels, fields, local)

    def _cropped(self, index: Tensor, sample: Tensor, crops: Crops) -> tuple[Tensor, Tensor | None]:
        """The crops of views and of local views."""
        every, epoch = [*crops.views, *crops.local], int(self.epoch)
        draws = [
            [crops.draw(each, view, epoch) for view in range(len(every))]
            for each in sample.tolist()
        ]
        assert isinstance(self._split.images, ImageFiles)
        found = self._split.images.cropped(index, every, draws)
        views, local = found[: len(crops.views)], found[len(crops.views) :]
        return torch.stack(views), torch.stack(local) if local else None


class BatchLoader(DataLoader[Batch]):
    """A data loader that raises what its workers return as mistakes."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """The batches of an epoch.

        Raises:
            RRLError: As the split's images raise it.
        """
        if isinstance(self.dataset, SplitBatches):
            # where Lightning looks for what it tells the epoch
            told = getattr(self.batch_sampler, "sampler", None)
            self.dataset.epoch.fill_(getattr(told, "epoch", 0))
        for batch in super().__iter__():
            if isinstance(batch, RRLError):
                # raising `batch` itself would tie this frame, and with it the workers, into a cycle
                raise RRLError(batch.diagnostics)
            yield batch


def loader(
    split: Split,
    batch_size: int,
    *,
    shuffle: bool,
    seed: int = 0,
    world_size: int = 1,
    rank: int = 0,
    workers: int = 0,
    drop_last: bool = False,
    crops: Crops | None = None,
) -> BatchLoader:
    """A loader over one process's share of a split.

    The order of an epoch depends on `seed` and on the epoch that `loader.sampler.set_epoch` was
    told, which Lightning does by itself, and on nothing else.

    Args:
        split: What to load.
        batch_size: Samples a batch and process.
        shuffle: Whether each epoch has an order of its own.
        seed: What the orders follow from.
        world_size: The number of processes.
        rank: Which of them this is.
        workers: The number of processes that fetch ahead; 0 fetches in this one.
        drop_last: Whether an incomplete batch is left out, as is usual in training. Otherwise
            a few samples are repeated where the processes' shares would differ in size.
        crops: As for `SplitBatches`.

    Returns:
        The loader.

    Raises:
        RRLError: RRL502, if the batch size is not positive, or leaves no complete batch where
            incomplete ones are left out.
    """
    share = len(split) // world_size
    if batch_size < 1:
        raise error("RRL502", f"the batch size must be at least 1, not {batch_size}")
    if drop_last and batch_size > share:
        processes = "" if world_size == 1 else f" for each of {world_size} processes"
        raise error(
            "RRL502",
            f"a batch of {batch_size} is more than the {share} samples there are{processes}",
            hint=f"set the batch size to {share} or less",
        )
    batches = SplitBatches(split, crops)
    sampler: DistributedSampler[Batch] = DistributedSampler(
        batches, world_size, rank, shuffle, seed, drop_last
    )
    fetching = _fetching(seed, workers)
    return BatchLoader(batches, batch_size, sampler=sampler, drop_last=drop_last, **fetching)


def listed_batches(
    split: Split,
    sampler: Sampler[list[int]],
    *,
    seed: int = 0,
    workers: int = 0,
    crops: Crops | None = None,
) -> BatchLoader:
    """A loader over the batches that a sampler lists.

    Args:
        split: What to load.
        sampler: Lists the places in the split of each batch's samples.
        seed: What the loader's own draws follow from, which reach no batch.
        workers: The number of processes that fetch ahead; 0 fetches in this one.
        crops: As for `SplitBatches`.
    """
    return BatchLoader(
        SplitBatches(split, crops), batch_sampler=sampler, **_fetching(seed, workers)
    )


def _fetching(seed: int, workers: int) -> dict[str, Any]:
    return {
        "num_workers": workers,
        "collate_fn": _as_it_is,
        "pin_memory": torch.cuda.is_available(),
        # the loader draws a seed every epoch, which must not move the model's own draws
        "generator": torch.Generator().manual_seed(seed),
        "persistent_workers": workers > 0,
    }


def row_columns(
    batch: Batch, views: int
) -> tuple[Tensor, Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """The sample, view, labels and fields of the rows that views of a batch make.

    Args:
        batch: b samples.
        views: How many views are drawn of each.

    Returns:
        `sample`, `view` and each label, int64 (views * b,), and each field, in the order of
        `rrl_dsl.data.views.Views`: first the first view of every sample, then the second.
    """
    view = torch.arange(views, device=batch.sample.device).repeat_interleave(len(batch))
    labels = {name: label.repeat(views) for name, label in batch.labels.items()}
    fields = {
        name: column.repeat(views, *[1] * (column.ndim - 1))
        for name, column in batch.fields.items()
    }
    return batch.sample.repeat(views), view, labels, fields


def _as_it_is(batch: Any) -> Any:
    return batch
